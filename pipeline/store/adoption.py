"""What a run that tracks again takes over from its parent: sources, clocks, models and pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Select, func, insert, literal, select
from sqlalchemy.orm import aliased

from pipeline.store import tables
from pipeline.store.chunk import CropColumns, SessionStart
from pipeline.store.records import AdoptedSource
from pipeline.store.states import MediaKind, SourceStatus
from pipeline.store.tables import Checkpoint, Media, Observation, RunModel, RunSource, Session, Source, Track
from trackers.structures import Gap

_log = logging.getLogger(__name__)

_MODEL = (RunModel.task, RunModel.model_id, RunModel.version, RunModel.runtime)
_INPUT = (RunModel.input_height, RunModel.input_width)
_SESSION = (Session.n, Session.started_at, Session.time_offset, Session.time_base, Session.width, Session.height)


def adopt(connection: Connection, *, parent_id: int, run_id: int) -> list[AdoptedSource]:
    """Give a run the models and those sources of its parent that have frames."""
    models = select(literal(run_id), *_MODEL, *_INPUT).where(RunModel.run_id == parent_id)
    names = [column.key for column in (*_MODEL, *_INPUT)]
    connection.execute(insert(RunModel).from_select(["run_id", *names], models))
    found = connection.execute(_sources(parent_id)).mappings().all()
    return [_adopt_source(connection, dict(row), run_id) for row in found]


def pictures(
    connection: Connection, *, parent: int, child: int, media_folder: Path, after: int, most: int
) -> tuple[CropColumns | None, int | None]:
    """The parent's best pictures for the child's tracks that hold the same detections; None if there is none.

    `parent`, `child`: run_source_ids. Of the parent's pictures at most `most`, those after the row `after` (0 at
    first). Returns also the row to go on after, None at the end.
    """
    seen, again = aliased(Observation), aliased(Observation)
    some = (
        select(Media.id)
        .where(Media.run_source_id == parent, Media.kind == MediaKind.BEST, Media.id > after)
        .order_by(Media.id)
        .limit(most)
    )
    ids = connection.scalars(some).all()
    if not ids:
        return None, None
    query = (
        select(Track.local_id, Media.path, Media.from_at, Media.width, Media.height, Media.quality)
        .select_from(Media)
        .join(seen, (seen.track_id == Media.track_id) & (seen.at == Media.from_at))
        .join(again, (again.run_source_id == child) & (again.at == seen.at) & (again.det_row == seen.det_row))
        .join(Track, Track.id == again.track_id)
        .where(Media.id.in_(ids), seen.det_row >= 0)
        .order_by(Media.id)
    )
    rows = [
        (row, content)
        for row in connection.execute(query)
        if (content := _content(media_folder / row.path)) is not None
    ]
    if not rows:
        return None, ids[-1]
    columns = CropColumns(
        local_ids=np.array([row.local_id for row, _ in rows], np.int64),
        at=np.array([row.from_at for row, _ in rows], np.int64),
        jpegs=tuple(content for _, content in rows),
        widths=np.array([row.width or 0 for row, _ in rows], np.int64),
        heights=np.array([row.height or 0 for row, _ in rows], np.int64),
        qualities=np.array([row.quality or 0.0 for row, _ in rows], np.float32),
    )
    return columns, ids[-1]


def _sources(parent_id: int) -> Select[*tuple[Any, ...]]:
    begun = aliased(Session)  # the first connection that gave a frame
    first = select(func.min(begun.n)).where(begun.run_source_id == RunSource.id).scalar_subquery()
    return (
        select(
            RunSource.id,
            RunSource.source_id,
            RunSource.detect_hash,
            RunSource.status,
            RunSource.error,
            RunSource.repaired,
            RunSource.damaged,
            RunSource.dropped,
            Source.name,
            Source.width,
            Source.height,
            Checkpoint.next_frame,
            Session.started_at,
        )
        .join(Source, Source.id == RunSource.source_id)
        .join(Checkpoint, Checkpoint.run_source_id == RunSource.id)
        .join(Session, (Session.run_source_id == RunSource.id) & (Session.n == first))
        .where(RunSource.run_id == parent_id)
        .order_by(RunSource.id)
    )


def _adopt_source(connection: Connection, parent: Mapping[str, Any], run_id: int) -> AdoptedSource:
    taken = {"source_id": parent["source_id"], "detect_hash": parent["detect_hash"]}
    row = {**taken, "run_id": run_id, "status": SourceStatus.RUNNING}
    key = connection.execute(insert(RunSource).values(**row).returning(RunSource.id)).scalar_one()
    sessions = select(literal(key), *_SESSION).where(Session.run_source_id == parent["id"])
    names = [column.key for column in _SESSION]
    connection.execute(insert(Session).from_select(["run_source_id", *names], sessions))
    told = {name: parent[name] for name in ("name", "width", "height", "next_frame", "started_at", "status", "error")}
    counts = {"repaired": parent["repaired"], "damaged": parent["damaged"], "dropped": parent["dropped"]}
    own, gaps = _clock(connection, parent["id"])
    return AdoptedSource(
        parent_run_source_id=parent["id"], run_source_id=key, sessions=own, gaps=gaps, **told, **counts
    )


def _clock(connection: Connection, run_source_id: int) -> tuple[tuple[SessionStart, ...], tuple[Gap, ...]]:
    """When a source was read, and when not."""
    mine = select(*_SESSION).where(Session.run_source_id == run_source_id).order_by(Session.n)
    lost = select(tables.Gap.from_at, tables.Gap.to_at, tables.Gap.reason)
    lost = lost.where(tables.Gap.run_source_id == run_source_id).order_by(tables.Gap.from_at, tables.Gap.id)
    sessions = tuple(SessionStart(*row) for row in connection.execute(mine))
    return sessions, tuple(Gap(*row) for row in connection.execute(lost))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError as error:
        _log.warning("the picture %s cannot be taken over: %s", path, error.strerror)
        return None
