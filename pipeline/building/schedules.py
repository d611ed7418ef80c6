"""Settings -> when the detector looks."""

from __future__ import annotations

from pipeline.config import DetectorSettings
from pipeline.errors import ConfigError
from pipeline.models.base import Detector, Sizable
from pipeline.schedule import Judge, MakeSchedule, every_nth
from pipeline.scheduling.adaptive import Adaptive
from pipeline.scheduling.budget import Budget, Budgeted
from pipeline.scheduling.judge import TrackJudge

# settings of adaptive that the judge goes by
_OF_TRACKS = {"calm_seconds", "doubt_seconds", "meeting", "missed", "crowd"}


def schedule(settings: DetectorSettings, budget: Budget | None = None) -> MakeSchedule:
    """What makes the schedule of each stream. `budget`: of cameras. Raises ConfigError for one of files."""
    if budget is not None:
        return lambda _: Budgeted(budget)
    match settings.schedule:
        case "every":
            return every_nth(settings.every)
        case "adaptive":
            values = settings.adaptive.model_dump(exclude=_OF_TRACKS)
            return lambda _: Adaptive(**values)
        case "budget":
            raise ConfigError(
                "detector.schedule=budget goes by how fast this machine is, so that a file would be tracked otherwise "
                "each time; it is for cameras (source.policy=live). For files set detector.schedule=adaptive"
            )


def budget(settings: DetectorSettings, detector: Detector) -> Budget | None:
    """What cameras share of the detector; None where it looks without one."""
    if settings.schedule != "budget":
        return None
    scales = detector.scales if isinstance(detector, Sizable) else (1.0,)
    return Budget(share=settings.budget.share, slowest_seconds=settings.budget.slowest_seconds, scales=scales)


def judge(settings: DetectorSettings) -> Judge | None:
    """What tells the schedules of the tracks; None where they need not know."""
    if settings.schedule != "adaptive":
        return None
    return TrackJudge(**settings.adaptive.model_dump(include=_OF_TRACKS))
