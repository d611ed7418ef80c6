"""What is gathered of a stream between two transactions, without its pictures, and the columns made of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from fractions import Fraction

import numpy as np

from pipeline.events import Events
from pipeline.store import mask_rle
from pipeline.store.chunk import NO_PTS, FrameDetections, GapColumns, ObservationColumns, SessionStart
from trackers.structures import Detections, FloatArray, Frame, Gap, IntArray, Tracks


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame without its picture."""

    index: int
    time: float  # seconds
    at: int  # microseconds UTC
    session: int
    pts: int | None
    gap: Gap | None = None  # before it
    time_base: Fraction | None = None  # seconds per unit of pts
    size: tuple[int, int] | None = None  # width and height, pixels
    looked: bool = True  # the detector has looked at it

    @classmethod
    def of(cls, frame: Frame, *, looked: bool = True) -> Moment:
        """Of a frame."""
        size = (frame.width, frame.height)
        return cls(
            frame.index, frame.time, frame.at, frame.session, frame.pts, frame.gap, frame.time_base, size, looked
        )


@dataclass(slots=True, eq=False)
class Gathering:
    """Frames that are not stored yet. Entry i of the lists is the same frame."""

    frames: list[Moment] = field(default_factory=list)
    detections: list[Detections] = field(default_factory=list)
    tracks: list[Tracks] = field(default_factory=list)  # confirmed ones
    qualities: list[FloatArray] = field(default_factory=list)
    ended: list[IntArray] = field(default_factory=list)
    events: list[Events] = field(default_factory=list)

    def observations(self) -> ObservationColumns:
        """Where the confirmed tracks were."""
        counts = [len(tracks) for tracks in self.tracks]
        return ObservationColumns(
            local_ids=np.concatenate([one.ids for one in self.tracks]),
            frames=np.repeat([frame.index for frame in self.frames], counts),
            at=np.repeat([frame.at for frame in self.frames], counts),
            boxes=np.concatenate([one.boxes for one in self.tracks]),
            scores=np.concatenate([one.scores for one in self.tracks]),
            evidence=np.concatenate([one.evidence for one in self.tracks]),
            det_rows=np.concatenate([one.rows for one in self.tracks]),
            mask_rle=self._masks(),
        )

    def _masks(self) -> tuple[bytes | None, ...] | None:
        """Of each observation's detection; None where no detector gave any."""
        if all(found.masks is None for found in self.detections):
            return None
        return tuple(
            None if row < 0 or found.masks is None else mask_rle.encode_row(found.masks, row)
            for tracks, found in zip(self.tracks, self.detections, strict=True)
            for row in tracks.rows.tolist()
        )

    def features(self) -> FloatArray:
        """Of each observation's detection (n, d); NaN where it has none. Where nothing was described d is 1."""
        dimension = next((found.features.shape[1] for found in self.detections if found.features is not None), 1)
        return np.concatenate(
            [_features_of(tracks, found, dimension) for tracks, found in zip(self.tracks, self.detections, strict=True)]
        )

    def gaps(self, before: Moment | None) -> GapColumns | None:
        """What the source itself tells as a gap; and where frame numbers jump, frames were lost: their time is one.

        `before`: the frame before the first one.
        """
        found = [frame.gap for frame in self.frames if frame.gap is not None]
        for last, this in zip([before, *self.frames], self.frames, strict=False):
            if last is not None and this.gap is None and this.index > last.index + 1:
                found.append(hole(last, this))
        if not found:
            return None
        return GapColumns(
            from_at=np.array([gap.from_at for gap in found], np.int64),
            to_at=np.array([gap.to_at for gap in found], np.int64),
            reasons=tuple(gap.reason for gap in found),
        )

    def sessions(self, before: Moment | None) -> tuple[SessionStart, ...]:
        """The connections that begin with one of the frames. `before`: the frame before the first one."""
        pairs = zip([before, *self.frames], self.frames, strict=False)
        return tuple(_session(this) for last, this in pairs if last is None or last.session != this.session)


def hole(last: Moment, this: Moment) -> Gap:
    """What is missing where frame numbers jump."""
    return Gap(last.at, this.at, f"{this.index - last.index - 1} frames could not be decoded")


def frame_detections(frames: list[Moment], detections: list[Detections]) -> FrameDetections:
    """The raw detections of frames. Entry i of the lists is the same frame."""
    return FrameDetections(
        frames=np.array([frame.index for frame in frames], np.int64),
        times=np.array([frame.time for frame in frames]),
        sessions=np.array([frame.session for frame in frames], np.int64),
        pts=np.array([NO_PTS if frame.pts is None else frame.pts for frame in frames], np.int64),
        detections=tuple(detections),
        looked=np.array([frame.looked for frame in frames], bool),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Sightings:
    """Described observations of one whole chunk so far. Row i of every column is the same sighting."""

    local_ids: IntArray  # (n,)
    at: IntArray  # (n,) microseconds UTC
    features: FloatArray  # (n, d)
    qualities: FloatArray  # (n,)
    ended: IntArray  # (k,) ids of tracks that ended meanwhile

    def __add__(self, later: Sightings) -> Sightings:
        if not len(self.local_ids):  # its features have no length yet
            return replace(later, ended=np.concatenate([self.ended, later.ended]))
        return Sightings(*(np.concatenate([getattr(self, one), getattr(later, one)]) for one in self.columns()))

    @classmethod
    def none(cls) -> Sightings:
        """No sighting."""
        ids = np.zeros(0, np.int64)
        return cls(ids, ids, np.zeros((0, 0), np.float32), np.zeros(0, np.float32), ids)

    @classmethod
    def columns(cls) -> list[str]:
        """Names, in order."""
        return [one.name for one in fields(cls)]


def _session(first: Moment) -> SessionStart:
    own = 0.0 if first.pts is None or first.time_base is None else float(first.pts * first.time_base)
    return SessionStart(
        n=first.session,
        started_at=first.at - round(first.time * 1e6),
        time_offset=first.time - own,
        time_base=None if first.time_base is None else str(first.time_base),
        width=None if first.size is None else first.size[0],
        height=None if first.size is None else first.size[1],
    )


def _features_of(tracks: Tracks, detections: Detections, dimension: int) -> FloatArray:
    """Features of each track's detection (n, d); NaN for a track without one."""
    features = np.full((len(tracks), dimension), np.nan, np.float32)
    seen = tracks.rows >= 0
    if detections.features is not None:
        features[seen] = detections.features[tracks.rows[seen]]
    elif seen.any():
        raise ValueError("there is an embedder, but these detections have no features")
    return features
