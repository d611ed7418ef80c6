"""Crops by identity from a stored run: its objects as reviewers left them, cut from what the run has read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy import Connection

from pipeline.errors import TrainingError
from pipeline.sources.excerpt import Footage
from pipeline.store.database import Database
from pipeline.store.filters import ObjectFilter, Scope
from pipeline.store.footage_queries import FootageRow, footage_rows
from pipeline.store.queries import count_objects, observations_of_object, page_objects
from pipeline.store.run_queries import run_detail
from pipeline.store.states import Verdict
from pipeline.training.crop_augmentation import padded_size
from pipeline.training.crop_set import LEAST_HEIGHT, CropSet, cut_crop, spread
from trackers.structures import Evidence, FloatArray, ImageArray, IntArray

OpenFootage = Callable[[FootageRow, int, int], Footage]  # what a source showed between two moments, microseconds UTC

_SAME = 1_000  # microseconds; a frame's time may differ by so much from an observation's


def read_run(
    database: Database,
    scope: Scope,
    run: UUID,
    size: tuple[int, int],
    *,
    most: int,
    names: Sequence[str] = (),
    open_footage: OpenFootage,
) -> CropSet:
    """Crops of the objects that a run has found: merged, split and named as in the page, rejected ones left out.

    Only boxes that a detection supports count. An object that several sources of the run show is one identity. `size`:
    height, width of boxes. `most`: crops an object, spread over time. `names`: only objects called so; all without any.
    Raises TrainingError where there are none, GoneError where a source is gone or was changed.
    """
    with database.read("read objects to learn from") as connection:
        own = _sources(scope, connection, run)
        footage = footage_rows(scope, connection, own)
        seen = _observations(scope, connection, run, own, names=names, most=most)
    pictures = [np.zeros((0, *padded_size(size), 3), np.uint8)]
    kept = [np.zeros(0, np.int64)]
    for source in np.unique(seen.sources).tolist():
        rows = np.flatnonzero(seen.sources == source)
        rows = rows[np.argsort(seen.at[rows], kind="stable")]
        opened = open_footage(footage[source], int(seen.at[rows[0]]) - _SAME, int(seen.at[rows[-1]]) + _SAME)
        for row, picture in _cut(opened, rows, seen, size):
            pictures.append(picture[None])
            kept.append(np.array([row]))
    rest = np.concatenate(kept)
    if not len(rest):
        called = f" called {' or '.join(names)}" if names else ""
        raise TrainingError(f"run {run} has no objects{called} whose pictures are still there; name another run")
    return CropSet(np.concatenate(pictures), seen.identities[rest], np.zeros(len(rest), np.int64), seen.at[rest] / 1e6)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Where the objects of a run were seen. Row i of every column is the same observation."""

    identities: IntArray  # (n,)
    sources: IntArray  # (n,) run_source_id
    at: IntArray  # (n,) microseconds UTC
    boxes: FloatArray  # (n, 4) x1 y1 x2 y2, pixels


def _observations(
    scope: Scope, connection: Connection, run: UUID, sources: Sequence[int], *, names: Sequence[str], most: int
) -> _Seen:
    """What crops are cut from: at most so many boxes of each object."""
    none = np.zeros(0, np.int64)
    columns: list[tuple[IntArray, IntArray, IntArray, FloatArray]] = [(none, none, none, np.zeros((0, 4), np.float32))]
    for number, public_id in enumerate(_objects(scope, connection, run, names)):
        table = observations_of_object(scope, connection, public_id)
        good = (table.evidence == Evidence.DETECTED) & np.isin(table.run_source_ids, sources)
        boxes = table.boxes.reshape(-1, 4)
        rows = spread(np.flatnonzero(good & (boxes[:, 3] - boxes[:, 1] >= LEAST_HEIGHT)), most)
        columns.append((np.full(len(rows), number), table.run_source_ids[rows], table.at[rows], boxes[rows]))
    return _Seen(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def _objects(scope: Scope, connection: Connection, run: UUID, names: Sequence[str]) -> list[UUID]:
    wanted = ObjectFilter(runs=(run,), names=tuple(names))
    rows = page_objects(scope, connection, wanted, limit=count_objects(scope, connection, wanted) or 1)
    return sorted(row.public_id for row in rows if row.verdict != Verdict.REJECTED)


def _sources(scope: Scope, connection: Connection, run: UUID) -> list[int]:
    """The run_source_id of each."""
    detail = run_detail(scope, connection, run)
    if detail is None:
        raise TrainingError(f"there is no run {run}; `sightline runs` lists them")
    return [source.run_source_id for source in detail.sources]


def _cut(footage: Footage, rows: IntArray, seen: _Seen, size: tuple[int, int]) -> Iterator[tuple[int, ImageArray]]:
    """Rows whose frames are found, with their crops. `rows`: of one source, by rising time."""
    times = seen.at[rows]
    for frame in footage.between(int(times[0]) - _SAME, int(times[-1]) + _SAME):
        start, end = np.searchsorted(times, (frame.at - _SAME, frame.at + _SAME + 1)).tolist()
        for row in rows[start:end].tolist():
            yield row, cut_crop(frame.image, seen.boxes[row], size)
