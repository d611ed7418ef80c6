"""DatabaseSink: a stream's results into the store, one transaction a chunk."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import numpy as np

from pipeline.sinks.base import Result
from pipeline.sinks.dossiers import Dossiers
from pipeline.sinks.sighting import cut_out, encode_jpeg, qualities
from pipeline.sources.base import Source
from pipeline.store.chunk import (
    NO_PTS,
    ChunkData,
    CropColumns,
    EmbeddingColumns,
    FrameCounts,
    FrameDetections,
    GapColumns,
    ObservationColumns,
)
from pipeline.store.writer import RunWriter
from trackers.structures import Detections, FloatArray, Frame, ImageArray, IntArray, Stage, State, Tracks

STATE_FORMAT = 1  # of ChunkData.state: the tracker's arrays and, after "sink.", the dossiers'
PREFIX = "sink."
BETTER = 1.05  # a picture replaces a track's best one when its quality is that many times higher


@dataclass(frozen=True, slots=True)
class _Moment:
    """A frame without its picture."""

    index: int
    time: float  # seconds
    at: int  # microseconds UTC
    session: int
    pts: int | None

    @classmethod
    def of(cls, frame: Frame) -> _Moment:
        return cls(frame.index, frame.time, frame.at, frame.session, frame.pts)


@dataclass(slots=True, eq=False)
class _Gathering:
    """The frames of the chunk being filled, without their pictures. Entry i of the lists is the same frame."""

    frames: list[_Moment] = field(default_factory=list)
    detections: list[Detections] = field(default_factory=list)
    tracks: list[Tracks] = field(default_factory=list)  # confirmed ones
    qualities: list[FloatArray] = field(default_factory=list)
    ended: list[IntArray] = field(default_factory=list)
    pictures: dict[int, tuple[float, int, ImageArray]] = field(default_factory=dict)  # id: quality, at, crop


class DatabaseSink:
    """Writes detections, tracks, observations, embeddings, best pictures and a checkpoint for each chunk of frames.

    A chunk ends with the frame whose result carries the tracker's state. What was gathered since is written by no one
    when the run fails: the checkpoint says where to go on.
    """

    def __init__(
        self,
        writer: RunWriter,
        run_source_id: int,
        source: Source,
        *,
        detect_hash: str,
        embedder_id: int | None = None,
        first_frame: int = 0,
    ) -> None:
        """`detect_hash`: of everything that decides the detections. `embedder_id`: model of the features, if any.

        `first_frame`: index of the first frame to come.
        """
        self._writer = writer
        self._run_source_id = run_source_id
        self._source = source
        self._detect_hash = detect_hash
        self._embedder_id = embedder_id
        self._next_frame = first_frame
        self._last: _Moment | None = None  # before the frames being gathered
        self._repaired = 0  # counted so far; the reader is a few frames ahead, so a chunk's share is approximate
        self._damaged = 0
        self._dossiers = Dossiers()
        self._gathering = _Gathering()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gathering = _Gathering()

    def restore(self, state: State) -> None:
        """Go on from a checkpoint's state."""
        self._dossiers.from_arrays(
            {name.removeprefix(PREFIX): array for name, array in state.items() if name.startswith(PREFIX)}
        )

    def write(self, result: Result) -> None:
        """Gather one frame; store the chunk when it is complete. Raises StoreError."""
        gathering, frame = self._gathering, result.frame
        confirmed = result.tracks.confirmed
        quality = qualities(confirmed, frame.width, frame.height)
        self._keep_pictures(frame, confirmed, quality)
        gathering.frames.append(_Moment.of(frame))
        gathering.detections.append(result.detections)
        gathering.tracks.append(confirmed)
        gathering.qualities.append(quality)
        gathering.ended.append(result.tracks.ids[result.tracks.stages == Stage.ENDED])
        if result.state is not None:
            self._store(result.state)

    def _keep_pictures(self, frame: Frame, tracks: Tracks, quality: FloatArray) -> None:
        pictures = self._gathering.pictures
        for local_id, box, worth in zip(tracks.ids.tolist(), tracks.boxes, quality.tolist(), strict=True):
            best = pictures[local_id][0] if local_id in pictures else self._dossiers.crop_quality(local_id)
            if worth > best * BETTER or best < 0:
                crop = cut_out(frame.image, box)
                if crop.size:
                    pictures[local_id] = (worth, frame.at, crop)

    def _store(self, state: State) -> None:
        gathering, dossiers = self._gathering, self._dossiers
        observations = _observations(gathering)
        dossiers.take(observations, np.concatenate([tracks.labels for tracks in gathering.tracks]))
        ended = np.concatenate(gathering.ended)
        embeddings = self._embeddings(observations)
        crops = self._crops()
        columns = dossiers.columns(np.union1d(observations.local_ids, ended), ended)
        dossiers.forget(ended)
        end = gathering.frames[-1].index + 1
        chunk = ChunkData(
            first_frame=self._next_frame,
            end_frame=end,
            detect_hash=self._detect_hash,
            detections=_frame_detections(gathering),
            tracks=columns,
            observations=observations,
            counts=self._counts(),
            state=state | {PREFIX + name: array for name, array in dossiers.to_arrays().items()},
            state_format=STATE_FORMAT,
            embeddings=embeddings,
            crops=crops,
            gaps=_gaps(self._last, gathering.frames),
        )
        self._writer.write_chunk(self._run_source_id, chunk)
        self._next_frame = end
        self._last = gathering.frames[-1]
        self._gathering = _Gathering()

    def _counts(self) -> FrameCounts:
        frames = len(self._gathering.frames)
        repaired, damaged = self._source.repaired - self._repaired, self._source.damaged - self._damaged
        self._repaired += repaired
        self._damaged += damaged
        return FrameCounts(read=frames, processed=frames, repaired=repaired, damaged=damaged)

    def _embeddings(self, observations: ObservationColumns) -> tuple[EmbeddingColumns, ...]:
        """Of the observations whose detections were described; nothing without an embedder."""
        if self._embedder_id is None:
            return ()
        features = np.concatenate(
            [
                _features_of(tracks, found)
                for tracks, found in zip(self._gathering.tracks, self._gathering.detections, strict=True)
            ]
        )
        described = np.isfinite(features).all(axis=1)
        quality = np.concatenate(self._gathering.qualities)
        return (
            self._dossiers.embeddings(
                self._embedder_id,
                observations.local_ids[described],
                observations.at[described],
                features[described],
                quality[described],
            ),
        )

    def _crops(self) -> CropColumns | None:
        pictures = self._gathering.pictures
        if not pictures:
            return None
        for local_id, (worth, _, _) in pictures.items():
            self._dossiers.note_crop(local_id, worth)
        crops = [crop for _, _, crop in pictures.values()]
        return CropColumns(
            local_ids=np.array(list(pictures), np.int64),
            at=np.array([at for _, at, _ in pictures.values()], np.int64),
            jpegs=tuple(encode_jpeg(crop) for crop in crops),
            widths=np.array([crop.shape[1] for crop in crops], np.int64),
            heights=np.array([crop.shape[0] for crop in crops], np.int64),
            qualities=np.array([worth for worth, _, _ in pictures.values()], np.float32),
        )


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
    """Where frame numbers jump, frames were lost: their time is a gap."""
    pairs = list(zip([before, *frames], frames, strict=False))
    lost = [(last, this) for last, this in pairs if last is not None and this.index > last.index + 1]
    if not lost:
        return None
    return GapColumns(
        from_at=np.array([last.at for last, _ in lost], np.int64),
        to_at=np.array([this.at for _, this in lost], np.int64),
        reasons=tuple(f"{this.index - last.index - 1} frames could not be decoded" for last, this in lost),
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
