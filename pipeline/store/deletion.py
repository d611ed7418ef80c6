"""Deleting runs: rows in steps that block nobody for long, files after the rows, objects of other runs kept right."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, delete, exists, func, or_, select, update

from pipeline.errors import StoreError
from pipeline.store.batches import batches
from pipeline.store.crops import remove_crops
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.liveness import is_alive
from pipeline.store.review_lock import lock_sources
from pipeline.store.review_sums import sum_up
from pipeline.store.run_queries import run_detail
from pipeline.store.states import RequestedState, RunStatus
from pipeline.store.tables import (
    DetectionChunk,
    Event,
    Gap,
    Media,
    Object,
    ObjectMember,
    Observation,
    Run,
    RunSource,
    Source,
    Track,
)
from pipeline.store.writer import now_microseconds

DELETING = "deleting"  # kind of a run that is on its way out; it cannot be resumed, and nothing counts it as done
STEP = 20_000  # observations, or rows of another table, deleted in one transaction
STEP_TRACKS = 1_000  # tracks deleted in one transaction, at most
STEP_CHUNKS = 50  # their payloads are large
BREATH = 0.005  # seconds between two transactions, so that a waiting writer gets its turn

Progress = Callable[[int, int], None]  # tracks gone, and how many there were


@dataclass(frozen=True, slots=True)
class Deletion:
    """What goes with a run."""

    run: UUID
    sources: tuple[str, ...]  # names
    tracks: int
    observations: int
    media: int  # files
    bytes: int  # of the files
    protected: int  # objects that a reviewer protected and that have a part in the run
    protected_media: int  # recordings that somebody protected
    shared: int  # objects that also have a part in other runs; they stay, smaller


def plan_deletion(scope: Scope, connection: Connection, run: UUID, *, now: int | None = None) -> Deletion:
    """What would go. Raises StoreError if the run is not in the scope, or it or one that stands on it is at work.

    `now`: microseconds UTC.
    """
    detail = run_detail(scope, connection, run)
    if detail is None:
        raise StoreError(f"there is no run {run}; `sightline runs` lists them")
    _refuse_living(scope, connection, run, now_microseconds() if now is None else now)
    parts = [source.run_source_id for source in detail.sources]
    mine = Track.run_source_id.in_(parts)
    tracks = connection.execute(
        select(func.count().label("number"), func.coalesce(func.sum(Track.count), 0).label("rows")).where(mine)
    ).one()
    media = connection.execute(
        select(
            func.count().label("number"),
            func.coalesce(func.sum(Media.bytes), 0).label("bytes"),
            func.count().filter(Media.protected.is_(True)).label("protected"),
        ).where(Media.run_source_id.in_(parts))
    ).one()
    held = (ObjectMember.object_id == Object.id, Track.id == ObjectMember.track_id)
    with_part = Object.hidden.is_(False), exists().where(*held, mine)
    protected = select(func.count()).select_from(Object).where(Object.protected.is_(True), *with_part)
    elsewhere = exists().where(*held, Track.run_source_id.not_in(parts))
    shared = select(func.count()).select_from(Object).where(Object.members > 1, *with_part, elsewhere)
    return Deletion(
        run=run,
        sources=tuple(source.name for source in detail.sources),
        tracks=tracks.number,
        observations=int(tracks.rows),
        media=media.number,
        bytes=int(media.bytes),
        protected=connection.execute(protected).scalar_one(),
        protected_media=media.protected,
        shared=connection.execute(shared).scalar_one(),
    )


def delete_run(
    database: Database,
    scope: Scope,
    run: UUID,
    *,
    media_folder: Path,
    now: int | None = None,
    step: int = STEP,
    told: Progress | None = None,
) -> Deletion:
    """Delete a run with all that belongs to it alone; what it shares with others stays. Returns what went.

    First the run is marked, so that nothing resumes it; then its tracks go, `step` rows a transaction, and their files
    after each; then what is left of it, and sources that no run reads any more. If it is interrupted, call it again.
    Detections of a file stay as long as another run of that file may want them. Raises StoreError as `plan_deletion`
    does, and where the database cannot be written.
    """
    now = now_microseconds() if now is None else now
    with database.write("delete a run") as connection:
        planned = plan_deletion(scope, connection, run, now=now)
        run_id = _mark(connection, run)
        parts = connection.scalars(select(RunSource.id).where(RunSource.run_id == run_id)).all()
        source_ids = connection.scalars(select(RunSource.source_id).where(RunSource.run_id == run_id)).all()
    gone = 0
    for part in parts:
        for number, paths in _delete_tracks(database, part, step=step):
            remove_crops(media_folder, paths)
            gone += number
            if told is not None:
                told(gone, planned.tracks)
        for paths in _delete_media(database, part, step=step):
            remove_crops(media_folder, paths)
        _delete_rest(database, part, step=step)
    with database.write("delete a run") as connection:
        connection.execute(delete(Run).where(Run.id == run_id))
    for source_id in source_ids:
        _delete_source(database, source_id)
    return planned


def interrupted_deletions(scope: Scope, connection: Connection) -> list[UUID]:
    """Runs whose deletion began and did not end."""
    query = select(Run.public_id).where(Run.kind == DELETING, Run.project_id.in_(scope.project_ids)).order_by(Run.id)
    return list(connection.scalars(query))


def _refuse_living(scope: Scope, connection: Connection, run: UUID, now: int) -> None:
    """A run at work would lose what it stands on; so would one that tracks its detections again."""
    parent = select(Run.id).where(Run.public_id == run).scalar_subquery()
    going = connection.scalars(
        select(Run.public_id).where(or_(Run.public_id == run, Run.parent_run_id == parent)).order_by(Run.id)
    ).all()
    for one in going:
        detail = run_detail(scope, connection, one)
        if detail is not None and is_alive(detail.run, now):
            why = "it is at work" if one == run else f"run {one} is tracking it again"
            raise StoreError(f"run {run} cannot be deleted now: {why}; stop that first, or wait for its end")


def _mark(connection: Connection, run: UUID) -> int:
    """Nobody may go on with the run from here. Returns its row."""
    values = {
        "kind": DELETING,
        "status": RunStatus.FAILED,
        "requested_state": RequestedState.STOP,
        "error": "it is being deleted; if that was interrupted, delete it again",
    }
    query = update(Run).where(Run.public_id == run).values(**values).returning(Run.id)
    return connection.execute(query).scalar_one()


def _delete_tracks(database: Database, part: int, *, step: int) -> Iterator[tuple[int, list[str]]]:
    """A transaction at a time: how many tracks of a run's source went, and files that no row names any more."""
    while True:
        with database.write("delete tracks") as connection:
            candidates = connection.execute(
                select(Track.id, Track.count).where(Track.run_source_id == part).order_by(Track.id).limit(STEP_TRACKS)
            ).all()
            if not candidates:
                break
            keys = _some(candidates, step=step)
            objects = _locked_objects(connection, part, keys)
            if objects is None:
                continue
            if len(keys) == 1 and _thinned(connection, keys[0], step=step):
                number, paths = 0, []
            else:
                number, paths = len(keys), _delete_whole(connection, keys, objects)
        yield number, paths
        time.sleep(BREATH)
    with database.write("delete objects") as connection:
        lock_sources(connection, [], and_also=[part])
        left = select(Object.id).where(Object.run_source_id == part).order_by(Object.id)
        _delete_empty(connection, connection.scalars(left).all())


def _locked_objects(connection: Connection, part: int, tracks: Sequence[int]) -> list[int] | None:
    """Objects that hold some of a source's tracks, by rising row id.

    No reviewer moves their members, and no run stretches them, until the transaction ends. None where a reviewer moved
    some while this waited: then other sources may have to be locked, in a transaction that begins anew.
    """
    before = _objects_of(connection, tracks)
    lock_sources(connection, before, and_also=[part])
    now = _objects_of(connection, tracks)
    return now if now == before else None


def _objects_of(connection: Connection, tracks: Sequence[int]) -> list[int]:
    found: set[int] = set()
    for batch in batches(tracks):
        found.update(connection.scalars(select(ObjectMember.object_id).where(ObjectMember.track_id.in_(batch))))
    return sorted(found)


def _some(tracks: Sequence[Any], *, step: int) -> list[int]:
    """The first of the tracks, at least one, with no more than `step` observations if it can be."""
    keys: list[int] = []
    rows = 0
    for track in tracks:
        if keys and rows + track.count > step:
            break
        keys.append(track.id)
        rows += track.count
    return keys


def _thinned(connection: Connection, track_id: int, *, step: int) -> bool:
    """Take `step` observations from a track that has more. Returns whether there are still some left."""
    mine = Observation.track_id == track_id
    edge = connection.scalar(select(Observation.at).where(mine).order_by(Observation.at).offset(step).limit(1))
    if edge is None:
        return False
    connection.execute(delete(Observation).where(mine, Observation.at < edge))
    return True


def _delete_whole(connection: Connection, tracks: Sequence[int], objects: Sequence[int]) -> list[str]:
    """Delete tracks with all that hangs on them; their objects go, or shrink to what other tracks are left to them."""
    paths: list[str] = []
    for batch in batches(tracks):
        paths += connection.scalars(select(Media.path).where(Media.track_id.in_(batch)))
        connection.execute(delete(Track).where(Track.id.in_(batch)))
    sum_up(connection, _delete_empty(connection, objects))
    return paths


def _delete_empty(connection: Connection, objects: Sequence[int]) -> list[int]:
    """Delete the objects that have no member. Returns the others."""
    kept: list[int] = []
    for batch in batches(objects):
        held = select(ObjectMember.object_id).where(ObjectMember.object_id.in_(batch)).distinct()
        full = set(connection.scalars(held))
        kept += [key for key in batch if key in full]
        connection.execute(delete(Object).where(Object.id.in_([key for key in batch if key not in full])))
    return kept


def _delete_media(database: Database, part: int, *, step: int) -> Iterator[list[str]]:
    """A transaction at a time: files that no row names any more."""
    while True:
        with database.write("delete pictures and recordings") as connection:
            some = select(Media.id).where(Media.run_source_id == part).limit(step)
            paths = list(connection.scalars(delete(Media).where(Media.id.in_(some)).returning(Media.path)))
        if not paths:
            return
        yield paths
        time.sleep(BREATH)


def _delete_rest(database: Database, part: int, *, step: int) -> None:
    """Delete what a run's source has beside its tracks and files."""
    with database.read("delete a run's source") as connection:
        own = connection.execute(select(RunSource.source_id, RunSource.detect_hash).where(RunSource.id == part)).one()
    for table in (Gap, Event):
        _delete_in_steps(database, table, table.run_source_id == part, step=step)
    _delete_in_steps(database, DetectionChunk, DetectionChunk.run_source_id == part, step=STEP_CHUNKS)
    unwanted = (DetectionChunk.source_id == own.source_id, *_unwanted(part, own.detect_hash))
    _delete_in_steps(database, DetectionChunk, *unwanted, step=STEP_CHUNKS)


def _unwanted(part: int, detect_hash: str | None) -> tuple[Any, ...]:
    """Chunks of a file that no other run wants: with this run's key, or any where no other run reads the file.

    A run that does not say its key (yet) may want every one.
    """
    others = exists().where(RunSource.source_id == DetectionChunk.source_id, RunSource.id != part)
    wanting = others.where(or_(RunSource.detect_hash == DetectionChunk.detect_hash, RunSource.detect_hash.is_(None)))
    return or_(DetectionChunk.detect_hash == (detect_hash or ""), ~others), ~wanting


def _delete_in_steps(database: Database, table: Any, *conditions: Any, step: int) -> None:
    """Some rows a transaction; what is wanted is looked at anew in each."""
    while True:
        with database.write(f"delete rows of {table.__tablename__}") as connection:
            keys = connection.scalars(select(table.id).where(*conditions).limit(step)).all()
            for batch in batches(keys):
                connection.execute(delete(table).where(table.id.in_(batch)))
        if len(keys) < step:
            return
        time.sleep(BREATH)


def _delete_source(database: Database, source_id: int) -> None:
    """Unless a run reads it."""
    unread = ~exists().where(RunSource.source_id == Source.id)
    with database.write("delete a source") as connection:
        connection.execute(delete(Source).where(Source.id == source_id, unread))
