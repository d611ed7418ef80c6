"""DatabaseSink: a stream's results into the store, one transaction a chunk."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from pipeline.errors import StoreError
from pipeline.events import Events
from pipeline.sinks.base import ChunkEnd, Result
from pipeline.sinks.best_pictures import BestPictures
from pipeline.sinks.dossiers import Dossiers
from pipeline.sinks.sighting import qualities
from pipeline.store.chunk import (
    NO_PTS,
    ChunkData,
    EmbeddingColumns,
    FrameCounts,
    FrameDetections,
    GapColumns,
    ObservationColumns,
)
from pipeline.store.records import Checkpoint
from pipeline.store.writer import RunWriter
from trackers.structures import Detections, FloatArray, Frame, Gap, IntArray, Stage, State, Tracks

STATE_FORMAT = 2  # of ChunkData.state: the tracker's arrays and, after PREFIX, this sink's
PREFIX = "sink."  # the last frame, the open sightings ("open.") and the dossiers
_OPEN = "open."


@dataclass(frozen=True, slots=True)
class _Moment:
    """A frame without its picture."""

    index: int
    time: float  # seconds
    at: int  # microseconds UTC
    session: int
    pts: int | None
    gap: Gap | None = None  # before it

    @classmethod
    def of(cls, frame: Frame) -> _Moment:
        return cls(frame.index, frame.time, frame.at, frame.session, frame.pts, frame.gap)


@dataclass(slots=True, eq=False)
class _Gathering:
    """The frames of the chunk being filled, without their pictures. Entry i of the lists is the same frame."""

    frames: list[_Moment] = field(default_factory=list)
    detections: list[Detections] = field(default_factory=list)
    tracks: list[Tracks] = field(default_factory=list)  # confirmed ones
    qualities: list[FloatArray] = field(default_factory=list)
    ended: list[IntArray] = field(default_factory=list)
    events: list[Events] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class _Sightings:
    """Described observations of one whole chunk so far. Row i of every column is the same sighting."""

    local_ids: IntArray  # (n,)
    at: IntArray  # (n,) microseconds UTC
    features: FloatArray  # (n, d)
    qualities: FloatArray  # (n,)
    ended: IntArray  # (k,) ids of tracks that ended meanwhile

    def __add__(self, later: _Sightings) -> _Sightings:
        if not len(self.local_ids):  # its features have no length yet
            return replace(later, ended=np.concatenate([self.ended, later.ended]))
        return _Sightings(*(np.concatenate([getattr(self, one), getattr(later, one)]) for one in self.columns()))

    @classmethod
    def none(cls) -> _Sightings:
        """No sighting."""
        ids = np.zeros(0, np.int64)
        return cls(ids, ids, np.zeros((0, 0), np.float32), np.zeros(0, np.float32), ids)

    @classmethod
    def columns(cls) -> list[str]:
        """Names, in order."""
        return [one.name for one in fields(cls)]


class Mending(Protocol):
    """What a source counts that is not its frames."""

    @property
    def repaired(self) -> int:
        """Time stamps mended so far."""

    @property
    def damaged(self) -> int:
        """Packets and frames so far that could not be decoded."""


class DatabaseSink:
    """Writes detections, tracks, observations, embeddings, best pictures and a checkpoint for each chunk of frames.

    A chunk ends with the frame whose result carries the tracker's state. What was gathered since is written by no one
    when the run fails: the checkpoint says where to go on.

    Exemplars are the best sightings of a whole chunk. Where a stop cuts a chunk, those of its first part are stored,
    and chosen anew when the run goes on and the chunk becomes whole: the rows are then those of a run without a stop.
    """

    def __init__(
        self,
        writer: RunWriter,
        run_source_id: int,
        source: Mending,
        *,
        detect_hash: str,
        embedder_id: int | None = None,
        pictures: BestPictures | None = None,
    ) -> None:
        """`detect_hash`: of everything that decides the detections; empty where they are stored already.

        `embedder_id`: model of the features, if any. `pictures`: None where the frames have none.
        """
        self._writer = writer
        self._run_source_id = run_source_id
        self._source = source
        self._detect_hash = detect_hash
        self._embedder_id = embedder_id
        self._pictures = pictures
        self._next_frame = 0
        self._before: _Moment | None = None  # the frame before those being gathered
        self._repaired = 0  # counted so far; the reader is a few frames ahead, so a chunk's share is approximate
        self._damaged = 0
        self._dossiers = Dossiers()
        self._open = _Sightings.none()  # stored already, of a chunk that a stop has cut
        self._gathering = _Gathering()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gathering = _Gathering()

    def restore(self, checkpoint: Checkpoint, counts: FrameCounts) -> None:
        """Go on from a checkpoint. `counts`: what is stored of the source; its reader counts from the start again.

        Raises StoreError if another Sightline wrote the checkpoint.
        """
        if checkpoint.format_version != STATE_FORMAT:
            raise StoreError(
                f"the checkpoint has format {checkpoint.format_version}, this Sightline writes {STATE_FORMAT}; "
                "resume with the version that began the run, or start it again"
            )
        state = _within(checkpoint.state, PREFIX)
        self._next_frame = checkpoint.next_frame
        self._repaired, self._damaged = counts.repaired, counts.damaged
        index, at, session = state["last"].tolist()
        self._before = _Moment(index, float(state["last_time"]), at, session, None)
        opened = _within(state, _OPEN)
        self._open = _Sightings(*(opened[name] for name in _Sightings.columns()))
        self._dossiers.from_arrays(state)

    def write(self, result: Result) -> None:
        """Gather one frame; store the chunk when it is complete. Raises StoreError."""
        gathering, frame = self._gathering, result.frame
        confirmed = result.tracks.confirmed
        quality = qualities(confirmed, frame.width, frame.height)
        if self._pictures is not None:
            self._pictures.look(frame, confirmed, quality, self._dossiers.crop_quality)
        gathering.frames.append(_Moment.of(frame))
        gathering.detections.append(result.detections)
        gathering.tracks.append(confirmed)
        gathering.qualities.append(quality)
        gathering.ended.append(result.tracks.ids[result.tracks.stages == Stage.ENDED])
        gathering.events.append(result.events)
        if result.state is not None:
            self._store(result.state, result.end)

    def _store(self, state: State, end: ChunkEnd) -> None:
        gathering, dossiers, last = self._gathering, self._dossiers, self._gathering.frames[-1]
        observations = _observations(gathering)
        dossiers.take(observations, np.concatenate([tracks.labels for tracks in gathering.tracks]))
        crops = None if self._pictures is None else self._pictures.take()
        if crops is not None:
            for local_id, quality in zip(crops.local_ids.tolist(), crops.qualities.tolist(), strict=True):
                dossiers.note_crop(local_id, quality)
        ended = np.concatenate(gathering.ended)
        columns = dossiers.columns(np.union1d(observations.local_ids, ended), ended)
        exemplars_from = int(self._open.at[0]) if len(self._open.at) else None
        embeddings = self._embeddings(observations, ended, end)
        chunk = ChunkData(
            first_frame=self._next_frame,
            end_frame=last.index + 1,
            detect_hash=self._detect_hash,
            detections=_frame_detections(gathering),
            tracks=columns,
            observations=observations,
            counts=self._counts(),
            state=state | {PREFIX + name: array for name, array in self._state(last).items()},
            state_format=STATE_FORMAT,
            embeddings=embeddings,
            exemplars_from=exemplars_from,
            crops=crops,
            gaps=_gaps(self._before, gathering.frames),
            events=Events.concatenate(gathering.events),
        )
        self._writer.write_chunk(self._run_source_id, chunk)
        self._before = last
        self._next_frame = chunk.end_frame
        self._gathering = _Gathering()

    def _state(self, last: _Moment) -> State:
        """What going on after the frame `last` needs besides the tracker."""
        return {
            "last": np.array([last.index, last.at, last.session], np.int64),
            "last_time": np.array(last.time),
            **{_OPEN + name: getattr(self._open, name) for name in _Sightings.columns()},
            **self._dossiers.to_arrays(),
        }

    def _counts(self) -> FrameCounts:
        frames = len(self._gathering.frames)
        repaired = max(0, self._source.repaired - self._repaired)
        damaged = max(0, self._source.damaged - self._damaged)
        self._repaired += repaired
        self._damaged += damaged
        return FrameCounts(read=frames, processed=frames, repaired=repaired, damaged=damaged)

    def _embeddings(
        self, observations: ObservationColumns, ended: IntArray, end: ChunkEnd
    ) -> tuple[EmbeddingColumns, ...]:
        """Of the observations whose detections were described; nothing without an embedder. Forgets what has ended."""
        sightings = self._open + self._sightings(observations, ended)
        if end is ChunkEnd.CUT:
            self._open, provisional = sightings, Dossiers()
            provisional.from_arrays(self._dossiers.to_arrays())
            return self._chosen(provisional, sightings)
        self._open = _Sightings.none()
        chosen = self._chosen(self._dossiers, sightings)
        self._dossiers.forget(sightings.ended)
        return chosen

    def _chosen(self, dossiers: Dossiers, sightings: _Sightings) -> tuple[EmbeddingColumns, ...]:
        if self._embedder_id is None:
            return ()
        return (
            dossiers.embeddings(
                self._embedder_id, sightings.local_ids, sightings.at, sightings.features, sightings.qualities
            ),
        )

    def _sightings(self, observations: ObservationColumns, ended: IntArray) -> _Sightings:
        if self._embedder_id is None:
            return replace(_Sightings.none(), ended=ended)
        features = np.concatenate(
            [
                _features_of(tracks, found)
                for tracks, found in zip(self._gathering.tracks, self._gathering.detections, strict=True)
            ]
        )
        described = np.isfinite(features).all(axis=1)
        return _Sightings(
            observations.local_ids[described],
            observations.at[described],
            features[described],
            np.concatenate(self._gathering.qualities)[described],
            ended,
        )


def _within(state: State, prefix: str) -> State:
    """The arrays whose names begin so, without it."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def _features_of(tracks: Tracks, detections: Detections) -> FloatArray:
    """Features of each track's detection (n, d); NaN for a track without one."""
    if detections.features is None:
        raise ValueError("there is an embedder, but these detections have no features")
    features = np.full((len(tracks), detections.features.shape[1]), np.nan, np.float32)
    seen = tracks.rows >= 0
    features[seen] = detections.features[tracks.rows[seen]]
    return features


def _observations(gathering: _Gathering) -> ObservationColumns:
    counts = [len(tracks) for tracks in gathering.tracks]
    tracks = gathering.tracks
    return ObservationColumns(
        local_ids=np.concatenate([one.ids for one in tracks]),
        frames=np.repeat([frame.index for frame in gathering.frames], counts),
        at=np.repeat([frame.at for frame in gathering.frames], counts),
        boxes=np.concatenate([one.boxes for one in tracks]),
        scores=np.concatenate([one.scores for one in tracks]),
        evidence=np.concatenate([one.evidence for one in tracks]),
        det_rows=np.concatenate([one.rows for one in tracks]),
    )


def _gaps(before: _Moment | None, frames: list[_Moment]) -> GapColumns | None:
    """What the source itself tells as a gap; and where frame numbers jump, frames were lost: their time is one."""
    found = [frame.gap for frame in frames if frame.gap is not None]
    for last, this in zip([before, *frames], frames, strict=False):
        if last is not None and this.gap is None and this.index > last.index + 1:
            found.append(Gap(last.at, this.at, f"{this.index - last.index - 1} frames could not be decoded"))
    if not found:
        return None
    return GapColumns(
        from_at=np.array([gap.from_at for gap in found], np.int64),
        to_at=np.array([gap.to_at for gap in found], np.int64),
        reasons=tuple(gap.reason for gap in found),
    )


def _frame_detections(gathering: _Gathering) -> FrameDetections:
    frames = gathering.frames
    return FrameDetections(
        frames=np.array([frame.index for frame in frames], np.int64),
        times=np.array([frame.time for frame in frames]),
        sessions=np.array([frame.session for frame in frames], np.int64),
        pts=np.array([NO_PTS if frame.pts is None else frame.pts for frame in frames], np.int64),
        detections=tuple(gathering.detections),
    )
