"""Settings -> objects: the door to `building`, which alone names concrete sources, models, trackers and sinks."""

from pipeline.building.alerts import alert_targets, receivers
from pipeline.building.asks import asks
from pipeline.building.explaining import explained
from pipeline.building.models import detector, embedder, settled
from pipeline.building.rules import analyst, merged, merged_possible, rule_board
from pipeline.building.schedules import budget, judge, schedule
from pipeline.building.segmenters import segmenter
from pipeline.building.sinks import camera_preview, file_sinks, preview_sink
from pipeline.building.sources import camera, probe, source
from pipeline.building.targets import siamese_networks, target_models, target_tracker
from pipeline.building.trackers import refiner, tracker

__all__ = [
    "alert_targets",
    "analyst",
    "asks",
    "budget",
    "camera",
    "camera_preview",
    "detector",
    "embedder",
    "explained",
    "file_sinks",
    "judge",
    "merged",
    "merged_possible",
    "preview_sink",
    "probe",
    "receivers",
    "refiner",
    "rule_board",
    "schedule",
    "segmenter",
    "settled",
    "siamese_networks",
    "source",
    "target_models",
    "target_tracker",
    "tracker",
]
