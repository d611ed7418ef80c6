"""Zones and lines drawn in the page: read, added, removed. Every function takes the scope, as in queries.py.

A drawn rule is never changed, only removed and drawn anew: what a stored event speaks of stays what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.errors import ConfigError, StoreError
from pipeline.rule_settings import DrawnRule, RuleKind, checked_rule
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.public_id import PublicIds
from pipeline.store.tables import Rule, Source
from pipeline.store.writer import now_microseconds


@dataclass(frozen=True)
class RuleRow(DrawnRule):
    """A drawn zone or line, as it is stored. Its definition was valid when it was drawn."""

    public_id: UUID
    source: UUID
    created_at: int  # microseconds UTC


def living_rules(scope: Scope, connection: Connection, source: UUID) -> list[RuleRow]:
    """What is drawn for a source and not removed, oldest first; nothing for a source outside the scope."""
    query = _living(scope).where(Source.public_id == source)
    return [_rule(dict(row)) for row in connection.execute(query).mappings()]


def rules_by_place(scope: Scope, connection: Connection) -> dict[tuple[str, str], list[RuleRow]]:
    """Everything that is drawn and not removed, by fingerprint and address of the source, oldest first."""
    query = _living(scope, Source.fingerprint, Source.uri_redacted)
    found: dict[tuple[str, str], list[RuleRow]] = {}
    for row in connection.execute(query).mappings():
        values = dict(row)
        place = values.pop("fingerprint"), values.pop("uri_redacted")
        found.setdefault(place, []).append(_rule(values))
    return found


def add_rule(
    database: Database, scope: Scope, source: UUID, name: str, kind: str, definition: Mapping[str, Any]
) -> RuleRow:
    """Draw a zone or line. `kind`: "zone" or "line". `definition`: as a settings file would say it.

    Raises ConfigError for a name, kind or definition that cannot be, or a name that a living rule of the source has;
    StoreError if there is no such source.
    """
    kind, checked = checked_rule(name, kind, definition)
    row = RuleRow(name, kind, checked, PublicIds().new(), source, now_microseconds())
    try:
        with database.write("add a zone or line") as connection:
            connection.execute(
                insert(Rule).values(
                    public_id=row.public_id,
                    source_id=_source(scope, connection, source),
                    name=row.name,
                    kind=row.kind.value,
                    definition=dict(row.definition),
                    created_at=row.created_at,
                )
            )
    except StoreError as error:
        if isinstance(error.__cause__, IntegrityError):
            raise ConfigError(
                f"there is already a zone or line '{name}' for this source; remove it or take another name"
            ) from error
        raise
    return row


def remove_rule(database: Database, scope: Scope, public_id: UUID) -> RuleRow:
    """Take a zone or line away; its events stay. Returns what it was. Raises StoreError if there is none."""
    with database.write("remove a zone or line") as connection:
        found = connection.execute(_living(scope).where(Rule.public_id == public_id)).mappings().one_or_none()
        if found is None:
            raise StoreError(f"there is no zone or line {public_id}; it may be removed already")
        connection.execute(update(Rule).where(Rule.public_id == public_id).values(removed_at=now_microseconds()))
    return _rule(dict(found))


def _living(scope: Scope, *more: Any) -> Select[*tuple[Any, ...]]:
    """Rules that are not removed, with more columns of their sources."""
    return (
        select(
            Rule.public_id,
            Source.public_id.label("source"),
            Rule.name,
            Rule.kind,
            Rule.definition,
            Rule.created_at,
            *more,
        )
        .join(Source, Source.id == Rule.source_id)
        .where(Source.project_id.in_(scope.project_ids), Rule.removed_at.is_(None))
        .order_by(Rule.id)
    )


def _rule(row: Mapping[str, Any]) -> RuleRow:
    return RuleRow(**{**row, "kind": RuleKind(row["kind"])})


def _source(scope: Scope, connection: Connection, source: UUID) -> int:
    query = select(Source.id).where(Source.public_id == source, Source.project_id.in_(scope.project_ids))
    found = connection.scalar(query)
    if found is None:
        raise StoreError(f"there is no source {source} to draw zones and lines for")
    return found
