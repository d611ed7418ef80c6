"""Re-linking: a source's file has moved, and the store is told where it is now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.orm import aliased

from pipeline.errors import StoreError
from pipeline.redaction import redact
from pipeline.store.filters import Scope
from pipeline.store.tables import DetectionChunk, Run, RunSource, Source


@dataclass(frozen=True, slots=True)
class Relinked:
    """What became of it."""

    source: UUID
    name: str
    before: str  # address
    after: str
    merged: int  # runs that had read the file at its new place and now belong to this source, too


def relink_source(
    scope: Scope, connection: Connection, source: UUID, *, uri: str, name: str, fingerprint: str
) -> Relinked:
    """Tell a source its new address, in the caller's write transaction. `fingerprint`: of what lies there now.

    Where runs read the same content at the new place already, that source becomes one with this one, which keeps its
    public id. Raises StoreError if the source is not in the scope or is a camera, if the content is another, or if one
    run has read both.
    """
    mine = (Source.public_id == source, Source.project_id.in_(scope.project_ids))
    found = connection.execute(select(Source).with_only_columns(*Source.__table__.columns).where(*mine)).one_or_none()
    if found is None:
        raise StoreError(f"there is no source {source}; `sightline runs --json` names the sources of each run")
    if not found.fingerprint:
        raise StoreError(f"the source '{found.name}' is a camera; only files and folders of pictures can move")
    if fingerprint != found.fingerprint:
        raise StoreError(
            f"{redact(uri)} does not hold what '{found.name}' held when it was read: its fingerprint is "
            f"{fingerprint}, not {found.fingerprint}; give the unchanged file"
        )
    merged = _merge_other(connection, found, uri)
    values = {"uri_redacted": redact(uri), "name": name}
    connection.execute(update(Source).where(Source.id == found.id).values(values))
    return Relinked(source, name, found.uri_redacted, redact(uri), merged)


def _merge_other(connection: Connection, found: Any, uri: str) -> int:
    """Let the source at the new address, if there is one, become `found`. Returns how many runs it brings."""
    same = (Source.project_id == found.project_id, Source.fingerprint == found.fingerprint)
    other = connection.scalar(select(Source.id).where(*same, Source.uri_redacted == redact(uri), Source.id != found.id))
    if other is None:
        return 0
    _refuse_both(connection, found, other)
    brought = connection.execute(
        update(RunSource).where(RunSource.source_id == other).values(source_id=found.id)
    ).rowcount
    _move_chunks(connection, other, found.id)
    connection.execute(delete(Source).where(Source.id == other))
    return brought


def _refuse_both(connection: Connection, found: Any, other: int) -> None:
    one, two = aliased(RunSource), aliased(RunSource)
    query = (
        select(Run.public_id)
        .join(one, one.run_id == Run.id)
        .join(two, two.run_id == Run.id)
        .where(one.source_id == found.id, two.source_id == other)
        .limit(1)
    )
    if (both := connection.scalar(query)) is not None:
        raise StoreError(
            f"run {both} has read '{found.name}' and the same content at the new place as two sources, so they cannot "
            "become one; delete that run first"
        )


def _move_chunks(connection: Connection, other: int, source_id: int) -> None:
    """Detections of both are the same where their keys and ranges are."""
    held = aliased(DetectionChunk)
    twice = (
        select(held.id)
        .where(
            held.source_id == source_id,
            held.detect_hash == DetectionChunk.detect_hash,
            held.first_frame == DetectionChunk.first_frame,
            held.end_frame == DetectionChunk.end_frame,
        )
        .exists()
    )
    theirs = DetectionChunk.source_id == other
    connection.execute(delete(DetectionChunk).where(theirs, twice))
    connection.execute(update(DetectionChunk).where(theirs).values(source_id=source_id))
