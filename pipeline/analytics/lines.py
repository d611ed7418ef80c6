"""Lines: segments of the picture, all of a stream's as columns, and on which side of them points lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.analytics.zones import Anchor
from trackers.structures import BoolArray, FloatArray

_CORNERS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])[:, None]  # of the picture, shares


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is crossed in one of two directions."""

    name: str
    start: tuple[float, float]  # shares of the picture
    end: tuple[float, float]
    labels: frozenset[int] | None = None  # of the classes that count; None: all
    anchor: Anchor = "bottom"
    directions: tuple[str, str] = ("in", "out")  # from right to left as seen from start to end, and back


class Segments:
    """L segments."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._start = np.array([line.start for line in lines], np.float64).reshape(-1, 2)  # (L, 2) shares
        self._along = np.array([line.end for line in lines], np.float64).reshape(-1, 2) - self._start

    def distance(self, points: FloatArray, size: FloatArray) -> FloatArray:
        """How far points are from the straight lines that the segments lie on (n, L), pixels.

        Negative on the left as seen from start to end (y grows downwards), positive on the right. `points`: (n, L, 2)
        shares, one of each object for each line. `size`: width, height.
        """
        along = self._along * size
        offset = (points - self._start) * size
        cross = along[:, 0] * offset[..., 1] - along[:, 1] * offset[..., 0]
        return np.asarray(cross / np.hypot(along[:, 0], along[:, 1]))

    def across(self, extents: FloatArray, size: FloatArray) -> FloatArray:
        """How far boxes reach across the lines (n, L), pixels. `extents`: (n, 2) their widths and heights."""
        along = np.abs(self._along * size)
        return np.asarray(extents @ (along[:, ::-1] / np.hypot(along[:, 0], along[:, 1])[:, None]).T)

    def room(self, size: FloatArray) -> FloatArray:
        """How far the picture reaches beyond the straight lines (2, L), pixels: on their left, on their right."""
        away = self.distance(np.broadcast_to(_CORNERS, (4, len(self._start), 2)), size)
        return np.stack([(-away).max(axis=0), away.max(axis=0)]).clip(0)

    def meet(
        self, before: FloatArray, after: FloatArray, away_before: FloatArray, away_after: FloatArray, size: FloatArray
    ) -> tuple[FloatArray, BoolArray]:
        """Where steps go over the straight lines (n, L, 2), shares, and whether that is within the segments (n, L).

        `before`, `after`: ends of each step (n, L, 2) shares. `away_before`, `away_after`: their `distance`, of
        different sign; rows where that is not so mean nothing.
        """
        span = away_before - away_after
        share = np.divide(away_before, span, out=np.zeros_like(span), where=span != 0).clip(0, 1)
        point = before + share[..., None] * (after - before)
        along = self._along * size
        position = ((point - self._start) * size * along).sum(axis=2) / (along**2).sum(axis=1)
        return point, (position >= 0) & (position <= 1)
