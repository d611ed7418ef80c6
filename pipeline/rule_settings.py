"""Settings of zones, lines and scale: what happens where in a picture is worth an event.

What the events mean exactly is said in pipeline/analytics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, PositiveInt, ValidationError, model_validator

from pipeline.errors import ConfigError
from pipeline.section import Names, Section, Share

LONGEST_NAME = 64  # letters of a rule's name
SMALLEST_AREA = 1e-6  # share of the picture

Point = tuple[Share, Share]  # x, y as shares of the picture's width and height: the same whatever its size
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Row = tuple[_Finite, _Finite, _Finite]


class RuleKind(StrEnum):
    """What can be drawn."""

    ZONE = "zone"
    LINE = "line"


@dataclass(frozen=True)
class DrawnRule:
    """A zone or line that was drawn in the page."""

    name: str
    kind: RuleKind
    definition: Mapping[str, Any]  # as a settings file would say it

    def told(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {"name": self.name, "kind": self.kind.value, "definition": dict(self.definition)}


def _good_name(name: str) -> str:
    if not name or name != name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValueError(
            f"the name {name!r}: use 1 to {LONGEST_NAME} printable letters, none of them a space at an end"
        )
    return name


RuleName = Annotated[str, AfterValidator(_good_name)]


class ZoneSettings(Section):
    """An area of the picture."""

    polygon: Annotated[tuple[Point, ...], Field(min_length=3, max_length=100)] = Field(
        description="corners in order around the area, shares of the picture"
    )
    classes: Names | None = Field(None, description="names of the classes that count; all where empty")
    anchor: Literal["bottom", "centre"] = Field("bottom", description="which point of a box is where it stands")
    dwell_seconds: _Positive | None = Field(None, description="event `dwell` when somebody is inside for so long")
    loiter_seconds: _Positive | None = Field(None, description="event `loiter` when inside for so long, ...")
    loiter_radius: _Positive = Field(0.1, description="... within so much of the picture's height")
    count_above: PositiveInt | None = Field(None, description="event `count` when more than so many are inside")
    speed_above: _Positive | None = Field(None, description="event `speed` when faster, metres a second; needs scale")

    @model_validator(mode="after")
    def _has_an_inside(self) -> ZoneSettings:
        edges = list(zip(self.polygon, (*self.polygon[1:], self.polygon[0]), strict=True))
        if any(_cross(*one, *other) for one, other in combinations(edges, 2)):
            raise ValueError("the edges of the polygon cross each other; give its corners in order around the area")
        if abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in edges)) / 2 < SMALLEST_AREA:
            raise ValueError("the polygon has no area")
        return self


class LineSettings(Section):
    """A line that is crossed in one of two directions."""

    start: Point = Field(description="one end, shares of the picture")
    end: Point = Field(description="the other end")
    classes: Names | None = Field(None, description="names of the classes that count; all where empty")
    anchor: Literal["bottom", "centre"] = Field("bottom", description="which point of a box is where it stands")
    directions: tuple[RuleName, RuleName] = Field(
        ("in", "out"), description="names of crossing from right to left as seen from start to end, and back"
    )

    @model_validator(mode="after")
    def _has_length(self) -> LineSettings:
        if self.start == self.end:
            raise ValueError("a line needs two ends that differ")
        if self.directions[0] == self.directions[1]:
            raise ValueError("the two directions of a line need names that differ")
        return self


class ScaleSettings(Section):
    """How pixels become metres; without it there are no speeds."""

    metres_per_pixel: _Positive | None = Field(None, description="for a camera that looks straight down or across")
    homography: tuple[_Row, _Row, _Row] | None = Field(
        None, description="3x3: from shares of the picture (x, y, 1) to metres on the ground"
    )

    @model_validator(mode="after")
    def _one_way(self) -> ScaleSettings:
        if self.metres_per_pixel is not None and self.homography is not None:
            raise ValueError("give metres_per_pixel or homography, not both")
        if self.homography is not None and np.linalg.matrix_rank(np.array(self.homography)) < 3:
            raise ValueError("the homography flattens the ground; its three rows must not depend on each other")
        return self

    @property
    def known(self) -> bool:
        """Whether there is one."""
        return self.metres_per_pixel is not None or self.homography is not None


class AnalyticsSettings(Section):
    """Zones and lines by name."""

    zones: dict[RuleName, ZoneSettings] = Field(default_factory=dict)
    lines: dict[RuleName, LineSettings] = Field(default_factory=dict)
    scale: ScaleSettings = ScaleSettings()

    @model_validator(mode="after")
    def _fit(self) -> AnalyticsSettings:
        if twice := sorted(self.zones.keys() & self.lines.keys()):
            raise ValueError(f"a zone and a line have the same name: {', '.join(twice)}")
        if not self.scale.known and (fast := [name for name, zone in self.zones.items() if zone.speed_above]):
            raise ValueError(
                f"zone {', '.join(fast)} has speed_above, but nothing says how long a pixel is; set "
                "analytics.scale.metres_per_pixel or analytics.scale.homography"
            )
        return self


def checked_rule(name: str, kind: str, definition: Mapping[str, Any]) -> tuple[RuleKind, dict[str, Any]]:
    """A rule's kind, and its definition complete with defaults, ready for JSON. Raises ConfigError."""
    try:
        wanted = RuleKind(kind)
    except ValueError:
        raise ConfigError(f"there is no kind of rule '{kind}'; known: {', '.join(RuleKind)}") from None
    try:
        _good_name(name)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    section = ZoneSettings if wanted is RuleKind.ZONE else LineSettings
    try:
        return wanted, section.model_validate(definition).model_dump(mode="json")
    except ValidationError as error:
        raise ConfigError(f"{wanted} '{name}': {_told(error)}") from None


def merge_possible(
    settings: AnalyticsSettings, drawn: Iterable[DrawnRule], possible: Callable[[AnalyticsSettings], object]
) -> tuple[AnalyticsSettings, list[str]]:
    """The settings with those drawn rules that can be, the earlier one of two that exclude each other.

    `possible`: raises ConfigError for settings that cannot be. Also says what is wrong with the others.
    """
    wrong: list[str] = []
    for rule in drawn:
        try:
            more = merge_rules(settings, [rule])
            possible(more)
        except ConfigError as error:
            wrong.append(f"the {rule.kind} '{rule.name}' is not watched: {error}")
        else:
            settings = more
    return settings, wrong


def merge_rules(settings: AnalyticsSettings, drawn: Iterable[DrawnRule]) -> AnalyticsSettings:
    """The settings with rules that were drawn.

    Raises ConfigError where a drawn rule has the name of one of the settings, or asks for a speed without a scale.
    """
    zones, lines = dict[str, Any](settings.zones), dict[str, Any](settings.lines)
    for rule in drawn:
        if rule.name in zones or rule.name in lines:
            raise ConfigError(
                f"the {rule.kind} '{rule.name}' that was drawn has the name of a rule in the settings; rename one"
            )
        (zones if rule.kind is RuleKind.ZONE else lines)[rule.name] = rule.definition
    try:
        return AnalyticsSettings.model_validate({"zones": zones, "lines": lines, "scale": settings.scale})
    except ValidationError as error:
        raise ConfigError(f"zones and lines: {_told(error)}") from None


def _told(error: ValidationError) -> str:
    """What is wrong where, without the values."""
    found = []
    for one in error.errors():
        place = ".".join(str(part) for part in one["loc"])
        message = one["msg"].removeprefix("Value error, ")
        found.append(f"{place}: {message}" if place else message)
    return "; ".join(found)


def _cross(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the inner parts of two edges cross; touching is none."""
    return _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
