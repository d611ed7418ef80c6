"""How the camera moved between two pictures, from corners of what stands still."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from trackers.corners import corners
from trackers.flow import follow, grey_picture
from trackers.geometry import clip_boxes
from trackers.structures import BoolArray, FloatArray, ImageArray, State

_TOLERANCE = 1.0  # pixels of the shrunk picture; a corner that is further off than this does not move with the camera
_TRIALS = 500  # of RANSAC at most
_CONFIDENCE = 0.99  # that one of the trials saw no moving corner


class CameraMotion:
    """The map of pixel positions from the picture before to this one, as trackers take it. One instance a stream.

    Up to `cells` x `cells` corners outside of the boxes are followed on a picture shrunk to `width` pixels, and a map
    is fitted to them by RANSAC (Fischler & Bolles 1981): `similarity` shifts, turns and scales, `affine` also shears.
    It counts when at least `least` corners, and the share `share` of those followed, agree with it.
    """

    def __init__(
        self,
        *,
        model: Literal["similarity", "affine"] = "similarity",
        width: int = 640,
        cells: int = 20,
        least: int = 12,
        share: float = 0.5,
    ) -> None:
        self.model, self.width, self.cells, self.least, self.share = model, width, cells, least, share
        self.known = False  # whether the last map was seen; where it was not it is the identity
        self.agreeing = 0.0  # share of the followed corners, 0..1, that agree with the last map
        self._before = np.zeros((0, 0), np.uint8)  # shrunk and grey
        self._size = (0, 0)  # height and width of the picture before, pixels
        self._points = np.zeros((0, 2), np.float32)  # corners of it, pixels of the shrunk one

    def update(self, image: ImageArray, boxes: FloatArray | None = None) -> FloatArray:
        """The map (2, 3) float64 to this picture; the identity for the first one, and after a change of size.

        `boxes`: (n, 4) of what may move by itself in this picture, pixels; a row that is not finite counts for nothing.
        Positions are measured as boxes are: the middle of the first pixel is at 0.5, 0.5.
        """
        moving = np.zeros((0, 4)) if boxes is None else boxes[np.isfinite(boxes).all(axis=1)].astype(np.float64)
        height, width = image.shape[:2]
        grey = self._shrunk(image)
        ratio = np.array([grey.shape[1] / width, grey.shape[0] / height])
        moving = clip_boxes(moving, width, height) * np.tile(ratio, 2)
        small = self._fitted(grey, moving) if self._size == (height, width) else None
        self.known = small is not None
        if small is None:
            self.agreeing = 0.0
        self._before, self._size = grey, (height, width)
        whole = np.array([[0, 0, grey.shape[1], grey.shape[0]]], np.float64)
        self._points = corners(grey, whole, cells=self.cells, front=moving)[0]
        return np.eye(2, 3) if small is None else _enlarged(small, ratio)

    def to_arrays(self) -> State:
        """The picture before and its corners."""
        return {"before": self._before.copy(), "size": np.array(self._size), "points": self._points.copy()}

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        height, width = state["size"].tolist()
        self._before, self._size, self._points = state["before"].copy(), (height, width), state["points"].copy()

    def _fitted(self, grey: ImageArray, moving: FloatArray) -> FloatArray | None:
        """The map (2, 3) between the shrunk pictures; None where too few corners agree with one."""
        followed = follow(self._before, grey, self._points)
        kept = followed.sure & ~_inside(followed.points, moving)
        before, after = self._points[kept].astype(np.float64), followed.points[kept].astype(np.float64)
        if len(before) < self.least:
            return None
        fit = cv2.estimateAffinePartial2D if self.model == "similarity" else cv2.estimateAffine2D
        affine, inliers = fit(
            before,
            after,
            method=cv2.RANSAC,
            ransacReprojThreshold=_TOLERANCE,
            maxIters=_TRIALS,
            confidence=_CONFIDENCE,
        )
        if affine is None or not np.isfinite(affine).all():
            return None
        self.agreeing = float(inliers.mean())
        if inliers.sum() < self.least or self.agreeing < self.share:
            return None
        return np.asarray(affine, np.float64)

    def _shrunk(self, image: ImageArray) -> ImageArray:
        """The picture in grey, no wider than `width`."""
        height, width = image.shape[:2]
        if width <= self.width:
            return grey_picture(image)
        size = self.width, max(round(height * self.width / width), 1)
        return np.asarray(cv2.resize(grey_picture(image), size, interpolation=cv2.INTER_AREA), np.uint8)


def _enlarged(affine: FloatArray, ratio: FloatArray) -> FloatArray:
    """A map (2, 3) of a picture from that of one whose sides (2,) are `ratio` times as long."""
    return np.concatenate([affine[:, :2] * ratio / ratio[:, None], affine[:, 2:] / ratio[:, None]], axis=1)


def _inside(points: FloatArray, boxes: FloatArray) -> BoolArray:
    """Which points (m, 2) lie in any of the boxes (n, 4); (m,)."""
    x, y = points[:, :1], points[:, 1:]
    left, top, right, bottom = boxes.T
    return np.asarray(((x >= left) & (x <= right) & (y >= top) & (y <= bottom)).any(axis=1))
