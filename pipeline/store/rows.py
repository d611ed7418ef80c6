"""What queries give back: plain frozen data, nothing that still hangs on the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from pipeline.store.states import EmbeddingKind, MediaKind, RequestedState, RunStatus, SourceStatus
from trackers.structures import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run. Times are microseconds UTC."""

    public_id: UUID
    kind: str
    status: RunStatus
    requested_state: RequestedState
    error: str | None
    settings: Mapping[str, Any]
    settings_hash: str
    code_version: str
    parent: UUID | None  # public id of the run it tracks again
    created_at: int
    finished_at: int | None
    heartbeat_at: int | None
    host: str | None
    pid: int | None


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A video file, a folder of pictures or a camera."""

    public_id: UUID
    kind: str
    name: str
    uri_redacted: str
    fingerprint: str  # empty for a camera


@dataclass(frozen=True, slots=True)
class RunSourceRow:
    """One source in one run."""

    run_source_id: int
    public_id: UUID  # of the source
    kind: str
    name: str
    uri_redacted: str
    fingerprint: str  # empty for a camera
    start_at: int | None  # of its first frame in this run, microseconds UTC; None for a camera
    width: int | None  # pixels
    height: int | None
    fps: float | None
    frames: int | None
    duration: float | None  # seconds
    status: SourceStatus
    error: str | None
    frames_read: int
    processed: int
    dropped: int
    repaired: int  # time stamps
    damaged: int  # packets and frames that could not be decoded
    finished_at: int | None
    next_frame: int  # of the checkpoint, 0 before the first
    tracks: int


@dataclass(frozen=True, slots=True)
class RunModelRow:
    """One network of a run."""

    model_id: int
    task: str
    name: str
    sha256: str
    version: str
    runtime: str
    input_size: tuple[int, int] | None  # height, width in pixels
    classes: tuple[str, ...]
    dimension: int | None


@dataclass(frozen=True, slots=True)
class RunDetail:
    """A run with all it read and used."""

    run: RunRow
    sources: tuple[RunSourceRow, ...]
    models: tuple[RunModelRow, ...]


@dataclass(frozen=True, slots=True)
class MediaRow:
    """A file beside the database."""

    public_id: UUID
    kind: MediaKind
    path: str  # relative to the media folder, with /
    sha256: str
    bytes: int
    from_at: int
    to_at: int
    width: int | None  # pixels
    height: int | None
    quality: float | None


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """What a reviewer sees in a gallery."""

    public_id: UUID
    name: str  # the reviewer's label, else the class
    class_name: str
    verdict: str | None
    protected: bool
    members: int  # tracks, or parts of tracks
    run: UUID | None  # of its first member
    source: UUID | None
    source_name: str | None
    score_max: float
    first_at: int
    last_at: int
    count: int  # observations
    evidence_bits: int  # bit e: seen with Evidence(e)
    crop: MediaRow | None  # the best one

    @property
    def seconds(self) -> float:
        """From the first to the last observation."""
        return (self.last_at - self.first_at) / 1e6


@dataclass(frozen=True, slots=True)
class MemberRow:
    """The part of a track that belongs to an object: from_at <= at < to_at."""

    track: UUID
    local_id: int
    class_id: int
    run: UUID
    source: UUID
    source_name: str
    from_at: int
    to_at: int | None  # None: to the end


@dataclass(frozen=True, slots=True, eq=False)
class ObservationTable:
    """Where an object was, in order of time. Row i of every column is the same observation."""

    at: IntArray  # (n,) int64 microseconds UTC
    frames: IntArray  # (n,) int64
    boxes: FloatArray  # (n, 4) float32 x1 y1 x2 y2, pixels
    scores: FloatArray  # (n,) float32
    evidence: IntArray  # (n,) int8 Evidence
    det_rows: IntArray  # (n,) int64 row of the frame's detections, -1 if none
    run_source_ids: IntArray  # (n,) int64
    track_ids: IntArray  # (n,) int64 rows of `tracks`

    def __len__(self) -> int:
        return len(self.at)


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingTable:
    """What an object looked like to one model. Row i of every column is the same vector."""

    at: IntArray  # (n,) int64 microseconds UTC
    kinds: tuple[EmbeddingKind, ...]  # n
    qualities: FloatArray  # (n,) float32
    vectors: FloatArray  # (n, d) float32

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def empty(cls, dimension: int) -> EmbeddingTable:
        """No vector."""
        return cls(np.zeros(0, np.int64), (), np.zeros(0, np.float32), np.zeros((0, dimension), np.float32))
