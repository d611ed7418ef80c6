"""Writing a run: what it is, what it reads, and chunk by chunk what it found."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from pipeline.errors import StoreError
from pipeline.models.base import ModelCard
from pipeline.store import adoption, chunk_rows, tables
from pipeline.store.chunk import ChunkData, ChunkRest, FrameCounts
from pipeline.store.crops import remove_crops
from pipeline.store.database import Database
from pipeline.store.deliveries import AlertTarget
from pipeline.store.filters import Scope
from pipeline.store.identity import model_row, parent_row, project_row, source_row
from pipeline.store.inserting import insert_unless_there
from pipeline.store.packing import pack_state, unpack_state
from pipeline.store.public_id import PublicIds
from pipeline.store.records import AdoptedSource, Checkpoint, RunRecord, SourceProgress, SourceRecord
from pipeline.store.states import RequestedState, RunStatus, SourceStatus
from pipeline.store.tables import Model, Run, RunModel, RunSource, Session, Source, Track
from pipeline.store.track_rows import Place, stored_tracks, write_tracks
from pipeline.store.vector import create_vector_index
from trackers.structures import Gap


def now_microseconds() -> int:
    """Microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1000


PICTURES = 500  # taken over from another run in one transaction

Holder: TypeAlias = tuple[str | None, int | None]  # host and number of the process that keeps a run alive


class RunWriter:
    """Writes one run. Keeps no rows in memory; each method is one transaction and raises StoreError when it fails.

    So it does when another process has taken the run over: one that was asleep for so long that it seemed gone.
    """

    def __init__(
        self,
        database: Database,
        run_id: int,
        public_id: UUID,
        project_id: int,
        *,
        holder: Holder,
        media_folder: Path,
        clock: Callable[[], int] = now_microseconds,
    ):
        """Made by `begin` and `resume`. `clock`: microseconds UTC."""
        self._database = database
        self._run_id = run_id
        self._public_id = public_id
        self._project_id = project_id
        self._holder = holder
        self._media_folder = media_folder
        self._clock = clock
        self._public_ids = PublicIds()
        self.alerts: Sequence[AlertTarget] = ()  # who is to be told of this run's events; set before the first chunk

    @classmethod
    def begin(
        cls,
        database: Database,
        record: RunRecord,
        *,
        media_folder: Path,
        public_id: UUID | None = None,
        clock: Callable[[], int] = now_microseconds,
    ) -> RunWriter:
        """Start a new run. `media_folder`: where crops go; made when the first one is written. `clock`: microseconds.

        `public_id`: where it was given out before. Raises StoreError if the parent does not exist in the same project.
        """
        now, public_id = clock(), public_id or PublicIds().new()
        with database.write("begin a run") as connection:
            project_id = project_row(connection, record.project)
            row = {
                "public_id": public_id,
                "project_id": project_id,
                "parent_run_id": parent_row(connection, record.parent, project_id),
                "kind": record.kind,
                "settings": dict(record.settings),
                "settings_hash": record.settings_hash,
                "code_version": record.code_version,
                "created_at": now,
            }
            run_id = connection.execute(insert(Run).values(**row, **_living(now)).returning(Run.id)).scalar_one()
        holder = (socket.gethostname(), os.getpid())
        return cls(database, run_id, public_id, project_id, holder=holder, media_folder=media_folder, clock=clock)

    @classmethod
    def resume(
        cls,
        database: Database,
        run: UUID,
        *,
        beaten_at: int | None,
        media_folder: Path,
        clock: Callable[[], int] = now_microseconds,
    ) -> RunWriter:
        """Go on with a run that exists. `run`: its public id. Whether it may go on is the caller's to decide.

        `beaten_at`: its last heartbeat as the caller knows it. Raises StoreError if another process was quicker.
        """
        alive = _living(clock()) | {"error": None, "finished_at": None}
        with database.write(f"resume run {run}") as connection:
            unchanged = (Run.public_id == run, Run.heartbeat_at == beaten_at)
            if not connection.execute(update(Run).where(*unchanged).values(**alive)).rowcount:
                raise StoreError(f"the run {run} was deleted, or another process has just resumed it")
        return cls.attach(database, run, media_folder=media_folder, clock=clock)

    @classmethod
    def attach(
        cls,
        database: Database,
        run: UUID,
        *,
        media_folder: Path,
        holder: Holder | None = None,
        clock: Callable[[], int] = now_microseconds,
    ) -> RunWriter:
        """Write to a run that this process keeps alive, or the one whose worker it is. `run`: its public id.

        `holder`: the process that keeps it alive; by default the one that does so now.
        """
        with database.read(f"find run {run}") as connection:
            columns = (Run.id, Run.project_id, Run.host, Run.pid)
            found = connection.execute(select(*columns).where(Run.public_id == run)).one_or_none()
        if found is None:
            raise StoreError(f"there is no run {run} in {database.name}")
        holder = holder or (found.host, found.pid)
        return cls(database, found.id, run, found.project_id, holder=holder, media_folder=media_folder, clock=clock)

    @property
    def public_id(self) -> UUID:
        """Of the run."""
        return self._public_id

    @property
    def holder(self) -> Holder:
        """The process for which this one writes."""
        return self._holder

    @property
    def scope(self) -> Scope:
        """The run's project."""
        return Scope((self._project_id,))

    def register_model(self, card: ModelCard) -> int:
        """Say that the run uses a model. Returns its id; a detector's classes name the tracks from then on.

        A run has one model for a task; the same name and hash are the same model in all runs.
        """
        with self._write(f"register the model '{card.name}'") as connection:
            model_id = model_row(connection, card)
            height, width = card.input_size or (None, None)
            ran = {"version": card.version, "runtime": card.runtime, "input_height": height, "input_width": width}
            row = {"run_id": self._run_id, "task": card.task, "model_id": model_id}
            insert_unless_there(connection, RunModel, [row | ran])
            used = (RunModel.run_id == self._run_id, RunModel.task == card.task)
            if connection.scalar(select(RunModel.model_id).where(*used)) != model_id:
                raise StoreError(f"the run {self._public_id} already has another model for the task '{card.task}'")
            connection.execute(update(RunModel).where(*used).values(**ran))
            if card.dimension is not None:
                create_vector_index(connection, model_id, card.dimension)
        return model_id

    def add_source(self, source: SourceRecord) -> int:
        """Say that the run reads a source. Returns the run_source_id; the same one when called again."""
        return self.add_sources([source])[0]

    def add_sources(self, sources: Sequence[SourceRecord]) -> list[int]:
        """Say what the run reads, all of it or nothing. Returns run_source_ids; the same ones when called again."""
        with self._write(f"add {len(sources)} sources") as connection:
            return [self._add_source(connection, source) for source in sources]

    def _add_source(self, connection: Connection, source: SourceRecord) -> int:
        source_id = source_row(connection, source, project_id=self._project_id, public_id=self._public_ids.new())
        row = {"run_id": self._run_id, "source_id": source_id, "status": SourceStatus.PENDING}
        insert_unless_there(connection, RunSource, [row])
        mine = (RunSource.run_id == self._run_id, RunSource.source_id == source_id)
        return connection.execute(select(RunSource.id).where(*mine)).scalar_one()

    def adopt(self, parent: UUID) -> list[AdoptedSource]:
        """Take over the models, sources and clocks of another run, whose detections are tracked again."""
        with self._write(f"take over the sources of run {parent}") as connection:
            parent_id = parent_row(connection, parent, self._project_id)
            assert parent_id is not None, "a parent was named"
            return adoption.adopt(connection, parent_id=parent_id, run_id=self._run_id)

    def adopt_pictures(self, source: AdoptedSource) -> None:
        """Take over the parent's pictures of the same detections, some at a time: other runs write meanwhile."""
        after: int | None = 0
        while after is not None:
            with self._write(f"take over the pictures of '{source.name}'") as connection:
                place = self._place(connection, source.run_source_id)
                crops, after = adoption.pictures(
                    connection,
                    parent=source.parent_run_source_id,
                    child=source.run_source_id,
                    media_folder=self._media_folder,
                    after=after,
                    most=PICTURES,
                )
                if crops is not None:
                    ids = stored_tracks(connection, place, set(crops.local_ids.tolist()))
                    obsolete = chunk_rows.write_crops(connection, place, crops, ids, self._public_ids)
            remove_crops(self._media_folder, obsolete if crops is not None else [])

    def add_session(
        self,
        run_source_id: int,
        n: int,
        *,
        started_at: int,
        time_offset: float = 0.0,
        time_base: str | None = None,
        width: int | None = None,
        height: int | None = None,
    ) -> None:
        """Say that a connection began (once for a file, n = 0). Doing it again changes nothing.

        `started_at`: microseconds UTC. `time_offset`: seconds between the run's time and the session's own.
        `time_base`: seconds per unit of pts, as a fraction such as "1/90000". `width`, `height`: pixels, where they
        are the connection's own. A camera's connections are written with its chunks.
        """
        row = {"run_source_id": run_source_id, "n": n, "started_at": started_at}
        own = {"time_offset": time_offset, "time_base": time_base, "width": width, "height": height}
        with self._write(f"add session {n}") as connection:
            insert_unless_there(connection, Session, [row | own])

    def add_gap(self, run_source_id: int, gap: Gap) -> None:
        """Say that a source gave no pictures at its end; other gaps are written with their chunks."""
        row = {"run_source_id": run_source_id, "from_at": gap.from_at, "to_at": gap.to_at, "reason": gap.reason}
        with self._write("add a gap") as connection:
            connection.execute(insert(tables.Gap).values(row))

    def write_chunk(self, run_source_id: int, chunk: ChunkData) -> bool:
        """Write everything of a chunk or nothing. Returns False if it was there already and was skipped.

        Raises StoreError if the chunk does not begin where the last one ended, contradicts what is stored, or the
        database cannot be written; OutputError if a crop cannot be written.
        """
        with self._write(f"write frames {chunk.first_frame} to {chunk.end_frame}") as connection:
            place = self._place(connection, run_source_id)
            if _is_there(connection, run_source_id, chunk):
                return False
            obsolete = self._write_rows(connection, place, chunk)
            self._save_progress(connection, run_source_id, chunk)
        remove_crops(self._media_folder, obsolete)
        return True

    def write_rest(self, run_source_id: int, rest: ChunkRest) -> None:
        """Write what waited for the end of a chunk whose frames are stored. Doing it again changes nothing.

        Raises StoreError, OutputError as `write_chunk` does.
        """
        with self._write("write the last looks of a source") as connection:
            place = self._place(connection, run_source_id)
            columns = [part.local_ids for part in rest.embeddings]
            if rest.crops is not None:
                columns.append(rest.crops.local_ids)
            ids = stored_tracks(connection, place, {local_id for column in columns for local_id in column.tolist()})
            obsolete = self._write_looks(connection, place, rest, ids)
        remove_crops(self._media_folder, obsolete)

    def progress(self, run_source_id: int) -> SourceProgress:
        """How far the run is with a source. Raises StoreError if its checkpoint is damaged."""
        columns = (RunSource.status, RunSource.frames_read, RunSource.processed, RunSource.dropped, RunSource.repaired)
        with self._database.read("read how far a source is") as connection:
            found = connection.execute(
                select(*columns, RunSource.damaged, Session.started_at)
                .outerjoin(Session, (Session.run_source_id == RunSource.id) & (Session.n == 0))
                .where(RunSource.id == run_source_id, RunSource.run_id == self._run_id)
            ).one_or_none()
        if found is None:
            raise StoreError(f"the run {self._public_id} has no source {run_source_id}; was the run deleted?")
        return SourceProgress(
            status=found.status,
            checkpoint=self.checkpoint(run_source_id),
            counts=FrameCounts(found.frames_read, found.processed, found.dropped, found.repaired, found.damaged),
            started_at=found.started_at,
        )

    def checkpoint(self, run_source_id: int) -> Checkpoint | None:
        """The last one, None before the first chunk. Raises StoreError if it is damaged."""
        with self._database.read("read a checkpoint") as connection:
            found = connection.execute(
                select(tables.Checkpoint.next_frame, tables.Checkpoint.state, tables.Checkpoint.format_version).where(
                    tables.Checkpoint.run_source_id == run_source_id
                )
            ).one_or_none()
        return None if found is None else Checkpoint(found.next_frame, unpack_state(found.state), found.format_version)

    def heartbeat(self) -> RequestedState:
        """Say that the run lives; learn what is wanted of it. `write_chunk` beats too."""
        with self._write("beat") as connection:
            connection.execute(update(Run).where(Run.id == self._run_id).values(heartbeat_at=self._clock()))
            wanted = connection.scalar(select(Run.requested_state).where(Run.id == self._run_id))
        assert wanted is not None, "the run is there"
        return wanted

    def set_status(self, status: RunStatus) -> None:
        """Say that a living run paused or goes on."""
        with self._write(f"mark the run as {status}") as connection:
            connection.execute(update(Run).where(Run.id == self._run_id).values(status=status))

    def finish_source(self, run_source_id: int, status: SourceStatus, *, error: str | None = None) -> None:
        """Say how a source ended. Where nothing more can come of it, its tracks have ended too.

        A stopped or failed source may be resumed, and its tracks go on.
        """
        values = {"status": status, "error": error, "finished_at": self._clock()}
        with self._write(f"mark a source as {status}") as connection:
            mine = (RunSource.id == run_source_id, RunSource.run_id == self._run_id)
            connection.execute(update(RunSource).where(*mine).values(**values))
            if status in (SourceStatus.FINISHED, SourceStatus.DAMAGED):
                going = (Track.run_source_id.in_(select(RunSource.id).where(*mine)), Track.ended.is_(False))
                connection.execute(update(Track).where(*going).values(ended=True))

    def finish_run(self, status: RunStatus, *, error: str | None = None) -> None:
        """Say how the run ended."""
        now = self._clock()
        values = {"status": status, "error": error, "finished_at": now, "heartbeat_at": now}
        with self._write(f"mark the run as {status}") as connection:
            connection.execute(update(Run).where(Run.id == self._run_id).values(**values))

    @contextmanager
    def _write(self, doing: str) -> Iterator[Connection]:
        """A transaction of the process that holds the run. `doing`: what to say if it fails."""
        with self._database.write(doing) as connection:
            found = connection.execute(select(Run.host, Run.pid).where(Run.id == self._run_id)).one_or_none()
            if found is None:
                raise StoreError(f"the run {self._public_id} was deleted while it ran")
            if (found.host, found.pid) != self._holder:
                raise StoreError(
                    f"the run {self._public_id} was taken over by process {found.pid} on {found.host}; this one ends"
                )
            yield connection

    def _place(self, connection: Connection, run_source_id: int) -> Place:
        """Where the rows belong. Locks the run's source, so that two processes cannot write it at once."""
        found = connection.execute(
            select(RunSource.source_id, Source.fingerprint, Source.name)
            .join(Source, Source.id == RunSource.source_id)
            .where(RunSource.id == run_source_id, RunSource.run_id == self._run_id)
            .with_for_update(of=RunSource)
        ).one_or_none()
        if found is None:
            raise StoreError(f"the run {self._public_id} has no source {run_source_id}; was the run deleted?")
        classes = connection.scalar(
            select(Model.classes)
            .join(RunModel, RunModel.model_id == Model.id)
            .where(RunModel.run_id == self._run_id, RunModel.task == "detect")
        )
        return Place(
            run=self._public_id,
            run_source_id=run_source_id,
            source_id=found.source_id,
            source_name=found.name,
            project_id=self._project_id,
            content_repeats=found.fingerprint != "",
            classes=tuple(classes or ()),
            media_folder=self._media_folder,
        )

    def _write_rows(self, connection: Connection, place: Place, chunk: ChunkData) -> list[str]:
        """Returns crops that are obsolete once the transaction has committed."""
        ids = write_tracks(connection, place, chunk, self._public_ids)
        chunk_rows.write_detections(connection, place, chunk)
        chunk_rows.write_observations(connection, place, chunk.observations, ids)
        chunk_rows.write_sessions(connection, place, chunk.sessions)
        if chunk.gaps is not None:
            chunk_rows.write_gaps(connection, place, chunk.gaps)
        if chunk.events is not None:
            chunk_rows.write_events(connection, place, chunk.events, ids, self._public_ids, alerts=self.alerts)
        return self._write_looks(connection, place, chunk, ids)

    def _write_looks(
        self, connection: Connection, place: Place, looks: ChunkData | ChunkRest, ids: Mapping[int, int]
    ) -> list[str]:
        """Features and pictures of tracks. Returns crops that are obsolete once the transaction has committed."""
        for embeddings in looks.embeddings:
            if looks.exemplars_from is not None:
                chunk_rows.remove_exemplars(connection, embeddings, ids, looks.exemplars_from)
            chunk_rows.write_embeddings(connection, embeddings, ids)
        if looks.crops is None:
            return []
        return chunk_rows.write_crops(connection, place, looks.crops, ids, self._public_ids)

    def _save_progress(self, connection: Connection, run_source_id: int, chunk: ChunkData) -> None:
        now = self._clock()
        saved = {
            "next_frame": chunk.end_frame,
            "state": pack_state(chunk.state),
            "format_version": chunk.state_format,
            "saved_at": now,
        }
        mine = tables.Checkpoint.run_source_id == run_source_id
        if not connection.execute(update(tables.Checkpoint).where(mine).values(**saved)).rowcount:
            connection.execute(insert(tables.Checkpoint).values(run_source_id=run_source_id, **saved))
        counts = {
            "frames_read": RunSource.frames_read + chunk.counts.read,
            "processed": RunSource.processed + chunk.counts.processed,
            "dropped": RunSource.dropped + chunk.counts.dropped,
            "repaired": RunSource.repaired + chunk.counts.repaired,
            "damaged": RunSource.damaged + chunk.counts.damaged,
        }
        running: dict[str, Any] = {"status": SourceStatus.RUNNING, "error": None, "finished_at": None}
        if chunk.detect_hash:
            running["detect_hash"] = chunk.detect_hash
        connection.execute(update(RunSource).where(RunSource.id == run_source_id).values(**counts, **running))
        connection.execute(update(Run).where(Run.id == self._run_id).values(heartbeat_at=now))


def _is_there(connection: Connection, run_source_id: int, chunk: ChunkData) -> bool:
    """Whether the chunk is written already. Raises StoreError if it neither is nor comes next."""
    next_frame = connection.scalar(
        select(tables.Checkpoint.next_frame).where(tables.Checkpoint.run_source_id == run_source_id)
    )
    if next_frame is None or chunk.first_frame == next_frame:
        return False
    if chunk.end_frame <= next_frame:
        return True
    raise StoreError(
        f"frames {chunk.first_frame} to {chunk.end_frame} do not begin at frame {next_frame}, where the last chunk "
        "ended; resume from the checkpoint, and let one process write a run"
    )


def _living(now: int) -> dict[str, Any]:
    return {
        "status": RunStatus.RUNNING,
        "requested_state": RequestedState.RUN,
        "heartbeat_at": now,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
