"""Ground: from points of the picture to metres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trackers.structures import FloatArray

_BEFORE_HORIZON = 1e-9


class Ground:
    """How long things are: one length for every pixel, or a homography from the picture to the ground."""

    def __init__(
        self, *, metres_per_pixel: float | None = None, homography: Sequence[Sequence[float]] | None = None
    ) -> None:
        """One of the two. `homography`: 3x3, from shares of the picture (x, y, 1) to metres (x, y, 1)."""
        if (metres_per_pixel is None) == (homography is None):
            raise ValueError("give metres_per_pixel or homography, one of them")
        self._metres = metres_per_pixel
        self._homography = None if homography is None else np.array(homography, np.float64)

    def metres(self, points: FloatArray, size: FloatArray) -> FloatArray:
        """Places on the ground (n, 2), metres. `points`: (n, 2) shares. `size`: width, height in pixels.

        NaN for a point beyond the horizon: on the other side of it than the middle of the picture's lower edge.
        """
        if self._homography is None:
            assert self._metres is not None, "one of the two was given"
            return np.asarray(points * size * self._metres)
        whole = np.concatenate([points, [[0.5, 1.0]]])
        mapped = np.column_stack([whole, np.ones(len(whole))]) @ self._homography.T
        weights = mapped[:, 2] * np.sign(mapped[-1, 2])
        with np.errstate(divide="ignore", invalid="ignore"):
            places = mapped[:, :2] / mapped[:, 2:]
        places[~(weights > _BEFORE_HORIZON)] = np.nan
        return np.asarray(places[:-1])
