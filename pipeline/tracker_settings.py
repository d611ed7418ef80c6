"""Settings of the trackers: what `tracker` may say, by the tracker's name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, FiniteFloat, field_validator

from pipeline.score_map import check_score_map
from pipeline.section import Seconds, Section, Share

Calibration = tuple[tuple[FiniteFloat, Share], ...]  # score -> precision, scores rising, precisions not falling


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


Held = Literal["none", "flow", "correlation", "siamese"]
Between = Literal[Held, "line"]


class DeepSortSettings(Section):
    """Tracker by motion, overlap and looks. Its thresholds of scores are precisions; see docs/tracking.md."""

    name: Literal["deepsort"] = "deepsort"
    calibration: Calibration | None = Field(
        None,
        description="the detector's [score, precision] pairs, rising; unset: as its file says, else learned from each "
        "stream; null: learned; [[0, 0], [1, 1]]: scores are taken at their word",
    )
    strong_score: Share = Field(0.35, description="detections of this precision are matched first")
    weak_score: Share = Field(0.25, description="of this one they may carry on a track that found no strong one")
    new_score: Share = Field(0.45, description="of this one they may start a track")
    noise_by_score: Share = Field(0.0, description="share of the measurement's variance that a sure detection lacks")
    motion_weight: Share = Field(0.0, description="share of the motion distance in the appearance stage's cost")
    appearance_limit: Annotated[float, Field(ge=0, le=2)] = Field(0.25, description="largest cosine distance")
    mean_weight: Share = Field(1.0, description="share of the running mean in that distance, beside the exemplars")
    overlap_limit: Share = Field(0.85, description="largest 1 - IoU, heights included")
    weak_overlap_limit: Share = Field(0.55, description="largest 1 - IoU with a weak detection, heights included")
    height_weight: Annotated[float, Field(ge=0, le=10)] = Field(
        0.5, description="power of the overlap of heights in the cost; 0: they do not count"
    )
    score_weight: Annotated[float, Field(ge=0, le=10)] = Field(
        0.0, description="weight of the difference between a track's last score and a detection's in the cost"
    )
    recovery_seconds: Seconds = Field(0.0, description="for so long a track is looked for where it was last seen")
    recovery_limit: Share = Field(0.6, description="largest 1 - IoU there")
    recognition_limit: Annotated[float, Field(ge=0, le=2)] = Field(
        0.2, description="largest cosine distance at which looks alone bring a lost track back; 0: never"
    )
    recognition_speed: Annotated[float, Field(ge=0, le=1000)] = Field(
        2.0, description="fastest a lost track may have gone meanwhile, in heights of its box a second"
    )
    swap_margin: Annotated[float, Field(ge=0, le=2)] = Field(
        0.2, description="two that have parted change places if that makes looks nearer by so much; 2: never"
    )
    duplicate_overlap: Share = Field(0.8, description="a detection that overlaps a located track more starts none")
    covered_share: Share = Field(0.5, description="from this share of its box on a track is hidden by one in front")
    mask_weight: Share = Field(
        0.0, description="share of 1 - IoU of the masks in the overlap's cost, where a segmenter tells them"
    )
    cover_by: Literal["boxes", "masks"] = Field(
        "masks", description="what tells which share of a track is hidden; boxes where no segmenter tells masks"
    )
    points_in: Literal["boxes", "masks"] = Field(
        "masks", description="where `flow` follows points of a track; boxes where no segmenter tells masks"
    )
    shadow_seconds: Seconds = Field(0.4, description="a hidden track is where it is predicted for so long")
    shadowed_lost_seconds: Seconds = Field(3.0, description="a hidden track ends when unseen for longer")
    confirm_seconds: Seconds = Field(0.1, description="a track is confirmed when it was matched for so long")
    tentative_seconds: Seconds = Field(0.0, description="a tentative track ends when unseen for longer")
    lost_seconds: Seconds = Field(1.5, description="a confirmed track ends when unseen for longer")
    lost_growth: Share = Field(0.0, description="share of its growth that the box of a lost track keeps")
    gallery_budget: Annotated[int, Field(ge=1, le=10_000)] = Field(100, description="features kept of a track")
    camera: Literal["none", "similarity", "affine"] = Field(
        "none", description="how a moving camera moves: it is seen outside of the tracks, and what it does is taken out"
    )
    hold: Held = Field("flow", description="what looks for tracks that the detector missed, by the last picture")
    hold_seconds: Seconds = Field(0.3, description="a missed track is held for so long")
    hold_score: Share = Field(0.4, description="how sure it must be that a held track is there")
    between: Between = Field(
        "flow",
        description="what carries tracks over frames that the detector does not look at; `line`: boxes are put between "
        "where two looks found them, in files whose every n-th frame is looked at, and carried by flow elsewhere",
    )
    held_noise: Annotated[float, Field(gt=0, le=1000)] = Field(
        3.0, description="factor on the measurement variance of a box that was carried"
    )

    @field_validator("calibration", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        rows = value if isinstance(value, list | tuple) else [value]
        if value is not None and not (rows and all(isinstance(row, list | tuple) and len(row) == 2 for row in rows)):
            raise ValueError(f"write [score, precision] pairs, such as [[0.2, 0.1], [0.6, 0.9]], not {value}")
        return value

    @field_validator("calibration")
    @classmethod
    def _rises(cls, value: tuple[tuple[float, float], ...] | None) -> tuple[tuple[float, float], ...] | None:
        if value is not None:
            check_score_map(value)
        return value


TrackerSettings = Annotated[
    SortSettings | ByteTrackSettings | OcSortSettings | DeepSortSettings, Field(discriminator="name")
]


def needs_pictures(settings: TrackerSettings) -> bool:
    """Whether it looks at more than detections."""
    return without_pictures(settings) != settings


def without_pictures(settings: TrackerSettings) -> TrackerSettings:
    """The same where nobody can look at pictures: nothing is held, and no camera's motion is seen."""
    if not isinstance(settings, DeepSortSettings):
        return settings
    between = "line" if settings.between == "line" else "none"
    return settings.model_copy(update={"camera": "none", "hold": "none", "between": between})


def waits_for_looks(settings: TrackerSettings) -> bool:
    """Whether frames between two looks wait for the second one, where that is possible."""
    return isinstance(settings, DeepSortSettings) and settings.between == "line"


def calibrated(settings: TrackerSettings, known: Calibration | None) -> TrackerSettings:
    """With the detector's own map of scores, where the settings say nothing of `calibration`.

    `calibration: null` says that it is to be learned, whatever the detector knows.
    """
    if known is None or not isinstance(settings, DeepSortSettings) or "calibration" in settings.model_fields_set:
        return settings
    return settings.model_copy(update={"calibration": known})
