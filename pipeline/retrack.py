"""Tracking a run's stored detections again with other settings: no video is read, no network runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from importlib.metadata import version
from itertools import chain, groupby, pairwise
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

import numpy as np

from pipeline import build
from pipeline.backfill import Backfill
from pipeline.config import Settings, change_settings, digest
from pipeline.deciding import as_before
from pipeline.errors import ConfigError
from pipeline.events import Analyst, Events
from pipeline.heart import Heart
from pipeline.own_settings import CAMERAS, OwnSettings, own_settings
from pipeline.processing import tell_failure
from pipeline.rule_settings import DrawnRule
from pipeline.run_record import MODELS, SCORES, media_folder, stored_scores, stored_values, with_drawn
from pipeline.schedule import Schedule
from pipeline.sinks.base import ChunkEnd, Result
from pipeline.sinks.database import DatabaseSink
from pipeline.stages import Follower
from pipeline.store.chunk import FrameDetections
from pipeline.store.database import Database
from pipeline.store.deletion import DELETING
from pipeline.store.filters import scope_of
from pipeline.store.records import PROJECT, AdoptedSource, RunRecord
from pipeline.store.rows import RunDetail, RunSourceRow
from pipeline.store.rules import living_rules
from pipeline.store.run_kinds import FOLLOW
from pipeline.store.states import RequestedState, RunStatus, SourceStatus
from pipeline.store.stored_detections import RETRACK, stored_detections
from pipeline.store.writer import RunWriter
from pipeline.stored_frames import StoredFrames, StoredLooks
from pipeline.tracker_settings import TrackerSettings, calibrated, waits_for_looks, without_pictures
from trackers.structures import Detections, Frame, Stage, Tracks
from trackers.track_rows import Recording, Refiner, TrackRows

Advanced = Callable[[AdoptedSource, int], None]  # frames done
_Seen: TypeAlias = tuple[Frame, Detections, Tracks]
_One = TypeVar("_One")

_ALLOWED = ("tracker", "refine", "analytics")


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """A stored frame."""

    frame: Frame
    detections: Detections
    looked: bool


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
    if run.run.kind == FOLLOW:
        raise ConfigError(
            f"run {run.run.public_id} followed one target; it detected nothing that could be tracked again"
        )
    overrides = list(overrides)
    for one, section in zip(overrides, changed_sections(overrides), strict=True):
        if section not in _ALLOWED:
            raise ConfigError(
                f"--set {one}: only tracker, refine and analytics can change; a new run decides the {section} anew"
            )
    return change_settings(stored_values(run.run.settings, database), overrides)


def changed_sections(overrides: Iterable[str]) -> list[str]:
    """Which section each `key.path=value` string is about."""
    return [one.partition("=")[0].strip().partition(".")[0] for one in overrides]


class Retrack:
    """A child of a run. `execute` once; `stop` from any thread."""

    def __init__(
        self,
        database: Database,
        run: RunDetail,
        settings: Settings,
        *,
        refined: bool,
        changed: Collection[str] = (),
        advanced: Advanced | None = None,
    ) -> None:
        """`refined`: improve the tracks with hindsight. `advanced`: is told after each chunk.

        `changed`: sections that were set for this; they count for all cameras, whatever each had of its own.
        """
        self._database = database
        self._run = run
        self._scores = stored_scores(run.run.settings)
        tracker = without_pictures(calibrated(settings.tracker, self._scores))
        self._settings = settings.model_copy(update={"tracker": tracker})
        self._refiner: Refiner | None = build.refiner(settings.refine) if refined else None
        self._advanced = advanced
        self._stopped = False
        self._embedder = next((model.model_id for model in run.models if model.task == "embed"), None)
        self._classes = next((model.classes for model in run.models if model.task == "detect"), ())
        self._drawn = self._drawn_rules()
        self._own = self._own_settings(changed)

    def stop(self) -> None:
        """End after the chunk in hand."""
        self._stopped = True

    def execute(self) -> Retracked:
        """Track every source that has detections. Raises StoreError if some of them are missing."""
        for one in self._run.sources:  # what is wrong with them is told before anything is written
            build.tracker(self._tracker(one.name))
            self._analyst(one)
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
        if self._scores is not None:
            kept[SCORES] = [list(pair) for pair in self._scores]
        parent = self._run.run
        if self._own:
            kept[CAMERAS] = {name: _told(own) for name, own in self._own.items()}
        deciding = {name: kept.get(name) for name in (*_ALLOWED, CAMERAS)}
        hashed = digest({"parent": parent.settings_hash, **as_before(deciding)})
        record = RunRecord(RETRACK, kept, hashed, version("sightline"), parent=parent.public_id)
        return with_drawn(record, self._drawn)

    def _drawn_rules(self) -> dict[str, list[DrawnRule]]:
        """The zones and lines that are drawn now for what the run has read, by address."""
        with self._database.read("look for drawn zones and lines") as connection:
            scope = scope_of(connection, [PROJECT])
            found = [(one.uri_redacted, living_rules(scope, connection, one.public_id)) for one in self._run.sources]
        return {place: [*rules] for place, rules in found if rules}

    def _own_settings(self, changed: Collection[str]) -> dict[str, OwnSettings]:
        """What cameras have of their own, without what was set now for all."""
        with self._database.read("read settings of cameras") as connection:
            found = own_settings(connection, self._run)
        replaced: dict[str, None] = dict.fromkeys(set(changed) & set(OwnSettings.model_fields))
        return {name: own.model_copy(update=replaced) for name, own in found.items()}

    def _tracker(self, name: str) -> TrackerSettings:
        """Of a source."""
        own = self._own.get(name, OwnSettings()).tracker
        return self._settings.tracker if own is None else without_pictures(calibrated(own, self._scores))

    def _analyst(self, source: RunSourceRow) -> Analyst | None:
        """What watches a source. Raises ConfigError for rules that cannot be."""
        own = self._own.get(source.name, OwnSettings()).analytics
        analytics = build.merged(
            self._settings.analytics if own is None else own, self._drawn.get(source.uri_redacted, ())
        )
        return build.analyst(analytics, self._classes)

    def _obey(self, wanted: RequestedState) -> None:
        if wanted is RequestedState.STOP:
            self.stop()

    def _one(self, source: AdoptedSource, writer: RunWriter, outcome: Retracked) -> None:
        started = time.perf_counter()
        sink = DatabaseSink(writer, source.run_source_id, source, detect_hash="", embedder_id=self._embedder)
        ids: set[int] = set()
        frames, last, stored = 0, None, StoredFrames(source)
        with self._database.read("read detections") as connection, sink:
            chunks = stored_detections(connection, source.parent_run_source_id, end_frame=source.next_frame)
            for result in self._results(source, stored, self._until_stopped(chunks)):
                sink.write(result)
                ids.update(result.tracks.confirmed.ids.tolist())
                frames, last = frames + 1, result.frame.index
                if result.end is ChunkEnd.WHOLE and self._advanced is not None:
                    self._advanced(source, result.frame.index + 1)
        writer.adopt_pictures(source)
        whole = last is not None and last + 1 >= source.next_frame
        for gap in stored.lone_gaps if whole else ():
            writer.add_gap(source.run_source_id, gap)
        status = _status(source) if whole else SourceStatus.STOPPED
        writer.finish_source(source.run_source_id, status, error=source.error)
        seconds = time.perf_counter() - started
        tracks_before = self._before(source).tracks
        outcome.sources.append(RetrackedSource(source.name, frames, len(ids), tracks_before, seconds))

    def _before(self, source: AdoptedSource) -> RunSourceRow:
        """The same source in the run that is tracked again."""
        return next(one for one in self._run.sources if one.run_source_id == source.parent_run_source_id)

    def _until_stopped(self, chunks: Iterable[FrameDetections]) -> Iterator[FrameDetections]:
        for chunk in chunks:
            if self._stopped:
                return
            yield chunk

    def _schedule(self) -> Schedule | None:
        """Of the run, where it was one of every n-th frame: earlier versions did not store which these were."""
        settings = self._settings.detector
        return build.schedule(settings)(0) if settings.schedule == "every" else None

    def _results(
        self, source: AdoptedSource, frames: StoredFrames, chunks: Iterable[FrameDetections]
    ) -> Iterator[Result]:
        """What the engine would have given the sinks, but for pictures."""
        looks = StoredLooks(self._schedule())
        analyst = self._analyst(self._before(source))
        stored = (_Look(*look) for chunk in chunks for look in looks.of(chunk, frames.of(chunk)))
        seen = self._tracked(self._tracker(source.name), stored)
        if self._refiner is not None:
            spans = groupby(list(seen), key=lambda one: (one[0].height, one[0].width))  # another size, other places
            seen = _with_ends(chain.from_iterable(_refined(list(span), self._refiner) for _, span in spans))
        for (frame, detections, tracks), end in self._by_chunks(seen, lambda one: one[0].index):
            events = Events.empty() if analyst is None else analyst.update(frame, tracks)
            yield Result(frame, detections, tracks, None if end is ChunkEnd.NONE else {}, end, events)

    def _tracked(self, tracker: TrackerSettings, looks: Iterable[_Look]) -> Iterator[_Seen]:
        """The frames with their tracks, before any hindsight.

        Lines need no picture; and as nobody goes on from the middle of this, only the last frame ends anything.
        """
        waits = waits_for_looks(tracker)
        follower = Follower(build.tracker(tracker.model_copy(update={"between": "none"}) if waits else tracker))
        backfill = Backfill[_Look](follower, waits=waits)
        for look, following in _with_next(looks):
            for one in backfill.take(look, ChunkEnd.WHOLE if following is None else ChunkEnd.NONE):
                yield one.item.frame, one.item.detections, one.tracks

    def _by_chunks(self, items: Iterable[_One], index: Callable[[_One], int]) -> Iterator[tuple[_One, ChunkEnd]]:
        """What belongs to a frame each, and whether a chunk ends with it. `index`: of the frame."""
        chunk = self._settings.store.chunk
        for one, following in _with_next(items):
            end = ChunkEnd.WHOLE if following is None else ChunkEnd.between(index(one), index(following), chunk)
            yield one, end


def _with_next(items: Iterable[_One]) -> Iterator[tuple[_One, _One | None]]:
    """Each with the one after it; None after the last."""
    before: list[_One] = []
    for following in items:
        for one in before:
            yield one, following
        before = [following]
    for one in before:
        yield one, None


def _status(source: AdoptedSource) -> SourceStatus:
    """Of the parent's source, as far as it came: what was interrupted there ends early here."""
    complete = (SourceStatus.FINISHED, SourceStatus.DAMAGED)
    return source.status if source.status in complete else SourceStatus.STOPPED


def _refined(seen: Sequence[_Seen], refiner: Refiner) -> Iterator[_Seen]:
    """The same frames, at least one, with the tracks that hindsight gives."""
    frames = [frame for frame, _, _ in seen]
    recording = Recording(
        np.array([frame.index for frame in frames], np.int64),
        np.array([frame.time for frame in frames]),
        frames[0].width,
        frames[0].height,
        [
            (np.nextafter(before.time, np.inf), np.nextafter(after.time, -np.inf))  # both were recorded
            for before, after in pairwise(frames)
            if after.gap is not None
        ],
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


def _with_ends(seen: Iterable[_Seen]) -> Iterator[_Seen]:
    """The same frames; a track that is in none of those that follow is told once more, as ended."""
    frames = list(seen)
    last = {track: number for number, (*_, tracks) in enumerate(frames) for track in tracks.ids.tolist()}
    gone = Tracks.empty()
    for number, (frame, detections, tracks) in enumerate(frames):
        yield frame, detections, _joined(tracks, gone)
        final = tracks[np.array([last[track] == number for track in tracks.ids.tolist()], bool)]
        ended, nowhere = np.full(len(final), Stage.ENDED, np.int8), np.full(len(final), -1)
        gone = replace(final, stages=ended, rows=nowhere)


def _joined(one: Tracks, other: Tracks) -> Tracks:
    """The rows of both."""
    names = [column.name for column in fields(Tracks)]
    return Tracks(**{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names})


def _told(own: OwnSettings) -> dict[str, Any]:
    """What a camera was told; that its scores are to be learned (`calibration: null`) is told, too."""
    held = own.model_dump(mode="json", exclude_none=True)
    if own.tracker is not None and "calibration" in own.tracker.model_fields_set:
        held["tracker"]["calibration"] = own.tracker.model_dump(mode="json")["calibration"]
    return held
