"""Settings -> trackers of many objects, and what goes over their tracks afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from pipeline.building.targets import target_tracker
from pipeline.config import RefineSettings
from pipeline.target_settings import (
    CorrelationSettings,
    FlowSettings,
    SiameseSettings,
    TargetSettings,
)
from pipeline.tracker_settings import (
    Between,
    ByteTrackSettings,
    DeepSortSettings,
    OcSortSettings,
    SortSettings,
    TrackerSettings,
)
from trackers.structures import Evidence, MultiObjectTracker
from trackers.targets import LOST_SCORE, ResumableTargets
from trackers.track_rows import Refiner

_MISSED = FlowSettings()
_BETWEEN = FlowSettings(cells=4)  # fewer points are enough until the detector looks again

if TYPE_CHECKING:
    from trackers.camera_motion import CameraMotion
    from trackers.holding import Carrier


def tracker(settings: TrackerSettings) -> MultiObjectTracker:
    """A new tracker for one stream."""
    values = settings.model_dump(exclude={"name"})
    match settings:
        case SortSettings():
            from trackers.sort import Sort

            return Sort(**values)
        case ByteTrackSettings():
            from trackers.bytetrack import ByteTrack

            return ByteTrack(**values)
        case OcSortSettings():
            from trackers.ocsort import OcSort

            return OcSort(**values)
        case DeepSortSettings():
            from trackers.calibration import ScoreCalibration
            from trackers.deepsort import DeepSort
            from trackers.holding import Holding

            pairs = values.pop("calibration")
            known = None if pairs is None else (tuple(score for score, _ in pairs), tuple(sure for _, sure in pairs))
            missed = _carrier(values.pop("hold"), values.pop("hold_score"))
            holding = Holding(missed, _carrier(values.pop("between"), flow=_BETWEEN))
            camera = _camera_motion(values.pop("camera"))
            return DeepSort(calibration=ScoreCalibration(known=known), camera=camera, holding=holding, **values)


def refiner(settings: RefineSettings) -> Refiner:
    """Hindsight with these settings."""
    from trackers.refine import Refinement, refine

    chosen = Refinement(**settings.model_dump())
    return lambda rows, recording: refine(rows, chosen, recording=recording)


def _camera_motion(model: Literal["none", "similarity", "affine"]) -> CameraMotion | None:
    """What finds out how a camera moves."""
    from trackers.camera_motion import CameraMotion

    return None if model == "none" else CameraMotion(model=model)


def _carrier(held: Between, least: float = LOST_SCORE, flow: FlowSettings = _MISSED) -> Carrier | None:
    """What carries tracks without a detection; `least`: see Carrier.

    `flow`: how flow does it.
    """
    from trackers.holding import Carrier

    match held:
        case "none":
            return None
        case "flow" | "line":  # where a line cannot be waited for
            return Carrier(_resumable(flow), evidence=Evidence.FLOW, least=least)
        case "correlation":
            return Carrier(_resumable(CorrelationSettings(profile="fast")), evidence=Evidence.TARGET, least=least)
        case "siamese":
            return Carrier(_resumable(SiameseSettings()), evidence=Evidence.TARGET, least=least)


def _resumable(settings: TargetSettings) -> ResumableTargets:
    """A target tracker that can be saved."""
    return cast("ResumableTargets", target_tracker(settings))
