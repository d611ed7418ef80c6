"""Reading runs. Every function takes the scope first, as in queries.py."""

from __future__ import annotations

from collections.abc import Sequence
from string import hexdigits
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, and_, case, func, select
from sqlalchemy.orm import aliased

from pipeline.errors import StoreError
from pipeline.store.filters import Scope
from pipeline.store.rows import RunDetail, RunModelRow, RunRow, RunSourceRow, SourceRow
from pipeline.store.tables import Checkpoint, Model, Run, RunModel, RunSource, Session, Source, Track

LAST = "last"  # the newest run
SHORT = 8  # letters of an id shown to people
LEAST = 4  # letters of an id that people must give


def count_runs(scope: Scope, connection: Connection) -> int:
    """How many runs there are."""
    query = select(func.count()).select_from(Run).where(Run.project_id.in_(scope.project_ids))
    return connection.execute(query).scalar_one()


def list_runs(
    scope: Scope, connection: Connection, *, kind: str | None = None, limit: int = 50, offset: int = 0
) -> list[RunRow]:
    """One page of runs, the newest first. `kind`: only of this one."""
    query = _runs(scope).order_by(Run.created_at.desc(), Run.id.desc()).limit(limit).offset(offset)
    if kind is not None:
        query = query.where(Run.kind == kind)
    return [RunRow(**row) for row in connection.execute(query).mappings()]


def run_row(scope: Scope, connection: Connection, run: UUID) -> RunRow | None:
    """A run alone, which is quick to read; None if there is none in the scope. `run`: its public id."""
    found = connection.execute(_runs(scope).where(Run.public_id == run)).mappings().one_or_none()
    return None if found is None else RunRow(**found)


def newest_run(scope: Scope, connection: Connection, kind: str) -> RunRow | None:
    """The run of a kind that was made last; None where there is none."""
    return next(iter(list_runs(scope, connection, kind=kind, limit=1)), None)


def run_detail(scope: Scope, connection: Connection, run: UUID) -> RunDetail | None:
    """A run with its sources, counters and models; None if there is none in the scope. `run`: its public id."""
    found = run_row(scope, connection, run)
    if found is None:
        return None
    run_id = select(Run.id).where(Run.public_id == run).scalar_subquery()
    sources = tuple(
        RunSourceRow(**row) for row in connection.execute(_run_sources().where(RunSource.run_id == run_id)).mappings()
    )
    models = tuple(_model(row) for row in connection.execute(_run_models().where(RunModel.run_id == run_id)).mappings())
    return RunDetail(found, sources, models)


def find_run(scope: Scope, connection: Connection, text: str) -> UUID:
    """The run that people mean: `last`, a public id, or the beginning or end of one, dashes or not.

    Ids made at about the same time begin alike, so the end (`short_id`) tells more. Raises StoreError if no run or
    more than one is meant.
    """
    if text == LAST:
        newest = list_runs(scope, connection, limit=1)
        if not newest:
            raise StoreError("there is no run yet; `sightline run FILE` makes one")
        return newest[0].public_id
    return _the_one(_public_ids(scope, connection, Run), text, "run", "`sightline runs` lists them")


def find_source(scope: Scope, connection: Connection, text: str) -> UUID:
    """The source that people mean: a public id, or the beginning or end of one. Raises StoreError as `find_run`."""
    return _the_one(
        _public_ids(scope, connection, Source), text, "source", "`sightline runs --json` names those of each run"
    )


def short_id(public_id: UUID) -> str:
    """The end of an id, for people: random, while the beginning is the time."""
    return public_id.hex[-SHORT:]


def list_sources(scope: Scope, connection: Connection) -> list[SourceRow]:
    """Every source, by name."""
    query = (
        select(Source.public_id, Source.kind, Source.name, Source.uri_redacted, Source.fingerprint)
        .where(Source.project_id.in_(scope.project_ids))
        .order_by(Source.name, Source.id)
    )
    return [SourceRow(**row) for row in connection.execute(query).mappings()]


def _public_ids(scope: Scope, connection: Connection, table: type[Run] | type[Source]) -> list[UUID]:
    query = select(table.public_id).where(table.project_id.in_(scope.project_ids)).order_by(table.id)
    return list(connection.scalars(query))


def _the_one(public_ids: Sequence[UUID], text: str, what: str, where: str) -> UUID:
    wanted = text.lower().replace("-", "")
    if len(wanted) < LEAST or not set(wanted) <= set(hexdigits):
        raise StoreError(f"'{text}' names no {what}; give at least {LEAST} of the letters of its id; {where}")
    found = [one for one in public_ids if one.hex.startswith(wanted) or one.hex.endswith(wanted)]
    if not found:
        raise StoreError(f"there is no {what} '{text}'; {where}")
    if len(found) > 1:
        ends = ", ".join(f"...{short_id(one)}" for one in found[:3]) + (", ..." if len(found) > 3 else "")
        raise StoreError(f"'{text}' may be any of {len(found)} {what}s ({ends}); give more of the end of its id")
    return found[0]


def _runs(scope: Scope) -> Select[*tuple[Any, ...]]:
    parent = aliased(Run)
    return (
        select(
            Run.public_id,
            Run.kind,
            Run.status,
            Run.requested_state,
            Run.error,
            Run.settings,
            Run.settings_hash,
            Run.code_version,
            parent.public_id.label("parent"),
            Run.created_at,
            Run.finished_at,
            Run.heartbeat_at,
            Run.host,
            Run.pid,
        )
        .outerjoin(parent, parent.id == Run.parent_run_id)
        .where(Run.project_id.in_(scope.project_ids))
    )


def _run_sources() -> Select[*tuple[Any, ...]]:
    tracks = select(func.count()).where(Track.run_source_id == RunSource.id).scalar_subquery()
    # Another run may have been told that the same file begins at another time.
    began = case((Source.start_at.is_not(None), func.coalesce(Session.started_at, Source.start_at)))
    return (
        select(
            RunSource.id.label("run_source_id"),
            Source.public_id,
            Source.kind,
            Source.name,
            Source.uri_redacted,
            Source.fingerprint,
            began.label("start_at"),
            Source.width,
            Source.height,
            Source.fps,
            Source.frames,
            Source.duration,
            RunSource.status,
            RunSource.error,
            RunSource.frames_read,
            RunSource.processed,
            RunSource.dropped,
            RunSource.repaired,
            RunSource.damaged,
            RunSource.finished_at,
            func.coalesce(Checkpoint.next_frame, 0).label("next_frame"),
            tracks.label("tracks"),
        )
        .join(Source, Source.id == RunSource.source_id)
        .outerjoin(Checkpoint, Checkpoint.run_source_id == RunSource.id)
        .outerjoin(Session, and_(Session.run_source_id == RunSource.id, Session.n == 0))
        .order_by(RunSource.id)
    )


def _run_models() -> Select[*tuple[Any, ...]]:
    return (
        select(
            Model.id.label("model_id"),
            RunModel.task,
            Model.name,
            Model.sha256,
            RunModel.version,
            RunModel.runtime,
            RunModel.input_height,
            RunModel.input_width,
            Model.classes,
            Model.dim.label("dimension"),
        )
        .join(Model, Model.id == RunModel.model_id)
        .order_by(RunModel.task)
    )


def _model(row: Any) -> RunModelRow:
    values = dict(row)
    height, width = values.pop("input_height"), values.pop("input_width")
    size = None if height is None or width is None else (height, width)
    return RunModelRow(**values | {"input_size": size, "classes": tuple(values["classes"])})
