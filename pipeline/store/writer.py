"""Writing a run: what it is, what it reads, and chunk by chunk what it found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from pipeline.models.base import ModelCard
from pipeline.store.chunk import ChunkData
from pipeline.store.database import Database
from pipeline.store.states import RequestedState, RunStatus, SourceStatus
from trackers.structures import State


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """What a run is. Settings must already be free of secrets."""

    kind: str  # "files", "live", "retrack", ...: at most 16 letters
    settings: Mapping[str, Any]  # what JSON can hold
    settings_hash: str
    code_version: str
    project: str = "default"
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


class RunWriter:
    """Writes one run. Keeps no rows in memory; every method is one transaction and raises StoreError."""

    @classmethod
    def begin(cls, database: Database, record: RunRecord, *, media_folder: Path) -> RunWriter:
        """Start a new run. `media_folder`: where crops go; made when the first one is written."""
        raise NotImplementedError

    @classmethod
    def resume(cls, database: Database, run: UUID, *, media_folder: Path) -> RunWriter:
        """Go on with a run that exists. `run`: its public id. Whether it may go on is the caller's to decide."""
        raise NotImplementedError

    @property
    def public_id(self) -> UUID:
        """Of the run."""
        raise NotImplementedError

    def register_model(self, card: ModelCard) -> int:
        """Say that the run uses a model. Returns its id; a detector's classes name the tracks from then on."""
        raise NotImplementedError

    def add_source(self, source: SourceRecord) -> int:
        """Say that the run reads a source. Returns the run_source_id; the same one when called again."""
        raise NotImplementedError

    def add_session(
        self, run_source_id: int, n: int, *, started_at: int, time_offset: float, time_base: str | None
    ) -> None:
        """Say that a connection began (once for a file, n = 0). Doing it again changes nothing."""
        raise NotImplementedError

    def write_chunk(self, run_source_id: int, chunk: ChunkData) -> bool:
        """Write everything of a chunk or nothing. Returns False if it was there already and was skipped."""
        raise NotImplementedError

    def checkpoint(self, run_source_id: int) -> Checkpoint | None:
        """The last one, None before the first chunk."""
        raise NotImplementedError

    def heartbeat(self) -> RequestedState:
        """Say that the run lives; learn what is wanted of it. write_chunk beats too."""
        raise NotImplementedError

    def finish_source(self, run_source_id: int, status: SourceStatus, *, error: str | None = None) -> None:
        """Say how a source ended."""
        raise NotImplementedError

    def finish_run(self, status: RunStatus, *, error: str | None = None) -> None:
        """Say how the run ended."""
        raise NotImplementedError
