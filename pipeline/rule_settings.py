"""Settings of zones, lines and scale: what happens where in a picture is worth an event."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pipeline.section import Names, Section, Share

Point = tuple[Share, Share]  # x, y as shares of the picture's width and height: the same whatever its size
_Row = tuple[float, float, float]


class ZoneSettings(Section):
    """An area of the picture."""

    polygon: Annotated[tuple[Point, ...], Field(min_length=3)] = Field(description="corners, shares of the picture")
    classes: Names | None = Field(None, description="names of the classes that count; all where empty")
    anchor: Literal["bottom", "centre"] = Field("bottom", description="which point of a box is where it stands")
    dwell_seconds: PositiveFloat | None = Field(None, description="event `dwell` when somebody is inside for so long")
    loiter_seconds: PositiveFloat | None = Field(None, description="event `loiter` when inside for so long, ...")
    loiter_radius: PositiveFloat = Field(0.1, description="... within so much of the picture's height")
    count_above: PositiveInt | None = Field(None, description="event `count` when more than so many are inside")
    speed_above: PositiveFloat | None = Field(None, description="event `speed` when faster, metres a second")


class LineSettings(Section):
    """A line that is crossed in one of two directions."""

    start: Point = Field(description="one end, shares of the picture")
    end: Point = Field(description="the other end")
    classes: Names | None = Field(None, description="names of the classes that count; all where empty")
    anchor: Literal["bottom", "centre"] = Field("bottom", description="which point of a box is where it stands")
    directions: tuple[str, str] = Field(
        ("in", "out"), description="names of crossing from right to left as seen from start to end, and back"
    )

    @model_validator(mode="after")
    def _has_length(self) -> LineSettings:
        if self.start == self.end:
            raise ValueError("a line needs two ends that differ")
        return self


class ScaleSettings(Section):
    """How pixels become metres; without it there are no speeds."""

    metres_per_pixel: PositiveFloat | None = Field(None, description="for a camera that looks straight down or across")
    homography: tuple[_Row, _Row, _Row] | None = Field(
        None, description="3x3: from shares of the picture (x, y, 1) to metres on the ground"
    )

    @model_validator(mode="after")
    def _one_way(self) -> ScaleSettings:
        if self.metres_per_pixel is not None and self.homography is not None:
            raise ValueError("give metres_per_pixel or homography, not both")
        return self


class AnalyticsSettings(Section):
    """Zones and lines by name."""

    zones: dict[str, ZoneSettings] = Field(default_factory=dict)
    lines: dict[str, LineSettings] = Field(default_factory=dict)
    scale: ScaleSettings = ScaleSettings()

    @model_validator(mode="after")
    def _names_differ(self) -> AnalyticsSettings:
        if twice := sorted(self.zones.keys() & self.lines.keys()):
            raise ValueError(f"a zone and a line have the same name: {', '.join(twice)}")
        return self
