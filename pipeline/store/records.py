"""What a run says of itself: the run, its sources, and where it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pipeline.store.chunk import FrameCounts, SessionStart
from pipeline.store.states import SourceStatus
from trackers.structures import Gap, State

PROJECT = "default"  # of those who want none; commands and page work in it


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """What a run is. Settings must already be free of secrets."""

    kind: str  # "files", "live", "retrack", ...: at most 16 letters
    settings: Mapping[str, Any]  # what JSON can hold
    settings_hash: str
    code_version: str
    project: str = PROJECT
    parent: UUID | None = None  # public id of the run whose detections this one tracks again


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """What a run reads. A source with the same project, fingerprint and address is the same source."""

    kind: str  # "video", "images", "stream", "webcam", ...: at most 16 letters
    name: str
    uri_redacted: str  # path or address without credentials
    fingerprint: str | None  # of the content; None for a camera, whose content never comes again
    start_at: int | None = None  # microseconds UTC
    width: int | None = None  # pixels
    height: int | None = None
    fps: float | None = None  # as declared
    frames: int | None = None  # as declared
    duration: float | None = None  # seconds, as declared
    secret_ref: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Where a source of an interrupted run goes on."""

    next_frame: int
    state: State
    format_version: int


@dataclass(frozen=True, slots=True, eq=False)
class SourceProgress:
    """How far a run is with one of its sources."""

    status: SourceStatus
    checkpoint: Checkpoint | None  # None before the first chunk
    counts: FrameCounts  # since its first frame
    started_at: int | None  # microseconds UTC of its first frame; None before the source was first opened


@dataclass(frozen=True, slots=True)
class AdoptedSource:
    """A source that a run took over from its parent, whose detections it tracks again."""

    parent_run_source_id: int
    run_source_id: int
    name: str
    width: int | None  # pixels
    height: int | None
    next_frame: int  # the parent's detections end before it
    started_at: int  # microseconds UTC of time 0
    status: SourceStatus  # of the parent's
    error: str | None
    repaired: int  # time stamps
    damaged: int  # packets and frames that could not be decoded
    dropped: int  # frames that were read and not processed
    sessions: tuple[SessionStart, ...]  # its connections, in order; at least one
    gaps: tuple[Gap, ...]  # times without pictures, in order
