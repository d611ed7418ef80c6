"""What the cameras of a run said of themselves where it is not what was said for all: tracker, zones and lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from pipeline.camera_settings import check_camera
from pipeline.rule_settings import AnalyticsSettings
from pipeline.section import Section, parse
from pipeline.store.rows import RunDetail
from pipeline.store.tables import Camera, Run
from pipeline.tracker_settings import TrackerSettings

CAMERAS = "cameras"  # in the settings of a run: name of a camera -> what it said


class OwnSettings(Section):
    """Of one camera. None: as for all."""

    tracker: TrackerSettings | None = None
    analytics: AnalyticsSettings | None = None


def own_settings(connection: Connection, run: RunDetail) -> dict[str, OwnSettings]:
    """By name of the camera; empty for files. Of a run that tracked cameras again, what it went by.

    Raises ConfigError for settings of another version of Sightline.
    """
    rows = connection.execute(
        select(Camera.name, Camera.settings)
        .join(Run, Run.id == Camera.run_id)
        .where(Run.public_id == run.run.public_id)
        .order_by(Camera.name)
    ).all()
    found = {name: _of_camera(name, values) for name, values in rows}
    if not rows:
        kept = run.run.settings.get(CAMERAS, {})
        found = {name: parse(values, OwnSettings) for name, values in kept.items()}
    return {name: own for name, own in found.items() if own != OwnSettings()}


def _of_camera(name: str, values: Mapping[str, Any]) -> OwnSettings:
    settings = check_camera(name, values)
    analytics = settings.analytics if "analytics" in settings.model_fields_set else None
    return OwnSettings(tracker=settings.tracker, analytics=analytics)
