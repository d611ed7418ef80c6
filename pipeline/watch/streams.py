"""What a camera's stream through the engine consists of: feed, tracker, zones and lines, and where results go."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import build
from pipeline.camera_settings import CameraSettings, WatchSettings
from pipeline.errors import ConfigError
from pipeline.live_engine import LiveStream
from pipeline.models.base import Detector, Embedder, Segmenter
from pipeline.rule_settings import AnalyticsSettings
from pipeline.run_record import camera_detect_hash, preview_file
from pipeline.secrets import Secrets
from pipeline.sinks.best_pictures import BestPictures
from pipeline.sinks.database import DatabaseSink
from pipeline.sources.feed import Feed
from pipeline.sources.recorder import Segment
from pipeline.store.camera_rows import add_gap, gaps_end, last_seen
from pipeline.store.cameras import CameraRow
from pipeline.store.database import Database
from pipeline.store.writer import RunWriter, now_microseconds
from pipeline.tracker_settings import calibrated, waits_for_looks
from pipeline.watch.feeds import FeedCounts
from pipeline.watch.patience import Patience, PatientWriter
from trackers.structures import Gap

_log = logging.getLogger(__name__)
AWAY = "Sightline was not running"


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """What all cameras of a service have in common."""

    settings: WatchSettings
    secrets: Secrets
    database: Database
    writer: RunWriter
    patience: Patience
    detector: Detector
    segmenter: Segmenter | None
    embedder: Embedder | None
    embedder_id: int | None
    media_folder: Path
    segments: Callable[[int, Segment], None]  # is told of a complete file of a run_source
    shorten: Callable[[Feed], Feed] = lambda feed: feed  # what becomes of a feed before it is used


def camera_stream(
    means: Means, row: CameraRow, settings: CameraSettings, feed: Feed, *, number: int, key: int
) -> LiveStream:
    """All of it for one camera. `key`: its run_source_id. Raises StoreError, ConfigError."""
    sink = DatabaseSink(
        PatientWriter(means.writer, means.database, means.patience),
        key,
        FeedCounts(feed),
        detect_hash=camera_detect_hash(means.settings, means.detector, means.embedder, segmenter=means.segmenter),
        embedder_id=means.embedder_id,
        pictures=BestPictures(),
    )
    classes = means.detector.card.classes
    labels = None if settings.keep is None else _labels(settings.keep, classes)
    wanted = calibrated(settings.tracker or means.settings.tracker, means.detector.card.calibration)
    if waits_for_looks(wanted):
        _log.warning("%s: a camera's frames cannot wait for the next look: between=line is flow here", row.name)
    tracker = build.tracker(wanted)
    analyst = build.analyst(analytics_of(means, settings), classes)
    preview = build.camera_preview(preview_file(means.media_folder, row.public_id), classes)
    checkpoint = means.writer.checkpoint(key)
    if checkpoint is not None:  # the run had this camera before
        with means.database.read("look until when a camera's gaps are told") as connection:
            sink.follow(checkpoint, told_until=gaps_end(connection, key))
    else:
        _tell_absence(means, key)
    return LiveStream(number, feed, tracker, [preview, sink], analyst=analyst, labels=labels)


def analytics_of(means: Means, settings: CameraSettings) -> AnalyticsSettings:
    """A camera's own zones and lines; where it says nothing of them, those of the service."""
    return settings.analytics if "analytics" in settings.model_fields_set else means.settings.analytics


def _tell_absence(means: Means, key: int) -> None:
    """The time since an earlier service last had this camera is a gap."""
    with means.database.read("look when a camera was last seen") as connection:
        seen = last_seen(connection, key)
    if seen is not None:
        add_gap(means.database, key, Gap(seen, now_microseconds(), AWAY))


def _labels(keep: Sequence[str], classes: Sequence[str]) -> frozenset[int]:
    """Indices of the named classes. Raises ConfigError for one that the detector does not know."""
    if unknown := sorted(set(keep) - set(classes)):
        raise ConfigError(f"keep: the detector knows no {', '.join(unknown)}; it knows {', '.join(classes)}")
    return frozenset(classes.index(name) for name in keep)
