"""How a run goes on and how it ended: what is told to those who watch it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from pipeline.outputs import Outputs
from pipeline.report import EngineReport
from pipeline.sources.base import Source
from pipeline.store.states import SourceStatus


@dataclass(frozen=True, slots=True)
class SourceOutcome:
    """How one source ended."""

    name: str
    status: SourceStatus
    report: EngineReport
    outputs: Outputs
    damaged: int  # packets and frames that could not be decoded
    start_guessed: bool  # no one said when the first frame was taken; the file's date was used
    error: str | None = None


@dataclass(slots=True)
class RunOutcome:
    """How a run ended."""

    public_id: UUID
    database: str  # without password
    detector: str  # name and runtime
    embedder: str  # likewise, or "none"
    sources: list[SourceOutcome] = field(default_factory=list)

    @property
    def frames(self) -> int:
        """Of all sources."""
        return sum(source.report.frames for source in self.sources)

    @property
    def tracks(self) -> int:
        """Of all sources."""
        return sum(source.report.tracks for source in self.sources)

    @property
    def seconds(self) -> float:
        """Wall time spent on the sources."""
        return sum(source.report.seconds for source in self.sources)

    @property
    def damaged(self) -> bool:
        """A source broke off in the middle."""
        return any(source.status is SourceStatus.DAMAGED for source in self.sources)


class RunObserver:
    """Is told how a run goes on. This one keeps still; the command line's draws a progress bar."""

    def source_opened(self, source: Source) -> None:
        """Work on a source begins."""

    def advanced(self, source: Source, frames: int, tracks: int) -> None:
        """So many frames are done and so many tracks were seen. Called from a thread of the engine."""
