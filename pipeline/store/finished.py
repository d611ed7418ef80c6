"""What was done before: sources that a run finished, so that nobody need process them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select

from pipeline.store.batches import batches
from pipeline.store.filters import Scope
from pipeline.store.run_kinds import FILES
from pipeline.store.states import SourceStatus
from pipeline.store.tables import Run, RunSource, Source


@dataclass(frozen=True, slots=True)
class FinishedSource:
    """A run that came to the end of a source."""

    run: UUID
    settings: Mapping[str, Any]  # of the run, with its outputs
    uri: str  # where the source was then


def finished_sources(
    scope: Scope, connection: Connection, settings_hash: str, fingerprints: Sequence[str], *, kind: str = FILES
) -> dict[str, FinishedSource]:
    """By fingerprint: the newest run of a kind with these settings that finished a source of that content."""
    known = sorted({one for one in fingerprints if one})
    found: dict[str, FinishedSource] = {}
    for batch in batches(known):
        query = (
            select(Source.fingerprint, Run.public_id, Run.settings, Source.uri_redacted)
            .join(RunSource, RunSource.source_id == Source.id)
            .join(Run, Run.id == RunSource.run_id)
            .where(
                Run.project_id.in_(scope.project_ids),
                Run.kind == kind,
                Run.settings_hash == settings_hash,
                RunSource.status == SourceStatus.FINISHED,
                Source.fingerprint.in_(batch),
            )
            .order_by(Run.id)
        )
        found |= {
            row.fingerprint: FinishedSource(row.public_id, row.settings, row.uri_redacted)
            for row in connection.execute(query)
        }
    return found


def finished_places(scope: Scope, connection: Connection, settings_hash: str) -> set[str]:
    """Addresses of all sources that a run with these settings finished."""
    query = (
        select(Source.uri_redacted)
        .join(RunSource, RunSource.source_id == Source.id)
        .join(Run, Run.id == RunSource.run_id)
        .where(
            Run.project_id.in_(scope.project_ids),
            Run.kind == FILES,
            Run.settings_hash == settings_hash,
            RunSource.status == SourceStatus.FINISHED,
        )
    )
    return set(connection.scalars(query))
