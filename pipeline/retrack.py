"""Tracking a run's stored detections again with other settings: no video is read, no network runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import chain
from uuid import UUID

import numpy as np

from pipeline import build
from pipeline.config import Settings, change_settings, digest
from pipeline.errors import ConfigError
from pipeline.heart import Heart
from pipeline.processing import tell_failure
from pipeline.run_record import MODELS, media_folder, stored_values
from pipeline.sinks.base import ChunkEnd, Result
from pipeline.sinks.database import DatabaseSink
from pipeline.store.chunk import FrameDetections
from pipeline.store.database import Database
from pipeline.store.deletion import DELETING
from pipeline.store.records import AdoptedSource, RunRecord
from pipeline.store.rows import RunDetail
from pipeline.store.states import RequestedState, RunStatus, SourceStatus
from pipeline.store.stored_detections import stored_detections
from pipeline.store.writer import RunWriter
from trackers.structures import Detections, Frame, ImageArray, Stage, Tracks
from trackers.track_rows import Recording, Refiner, TrackRows

Advanced = Callable[[AdoptedSource, int], None]  # frames done

_ALLOWED = ("tracker", "refine")


@dataclass(frozen=True, slots=True)
class RetrackedSource:
    """What became of one source."""

    name: str
    frames: int
    tracks: int
    tracks_before: int
    seconds: float  # reading, tracking and storing


@dataclass(slots=True)
class Retracked:
    """How it ended."""

    public_id: UUID  # of the new run
    parent: UUID
    sources: list[RetrackedSource] = field(default_factory=list)
    stopped: bool = False  # because somebody asked for it

    @property
    def seconds(self) -> float:
        """Of all sources."""
        return sum(source.seconds for source in self.sources)


def retrack_settings(run: RunDetail, database: str, overrides: Iterable[str]) -> Settings:
    """The settings of a stored run with another tracker. Raises ConfigError for any other change."""
    if run.run.kind == DELETING:
        raise ConfigError(f"run {run.run.public_id} is being deleted; finish that with: sightline delete --sweep")
    overrides = list(overrides)
    for one in overrides:
        section = one.partition("=")[0].strip().partition(".")[0]
        if section not in _ALLOWED:
            raise ConfigError(f"--set {one}: only tracker and refine can change; a new run decides the {section} anew")
    return change_settings(stored_values(run.run.settings, database), overrides)


class Retrack:
    """A child of a run. `execute` once; `stop` from any thread."""

    def __init__(
        self,
        database: Database,
        run: RunDetail,
        settings: Settings,
        *,
        refined: bool,
        advanced: Advanced | None = None,
    ) -> None:
        """`refined`: improve the tracks with hindsight. `advanced`: is told after each chunk."""
        self._database = database
        self._run = run
        self._settings = settings
        self._refiner: Refiner | None = build.refiner(settings.refine) if refined else None
        self._advanced = advanced
        self._stopped = False
        self._embedder = next((model.model_id for model in run.models if model.task == "embed"), None)

    def stop(self) -> None:
        """End after the chunk in hand."""
        self._stopped = True

    def execute(self) -> Retracked:
        """Track every source that has detections. Raises StoreError if some of them are missing."""
        build.tracker(self._settings.tracker)  # what is wrong with it is told before anything is written
        writer = RunWriter.begin(self._database, self._record(), media_folder=media_folder(self._settings))
        outcome = Retracked(writer.public_id, self._run.run.public_id)
        with Heart(writer.heartbeat, self._obey):
            try:
                for source in writer.adopt(self._run.run.public_id):
                    if not self._stopped:
                        self._one(source, writer, outcome)
            except BaseException as error:
                tell_failure(error, lambda said: writer.finish_run(RunStatus.FAILED, error=said))
                raise
        outcome.stopped = self._stopped
        writer.finish_run(RunStatus.STOPPED if self._stopped else RunStatus.FINISHED)
        return outcome

    def _record(self) -> RunRecord:
        kept = self._settings.model_dump(mode="json", exclude={"store": {"database"}})
        if self._refiner is None:
            del kept["refine"]  # it decided nothing
        kept[MODELS] = self._run.run.settings.get(MODELS, {})
        parent = self._run.run
        hashed = digest({"parent": parent.settings_hash, "tracker": kept["tracker"], "refine": kept.get("refine")})
        return RunRecord("retrack", kept, hashed, version("sightline"), parent=parent.public_id)

    def _obey(self, wanted: RequestedState) -> None:
        if wanted is RequestedState.STOP:
            self.stop()

    def _one(self, source: AdoptedSource, writer: RunWriter, outcome: Retracked) -> None:
        started = time.perf_counter()
        sink = DatabaseSink(writer, source.run_source_id, source, detect_hash="", embedder_id=self._embedder)
        ids: set[int] = set()
        frames, last = 0, None
        with self._database.read("read detections") as connection, sink:
            chunks = stored_detections(connection, source.parent_run_source_id, end_frame=source.next_frame)
            for result in self._results(source, self._until_stopped(chunks)):
                sink.write(result)
                ids.update(result.tracks.confirmed.ids.tolist())
                frames, last = frames + 1, result.frame.index
                if result.end is ChunkEnd.WHOLE and self._advanced is not None:
                    self._advanced(source, result.frame.index + 1)
        writer.adopt_pictures(source)
        whole = last is not None and last + 1 >= source.next_frame
        status = _status(source) if whole else SourceStatus.STOPPED
        writer.finish_source(source.run_source_id, status, error=source.error)
        before = next(one.tracks for one in self._run.sources if one.run_source_id == source.parent_run_source_id)
        seconds = time.perf_counter() - started
        outcome.sources.append(RetrackedSource(source.name, frames, len(ids), before, seconds))

    def _until_stopped(self, chunks: Iterable[FrameDetections]) -> Iterator[FrameDetections]:
        for chunk in chunks:
            if self._stopped:
                return
            yield chunk

    def _results(self, source: AdoptedSource, chunks: Iterable[FrameDetections]) -> Iterator[Result]:
        """What the engine would have given the sinks, but for pictures."""
        tracker = build.tracker(self._settings.tracker)
        seen: Iterator[tuple[Frame, Detections, Tracks]] = (
            (frame, detections, tracker.update(detections, frame.time))
            for chunk in chunks
            for frame, detections in zip(_frames(source, chunk), chunk.detections, strict=True)
        )
        if self._refiner is not None:
            seen = _refined(list(seen), source, self._refiner)
        chunk_frames = self._settings.store.chunk
        held: tuple[Frame, Detections, Tracks] | None = None
        for following in chain(seen, (None,)):
            if held is not None:
                frame, detections, tracks = held
                same = following is not None and following[0].index // chunk_frames == frame.index // chunk_frames
                end = ChunkEnd.NONE if same else ChunkEnd.WHOLE
                yield Result(frame, detections, tracks, None if same else {}, end)
            held = following


def _status(source: AdoptedSource) -> SourceStatus:
    """Of the parent's source, as far as it came: what was interrupted there ends early here."""
    complete = (SourceStatus.FINISHED, SourceStatus.DAMAGED)
    return source.status if source.status in complete else SourceStatus.STOPPED


def _frames(source: AdoptedSource, chunk: FrameDetections) -> Iterator[Frame]:
    """The chunk's frames without their pictures."""
    size = (source.height or 1, source.width or 1, 3)
    blank: ImageArray = np.broadcast_to(np.zeros((), np.uint8), size)  # has a shape, takes no memory
    columns = (chunk.frames.tolist(), chunk.times.tolist(), chunk.sessions.tolist())
    for index, seconds, session in zip(*columns, strict=True):
        at = source.started_at + round(seconds * 1e6)
        yield Frame(image=blank, index=index, time=seconds, at=at, session=session)


def _refined(
    seen: Sequence[tuple[Frame, Detections, Tracks]], source: AdoptedSource, refiner: Refiner
) -> Iterator[tuple[Frame, Detections, Tracks]]:
    """The same frames with the tracks that hindsight gives."""
    if not seen:
        return
    recording = Recording(
        np.array([frame.index for frame, _, _ in seen], np.int64),
        np.array([frame.time for frame, _, _ in seen]),
        source.width or 1,
        source.height or 1,
    )
    rows = refiner(
        TrackRows.gather([tracks for *_, tracks in seen], [found for _, found, _ in seen], recording), recording
    )
    starts = np.searchsorted(rows.frames, recording.frames)
    ends = np.searchsorted(rows.frames, recording.frames, side="right")
    for (frame, detections, _), start, end in zip(seen, starts, ends, strict=True):
        yield frame, detections, _tracks(rows[slice(start, end)])


def _tracks(rows: TrackRows) -> Tracks:
    """One frame's rows as confirmed tracks."""
    return Tracks(
        ids=rows.ids,
        boxes=rows.boxes.astype(np.float32),
        scores=rows.scores.astype(np.float32),
        labels=rows.labels,
        stages=np.full(len(rows), Stage.CONFIRMED, np.int8),
        evidence=rows.evidence,
        rows=rows.rows,
    )
