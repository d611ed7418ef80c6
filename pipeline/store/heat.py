"""Heat map: where tracks stood, counted in cells of the picture."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import numpy as np
from sqlalchemy import Connection, Integer, and_, cast, func, select
from sqlalchemy.sql.elements import ColumnElement

from pipeline.store.filters import Scope
from pipeline.store.run_kinds import FOLLOW
from pipeline.store.tables import Observation, Run, RunSource, Session, Source
from trackers.structures import FloatArray

SAMPLE = 200_000  # sightings that are looked at, about; of more only those of some seconds are
LIVE = "live"  # kind of a run over cameras
_SECOND = 1_000_000  # microseconds
_SPREAD = 2_654_435_761  # Knuth's multiplier: spreads the seconds that are looked at


def heat_map(
    scope: Scope,
    connection: Connection,
    source: UUID,
    from_at: int | None = None,
    to_at: int | None = None,
    *,
    run: UUID | None = None,
    columns: int = 64,
    sample: int = SAMPLE,
) -> FloatArray:
    """How many sightings had their foot point (middle of the box's lower edge) in each cell (rows, columns) float64.

    `source`: public id of a camera or file. `from_at`, `to_at`: microseconds UTC, half-open; None: from the first, to
    the last. `run`: only of this one; None: of all live runs over a camera, of the newest run over anything else (each
    of a file's runs saw the same, but for those that followed one target). Cells are about square.

    Where there are more sightings than `sample`, those of some seconds stand for all, so that the time it takes is
    bounded. Tracks count as the machine made them, whatever a reviewer says. All zeros where nothing was seen or there
    is no such source.
    """
    if columns < 1:
        raise ValueError("a heat map needs at least one column")
    sizes = _sizes(scope, connection, source, run)
    ratio = next((height / width for width, height in reversed(sizes.values())), 9 / 16)
    heat = np.zeros((max(1, round(columns * ratio)), columns))
    total = _count(connection, _within(list(sizes), from_at, to_at))
    every = -(-total // sample)
    for size in sorted(set(sizes.values())):
        alike = [part for part, its in sizes.items() if its == size]
        found = _within(alike, from_at, to_at)
        if every > 1:
            found.append(Observation.at // _SECOND * _SPREAD % every == 0)
        _add(connection, heat, size, found)
    seen = heat.sum()
    return heat * (total / seen) if seen else heat


def newest_part(scope: Scope, connection: Connection, source: UUID, *, run: UUID | None = None) -> int | None:
    """The run_source_id of the newest of the runs that `heat_map` looks at; None where there is none."""
    return max(_sizes(scope, connection, source, run), default=None)


def _add(connection: Connection, heat: FloatArray, size: tuple[int, int], found: Sequence[ColumnElement[bool]]) -> None:
    """Count the sightings of pictures of one size. What stands beyond the picture counts at its edge."""
    rows, columns = heat.shape
    width, height = size
    x = _whole(connection, (Observation.x1 + Observation.x2) * (columns / 2 / width)).label("x")
    y = _whole(connection, Observation.y2 * (rows / height)).label("y")
    counted = connection.execute(select(x, y, func.count()).where(*found).group_by(x, y)).all()
    if counted:
        cells = np.array(counted, np.int64)
        np.add.at(heat, (cells[:, 1].clip(0, rows - 1), cells[:, 0].clip(0, columns - 1)), cells[:, 2])


def _whole(connection: Connection, value: ColumnElement[float]) -> ColumnElement[int]:
    """A number without its fraction: SQLite's cast cuts it off, PostgreSQL's would round."""
    return cast(value if connection.dialect.name == "sqlite" else func.trunc(value), Integer)


def _count(connection: Connection, found: Sequence[ColumnElement[bool]]) -> int:
    return connection.execute(select(func.count()).select_from(Observation).where(*found)).scalar_one()


def _within(run_source_ids: Sequence[int], from_at: int | None, to_at: int | None) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [Observation.run_source_id.in_(run_source_ids)]
    if from_at is not None:
        found.append(Observation.at >= from_at)
    if to_at is not None:
        found.append(Observation.at < to_at)
    return found


def _sizes(scope: Scope, connection: Connection, source: UUID, run: UUID | None) -> dict[int, tuple[int, int]]:
    """run_source_id -> width and height in pixels, oldest run first. A run whose size nobody told is left out.

    Where a camera came back with another size, that of the last session counts for all of its run.
    """
    query = (
        select(RunSource.id, Run.kind, Session.width, Session.height, Source.width, Source.height)
        .join(Run, Run.id == RunSource.run_id)
        .join(Source, Source.id == RunSource.source_id)
        .outerjoin(Session, and_(Session.run_source_id == RunSource.id, Session.width.is_not(None)))
        .where(Source.public_id == source, Run.project_id.in_(scope.project_ids))
        .order_by(RunSource.id, Session.n)
    )
    query = query.where(Run.kind != FOLLOW if run is None else Run.public_id == run)
    sizes: dict[int, tuple[int, int]] = {}
    live: set[int] = set()
    for key, kind, session_width, session_height, width, height in connection.execute(query):
        size = (session_width or width or 0, session_height or height or 0)
        if all(size):
            sizes[key] = size
            live |= {key} if kind == LIVE else set()
    if run is not None or not sizes:
        return sizes
    wanted = live or {max(sizes)}
    return {key: size for key, size in sizes.items() if key in wanted}
