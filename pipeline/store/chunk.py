"""What a run hands to the store: one chunk of at most 100 frames, as columns."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from pipeline.errors import ContentError
from pipeline.events import Events
from pipeline.store.states import EmbeddingKind
from trackers.structures import BoolArray, Detections, FloatArray, IntArray, State

CHUNK_FRAMES = 100  # a killed run repeats at most so many
NO_PTS = -(2**63)  # stands for "the container gave no time stamp"


@dataclass(frozen=True, slots=True, eq=False)
class FrameDetections:
    """The raw detections of consecutive processed frames. Entry i of every field is the same frame.

    Frame.at is left out: runs of one file share its detections, but each may have been told another start. It follows
    from the run's session: started_at + time.
    """

    frames: IntArray  # (f,) int64 Frame.index, rising
    times: FloatArray  # (f,) float64 Frame.time, seconds
    sessions: IntArray  # (f,) int64 Frame.session
    pts: IntArray  # (f,) int64 Frame.pts, NO_PTS where it is None
    detections: tuple[Detections, ...]  # f
    looked: BoolArray | None = None  # (f,) whether the detector looked at it; None where it is not known, or at all

    def __post_init__(self) -> None:
        _check_lengths(self, len(self.detections))
        if np.any(np.diff(self.frames) <= 0):
            raise ContentError("the frame numbers of a chunk must rise")

    def __len__(self) -> int:
        return len(self.detections)

    @classmethod
    def empty(cls) -> FrameDetections:
        """No frame."""
        none = np.zeros(0, np.int64)
        return cls(none, np.zeros(0), none, none, ())


@dataclass(frozen=True, slots=True, eq=False)
class TrackColumns:
    """What is known of the tracks that a chunk touched, as of its end. A local id occurs once."""

    local_ids: IntArray  # (n,) int64 from 1, the tracker's own
    class_ids: IntArray  # (n,) int64 index into the detector's class names
    score_max: FloatArray  # (n,) float32 0..1
    first_at: IntArray  # (n,) int64 microseconds UTC
    last_at: IntArray  # (n,) int64
    counts: IntArray  # (n,) int64 observation rows since the track began
    ended: BoolArray  # (n,)

    def __post_init__(self) -> None:
        _check_lengths(self, len(self.local_ids))
        if len(np.unique(self.local_ids)) != len(self.local_ids):
            raise ContentError("a track stands twice in the summaries of one chunk")

    def __len__(self) -> int:
        return len(self.local_ids)

    @classmethod
    def empty(cls) -> TrackColumns:
        """No track."""
        none = np.zeros(0, np.int64)
        return cls(none, none, np.zeros(0, np.float32), none, none, none, np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True, eq=False)
class ObservationColumns:
    """Where tracks were. At most one row for a track and time."""

    local_ids: IntArray  # (n,) int64
    frames: IntArray  # (n,) int64 Frame.index; may lie before the chunk for a track that was believed only now
    at: IntArray  # (n,) int64 microseconds UTC
    boxes: FloatArray  # (n, 4) float32 x1 y1 x2 y2, pixels
    scores: FloatArray  # (n,) float32 0..1
    evidence: IntArray  # (n,) int8 Evidence
    det_rows: IntArray  # (n,) int64 row of the frame's detections, -1 if none
    mask_rle: tuple[bytes | None, ...] | None = None  # n, from mask_rle.encode

    def __post_init__(self) -> None:
        _check_lengths(self, len(self.local_ids))
        if self.boxes.shape != (len(self.local_ids), 4):
            raise ContentError(f"boxes must be (n, 4), got {self.boxes.shape}")
        if not (np.isfinite(self.boxes).all() and np.isfinite(self.scores).all()):
            raise ContentError("an observation's box or score is NaN or infinite; check the tracker")

    def __len__(self) -> int:
        return len(self.local_ids)

    @classmethod
    def empty(cls) -> ObservationColumns:
        """No observation."""
        none = np.zeros(0, np.int64)
        return cls(none, none, none, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), none, none)


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingColumns:
    """What tracks looked like to one model. A MEAN row takes the place of the track's earlier mean."""

    model_id: int  # from RunWriter.register_model
    local_ids: IntArray  # (n,) int64
    at: IntArray  # (n,) int64 microseconds UTC
    kinds: tuple[EmbeddingKind, ...]  # n
    qualities: FloatArray  # (n,) float32 0..1
    vectors: FloatArray  # (n, d) float32, unit length

    def __post_init__(self) -> None:
        _check_lengths(self, len(self.local_ids), but=("model_id",))
        if self.vectors.ndim != 2:
            raise ContentError(f"vectors must be (n, d), got {self.vectors.shape}")
        if not np.isfinite(self.vectors).all():
            raise ContentError("a feature vector holds NaN or infinity; check the embedding model and its input crops")
        means = self.local_ids[np.array([kind is EmbeddingKind.MEAN for kind in self.kinds], bool)]
        if len(np.unique(means)) != len(means):
            raise ContentError("a track has two mean vectors in one chunk")


@dataclass(frozen=True, slots=True, eq=False)
class CropColumns:
    """Candidate pictures of tracks. The store keeps each track's best by quality."""

    local_ids: IntArray  # (n,) int64
    at: IntArray  # (n,) int64 microseconds UTC
    jpegs: tuple[bytes, ...]  # n encoded pictures
    widths: IntArray  # (n,) pixels
    heights: IntArray  # (n,) pixels
    qualities: FloatArray  # (n,) float32, higher is better

    def __post_init__(self) -> None:
        _check_lengths(self, len(self.local_ids))


@dataclass(frozen=True, slots=True, eq=False)
class GapColumns:
    """Times without frames."""

    from_at: IntArray  # (n,) int64 microseconds UTC
    to_at: IntArray  # (n,) int64
    reasons: tuple[str, ...]  # n

    def __post_init__(self) -> None:
        _check_lengths(self, len(self.reasons))


@dataclass(frozen=True, slots=True)
class SessionStart:
    """A connection to a source that began."""

    n: int  # counts the connections
    started_at: int  # microseconds UTC of time 0: a frame was taken at started_at + its time
    time_offset: float = 0.0  # seconds between the run's time and the session's own
    time_base: str | None = None  # seconds per unit of pts, as a fraction such as "1/90000"
    width: int | None = None  # pixels, where this connection has its own size
    height: int | None = None


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """What happened to the frames of a chunk (not since the run began)."""

    read: int = 0
    processed: int = 0
    dropped: int = 0  # read, but not processed: something fresher was there
    repaired: int = 0  # time stamps mended
    damaged: int = 0  # packets and frames that could not be decoded


@dataclass(frozen=True, slots=True, eq=False)
class ChunkData:
    """Everything a range of frames [first_frame, end_frame) of one source leaves behind; written as one transaction.

    Ranges of a source must follow each other without hole or overlap, also where a camera dropped frames.
    """

    first_frame: int
    end_frame: int  # exclusive
    detect_hash: str  # of everything that decides the detections; empty keeps no detections
    detections: FrameDetections
    tracks: TrackColumns
    observations: ObservationColumns
    counts: FrameCounts
    state: State = field(default_factory=dict)  # of tracker, schedule, clock: what going on at end_frame needs
    state_format: int = 1  # the caller's number for the form of `state`
    embeddings: tuple[EmbeddingColumns, ...] = ()  # at most one a model
    exemplars_from: int | None = None  # exemplars of the tracks in `embeddings` stored from this time on (microseconds
    # UTC) are replaced by these
    detections_from: int | None = None  # raw detections stored from this frame on are replaced by these; None: none are
    sessions: tuple[SessionStart, ...] = ()  # that began; one that is stored already stays as it is
    crops: CropColumns | None = None
    gaps: GapColumns | None = None
    events: Events | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.first_frame < self.end_frame:
            raise ContentError(f"frames {self.first_frame} to {self.end_frame} are no range")
        if len(self.detections) > CHUNK_FRAMES:
            raise ContentError(f"a chunk takes at most {CHUNK_FRAMES} frames, not {len(self.detections)}")
        frames = self.detections.frames
        first = self.first_frame if self.detections_from is None else min(self.detections_from, self.first_frame)
        if len(frames) and not (first <= frames[0] and frames[-1] < self.end_frame):
            raise ContentError(f"frames {frames[0]}..{frames[-1]} lie outside {self.first_frame}..{self.end_frame}")


@dataclass(frozen=True, slots=True, eq=False)
class ChunkRest:
    """Looks and pictures that waited for a chunk to become whole, where its last frames were stored without them."""

    embeddings: tuple[EmbeddingColumns, ...] = ()  # at most one a model
    exemplars_from: int | None = None  # exemplars stored from this time on (microseconds UTC) are replaced by these
    crops: CropColumns | None = None


def _check_lengths(columns: Any, count: int, *, but: tuple[str, ...] = ()) -> None:
    for column in fields(columns):
        value = getattr(columns, column.name)
        if column.name not in but and value is not None and len(value) != count:
            raise ContentError(f"{column.name} of {type(columns).__name__} has {len(value)} rows instead of {count}")
