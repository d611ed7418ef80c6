"""How a run goes on and how it ended: what is told to those who watch it. Plain data, so that processes can send it."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from pipeline.outputs import Outputs
from pipeline.report import EngineReport
from pipeline.store.states import SourceStatus


@dataclass(frozen=True, slots=True)
class SourceStart:
    """A source that is about to be processed."""

    address: str  # as it was given: tells the sources of a run apart
    name: str
    width: int  # pixels
    height: int
    fps: float  # nominal
    codec: str
    frames: int | None  # in all, an estimate; None if unknown
    first_frame: int  # 0, or where a resumed run goes on
    learned_from: int  # frames before, shown once more to a detector that learns from every frame; else 0


@dataclass(frozen=True, slots=True)
class SourceOutcome:
    """How one source ended."""

    address: str
    name: str
    status: SourceStatus
    outputs: Outputs
    report: EngineReport | None = None  # None where no frame was asked for
    first_frame: int = 0  # where this process began
    damaged: int = 0  # packets and frames that could not be decoded
    start_guessed: bool = False  # no one said when the first frame was taken; the file's date was used
    error: str | None = None


@dataclass(frozen=True, slots=True)
class SkippedSource:
    """A source that an earlier run finished with the same content, settings and models."""

    address: str
    run: UUID


@dataclass(slots=True)
class RunOutcome:
    """How a run ended."""

    public_id: UUID | None  # None where every source was skipped: then there is no run
    database: str  # without password
    detector: str  # name and runtime
    embedder: str  # likewise, or "none"
    sources: list[SourceOutcome] = field(default_factory=list)
    skipped: list[SkippedSource] = field(default_factory=list)
    seconds: float = 0.0  # wall time spent on the sources
    segmenter: str = "none"  # name and runtime

    @property
    def frames(self) -> int:
        """Of all sources, in this process."""
        return sum(one.report.frames for one in self.sources if one.report is not None)

    @property
    def tracks(self) -> int:
        """Of all sources, in this process."""
        return sum(one.report.tracks for one in self.sources if one.report is not None)

    @property
    def incomplete(self) -> list[SourceOutcome]:
        """Sources that broke off in the middle or could not be processed."""
        return [one for one in self.sources if one.status in (SourceStatus.DAMAGED, SourceStatus.FAILED)]


class RunObserver:
    """Is told how a run goes on, from any thread. This one keeps still; the command line's draws progress bars."""

    def sources_known(self, count: int) -> None:
        """So many sources will be processed."""

    def source_opened(self, start: SourceStart) -> None:
        """Work on a source begins."""

    def advanced(self, address: str, frames: int, tracks: int) -> None:
        """So many frames of a source are done, counted from its first, and so many tracks were seen."""

    def source_ended(self, outcome: SourceOutcome) -> None:
        """Work on a source is over."""
