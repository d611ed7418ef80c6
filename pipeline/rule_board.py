"""RuleBoard: draws zones and lines on frames, with how many were counted at each so far."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import supervision as sv

from pipeline.events import EventKind, Events, Tally
from trackers.structures import ImageArray

_COLOUR, _DARK = sv.Color.from_hex("#FFFFFF"), sv.Color(18, 18, 18)
_OPACITY = 0.12  # of a zone's area


class RuleBoard:
    """The zones and lines of one stream. What is counted is what the events told: nothing is counted anew."""

    def __init__(
        self,
        zones: Mapping[str, Sequence[tuple[float, float]]],
        lines: Mapping[str, tuple[tuple[float, float], tuple[float, float]]],
        directions: Mapping[str, tuple[str, str]],
    ) -> None:
        """`zones`: corners by name, shares of the picture. `lines`: both ends. `directions`: of each line."""
        self._zones = dict(zones)
        self._lines = dict(lines)
        self._directions = dict(directions)
        self._counted: Counter[tuple[str, EventKind, str]] = Counter()

    def go_on(self, before: Tally) -> None:
        """Count on from what was counted of the same stream earlier."""
        self._counted = Counter(before)

    def count(self, events: Events) -> None:
        """Take the events of one frame, drawn or not."""
        self._counted.update(zip(events.rules, events.kinds, events.directions, strict=True))

    def draw(self, picture: ImageArray) -> ImageArray:
        """The same picture, with the rules on it."""
        height, width = picture.shape[:2]
        size = min(width, height)
        thickness, scale = max(1, round(size / 360)), min(1.2, max(0.3, size / 1500))
        for name, polygon in self._zones.items():
            corners = np.rint(np.array(polygon) * (width, height)).astype(int)
            picture = sv.draw_filled_polygon(picture, corners, _COLOUR, _OPACITY)
            picture = sv.draw_polygon(picture, corners, _COLOUR, thickness)
            self._write(picture, sv.get_polygon_center(corners), self._about_zone(name), scale)
        for name, ends in self._lines.items():
            start, end = np.array(ends) * (width, height)
            middle, along = (start + end) / 2, end - start
            ahead = (
                middle + np.array([along[1], -along[0]]) / np.hypot(*along) * size / 12
            )  # to the left: its first way
            picture = sv.draw_line(picture, sv.Point(*start), sv.Point(*end), _COLOUR, thickness * 2)
            tail, tip = ((round(float(x)), round(float(y))) for x, y in (middle, ahead))
            cv2.arrowedLine(picture, tail, tip, _COLOUR.as_bgr(), thickness * 2, cv2.LINE_AA, tipLength=0.4)
            self._write(picture, sv.Point(*middle), self._about_line(name), scale)
        return picture

    def _about_zone(self, name: str) -> str:
        entered, left = (self._counted[name, kind, ""] for kind in (EventKind.ENTER, EventKind.LEAVE))
        return f"{name}: {entered - left} inside, {entered} entered"

    def _about_line(self, name: str) -> str:
        ways = self._directions[name]
        return f"{name}: " + ", ".join(f"{way} {self._counted[name, EventKind.CROSS, way]}" for way in ways)

    @staticmethod
    def _write(picture: ImageArray, place: sv.Point, text: str, scale: float) -> None:
        """A label with its middle there, or as near as the picture has room."""
        thickness, padding = 1 if scale < 0.7 else 2, max(2, round(10 * scale))
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
        room = np.array(picture.shape[1::-1], float)
        need = np.minimum(np.array([width, height]) / 2 + padding, room / 2)
        x, y = np.clip((place.x, place.y), need, room - need).tolist()
        sv.draw_text(picture, text, sv.Point(x, y), _COLOUR, scale, thickness, padding, background_color=_DARK)
