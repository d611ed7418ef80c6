"""Settings of the trackers: what `tracker` may say, by the tracker's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from pipeline.section import Seconds, Section, Share


class SortSettings(Section):
    """Tracker by overlap with each track's prediction, in one assignment."""

    name: Literal["sort"] = "sort"
    strong_score: Share = Field(0.5, description="weaker detections are not looked at")
    overlap_limit: Share = Field(0.7, description="largest 1 - IoU")
    confirm_seconds: Seconds = Field(0.1, description="a track is confirmed when it was matched for so long")
    tentative_seconds: Seconds = Field(0.0, description="a tentative track ends when unseen for longer")
    lost_seconds: Seconds = Field(1.0, description="a confirmed track ends when unseen for longer; the paper's: 0.04")


class ByteTrackSettings(Section):
    """Tracker by overlap alone."""

    name: Literal["bytetrack"] = "bytetrack"
    strong_score: Share = Field(0.6, description="detections from here are associated first")
    weak_score: Share = Field(0.1, description="from here second")
    new_score: Share = Field(0.7, description="from here they may start a track")
    overlap_limit: Share = Field(0.8, description="largest 1 - IoU * score in the first association")
    weak_overlap_limit: Share = Field(0.5, description="largest 1 - IoU in the second")
    tentative_overlap_limit: Share = Field(0.7, description="largest 1 - IoU * score of a tentative track")
    confirm_seconds: Seconds = Field(0.03, description="a track is confirmed when it was matched for so long")
    tentative_seconds: Seconds = Field(0.0, description="a tentative track ends when unseen for longer")
    lost_seconds: Seconds = Field(1.0, description="a confirmed track ends when unseen for longer")


class OcSortSettings(Section):
    """Tracker by overlap, direction and the boxes measured last."""

    name: Literal["ocsort"] = "ocsort"
    strong_score: Share = Field(0.6, description="detections from here are matched first and may start a track")
    weak_score: Share = Field(0.1, description="from here they may carry on a track that found no strong one; 1: none")
    overlap_limit: Share = Field(0.7, description="largest 1 - IoU with the predicted box")
    weak_overlap_limit: Share = Field(0.5, description="largest 1 - IoU with a weak detection")
    recovery_limit: Share = Field(0.7, description="largest 1 - IoU with the box measured last")
    direction_weight: Share = Field(0.2, description="share of the direction in the cost, beside 1 - IoU")
    direction_seconds: Seconds = Field(0.1, description="time between the two boxes that tell a track's direction")
    confirm_seconds: Seconds = Field(0.1, description="a track is confirmed when it was matched for so long")
    tentative_seconds: Seconds = Field(0.0, description="a tentative track ends when unseen for longer")
    lost_seconds: Seconds = Field(1.0, description="a confirmed track ends when unseen for longer")


class DeepSortSettings(Section):
    """Tracker by motion, overlap and looks."""

    name: Literal["deepsort"] = "deepsort"
    strong_score: Share = Field(0.4, description="detections from here are matched first")
    weak_score: Share = Field(0.1, description="from here they may carry on a track that found no strong one")
    new_score: Share = Field(0.5, description="from here they may start a track")
    motion_weight: Share = Field(0.0, description="share of the motion distance in the appearance stage's cost")
    appearance_limit: Annotated[float, Field(ge=0, le=2)] = Field(0.25, description="largest cosine distance")
    overlap_limit: Share = Field(0.8, description="largest 1 - IoU")
    weak_overlap_limit: Share = Field(0.5, description="largest 1 - IoU with a weak detection")
    confirm_seconds: Seconds = Field(0.15, description="a track is confirmed when it was matched for so long")
    tentative_seconds: Seconds = Field(0.0, description="a tentative track ends when unseen for longer")
    lost_seconds: Seconds = Field(1.0, description="a confirmed track ends when unseen for longer")
    gallery_budget: Annotated[int, Field(ge=1, le=10_000)] = Field(100, description="features kept of a track")


TrackerSettings = Annotated[
    SortSettings | ByteTrackSettings | OcSortSettings | DeepSortSettings, Field(discriminator="name")
]

TRACKERS: Mapping[str, type[Section]] = {
    "sort": SortSettings,
    "bytetrack": ByteTrackSettings,
    "ocsort": OcSortSettings,
    "deepsort": DeepSortSettings,
}
