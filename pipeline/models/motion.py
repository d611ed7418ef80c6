"""Motion as a detector: what differs from the learned background of a fixed camera. Needs no weights."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import cv2
import numpy as np
from scipy.sparse.csgraph import connected_components

from pipeline.errors import ConfigError
from pipeline.models.base import ModelCard
from trackers.structures import Detections, FloatArray, Frame, ImageArray

_FOREGROUND = 255  # MOG2's mask: 255 moving, 127 shadow, 0 background
_BACKGROUND_RATIO = 0.9  # MOG2: share of a pixel's past that counts as background (Zivkovic 2004, eq. 8, 1 - c_f)
_SOLID = 0.4  # share of its box that a walking person fills
_HASTE = 5.0  # how much faster a stream learns while it settles
_TALL = 3.5  # height by width beyond which stacked blobs are two persons, not parts of one


@dataclass(frozen=True, slots=True)
class MotionSettings:
    """What `MotionDetector` was built with."""

    min_area: float  # share of the picture
    absorb_seconds: float
    settle_seconds: float
    warm_up_frames: int
    sensitivity: float
    work_width: int


@dataclass(slots=True, eq=False)
class Background:
    """What one stream's camera has learned."""

    subtractor: cv2.BackgroundSubtractorMOG2
    size: tuple[int, int]  # height, width of its frames, pixels
    began: float  # time of its first frame, seconds
    last: float  # time of its latest frame, seconds
    frames: int = 0


class MotionDetector:
    """Boxes of what moves, class "moving". Holds one background a stream, so a stream's frames come in order.

    The background is learned in seconds, not frames: whatever stands still for `absorb_seconds` becomes part of it. In
    the first `settle_seconds` that goes five times as fast, so that who stood there at the start leaves no ghost for
    long. A stream whose time does not go on (another source has its number now), that changes its size, or changes as a
    whole (light switched on) is learned anew.

    Score: how solid the blob is (share of its box that moves) and how far above `min_area`, 0..1.
    """

    def __init__(
        self,
        *,
        min_area: float = 0.0008,
        absorb_seconds: float = 10.0,
        settle_seconds: float = 10.0,
        warm_up_frames: int = 5,
        sensitivity: float = 20.0,
        work_width: int = 640,
        min_score: float = 0.05,
        max_detections: int = 300,
    ) -> None:
        """`min_area`: share of the picture below which a blob is noise. `warm_up_frames`: frames of a stream without
        any detection. `sensitivity`: squared Mahalanobis distance from which a pixel differs; less finds more.
        `work_width`: wider pictures are shrunk to it. Raises ConfigError for settings out of range.
        """
        if not 0 < min_area < 1:
            raise ConfigError(f"min_area {min_area} must be a share of the picture between 0 and 1")
        if min(absorb_seconds, sensitivity) <= 0 or settle_seconds < 0 or warm_up_frames < 0 or work_width < 16:
            raise ConfigError(
                "absorb_seconds and sensitivity must be above 0, settle_seconds and warm_up_frames at least 0, "
                "work_width at least 16"
            )
        self._settings = MotionSettings(
            min_area, absorb_seconds, settle_seconds, warm_up_frames, sensitivity, work_width
        )
        self._min_score = min_score
        self._max_detections = max_detections
        self._backgrounds: dict[int, Background] = {}
        digest = hashlib.sha256(repr(astuple(self._settings)).encode()).hexdigest()
        self.card = ModelCard(
            "motion", "detect", f"opencv {cv2.__version__}", digest, "opencv CPU u8", None, ("moving",), learns=True
        )

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections a frame, boxes in the frame's pixels, by falling score."""
        return [self._detect_one(frame) for frame in frames]

    def forget(self, stream: int) -> None:
        """See Learner: its background goes."""
        self._backgrounds.pop(stream, None)

    def _detect_one(self, frame: Frame) -> Detections:
        background = self._background(frame)
        small = _shrink(frame.image, self._settings.work_width)
        moving = self._moving(background, small, frame.time)
        if background.frames <= self._settings.warm_up_frames:
            return Detections.empty()
        if np.count_nonzero(moving) > moving.size / 2:  # the picture as a whole changed: light, or the camera was moved
            del self._backgrounds[frame.stream]
            return Detections.empty()
        boxes, pixels = blobs(moving, self._settings.min_area)
        return self._scored(boxes, pixels, small, frame)

    def _background(self, frame: Frame) -> Background:
        known = self._backgrounds.get(frame.stream)
        size = frame.height, frame.width
        if known is None or known.size != size or frame.time <= known.last:
            subtractor = cv2.createBackgroundSubtractorMOG2(varThreshold=self._settings.sensitivity, detectShadows=True)
            subtractor.setBackgroundRatio(_BACKGROUND_RATIO)
            known = Background(subtractor, size, frame.time, frame.time)
            self._backgrounds[frame.stream] = known
        return known

    def _moving(self, background: Background, small: ImageArray, time: float) -> ImageArray:
        """Learn the picture and give its clean foreground (h, w), 255 where something moves."""
        rate = self._rate(time - background.last, time - background.began)
        mask = background.subtractor.apply(cv2.GaussianBlur(small, (3, 3), 0), learningRate=rate)
        background.last = time
        background.frames += 1
        return clean(np.asarray(mask, np.uint8))

    def _rate(self, step: float, age: float) -> float:
        """MOG2's learning rate for a step of `step` seconds, 0..1.

        A new look of a pixel has the weight 1 - exp(-t / memory) after t seconds and is background from the weight
        1 - ratio on, hence memory = absorb_seconds / -ln(ratio).
        """
        if age <= 0:
            return 1.0
        memory = self._settings.absorb_seconds / -math.log(_BACKGROUND_RATIO)
        if age < self._settings.settle_seconds:
            memory /= _HASTE
        return 1 - math.exp(-step / memory)

    def _scored(self, boxes: FloatArray, pixels: FloatArray, small: ImageArray, frame: Frame) -> Detections:
        least = self._settings.min_area * small.shape[0] * small.shape[1]
        areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
        solid = np.minimum(1, pixels / np.maximum(areas, 1) / _SOLID)
        scores = (solid * pixels / (pixels + least)).astype(np.float32)
        best = np.argsort(-scores, kind="stable")
        best = best[scores[best] >= self._min_score][: self._max_detections]
        scale = np.array([frame.width / small.shape[1], frame.height / small.shape[0]] * 2, np.float32)
        return Detections((boxes[best] * scale).astype(np.float32), scores[best], np.zeros(len(best), np.int64))


def _shrink(image: ImageArray, width: int) -> ImageArray:
    if image.shape[1] <= width:
        return image
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def clean(mask: ImageArray) -> ImageArray:
    """MOG2's mask without shadows and specks, with small holes closed (h, w)."""
    moving = np.where(mask == _FOREGROUND, np.uint8(255), np.uint8(0))
    speck = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    hole = cv2.getStructuringElement(
        cv2.MORPH_ELLIPSE, (5, 9)
    )  # taller than wide: closes a body, not the gap to the next
    opened = cv2.morphologyEx(moving, cv2.MORPH_OPEN, speck)
    return np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, hole), np.uint8)


def blobs(moving: ImageArray, min_area: float) -> tuple[FloatArray, FloatArray]:
    """Boxes (n, 4) x1 y1 x2 y2 of what hangs together in a mask (h, w), and the pixels of each (n,).

    Parts of one body are merged first; then what has fewer pixels than the share `min_area` of the mask is dropped.
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats(moving, connectivity=8)
    parts = stats[1:].astype(np.float32)  # row 0 is the background
    least = min_area * moving.size
    parts = parts[parts[:, cv2.CC_STAT_AREA] >= least / 8]
    boxes = np.concatenate([parts[:, :2], parts[:, :2] + parts[:, 2:4]], axis=1)
    boxes, pixels = merge(boxes, parts[:, cv2.CC_STAT_AREA])
    large = pixels >= least
    return boxes[large], pixels[large]


def merge(boxes: FloatArray, pixels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Join boxes (n, 4) that are parts of one upright body; their pixels (n,) add up.

    Two boxes belong together where the narrower one shares at least half of its columns with the other, the gap between
    them is at most a quarter of the taller one's height, and the joined box is no taller than a person is.
    """
    while len(boxes) > 1:
        count, group = connected_components(_belong(boxes), directed=False)
        if count == len(boxes):
            break
        start = np.full((count, 2), np.inf, np.float32)
        end = np.full((count, 2), -np.inf, np.float32)
        np.minimum.at(start, group, boxes[:, :2])
        np.maximum.at(end, group, boxes[:, 2:])
        boxes = np.concatenate([start, end], axis=1)
        pixels = np.bincount(group, weights=pixels, minlength=count).astype(np.float32)
    return boxes, pixels


def _belong(boxes: FloatArray) -> FloatArray:
    """(n, n) 1 where two boxes are parts of one body."""
    a, b = boxes[:, None], boxes[None, :]
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    shared = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    gap = np.maximum(a[..., 1], b[..., 1]) - np.minimum(a[..., 3], b[..., 3])
    joined_width = np.maximum(a[..., 2], b[..., 2]) - np.minimum(a[..., 0], b[..., 0])
    joined_height = np.maximum(a[..., 3], b[..., 3]) - np.minimum(a[..., 1], b[..., 1])
    inside = gap <= -np.minimum(height[:, None], height[None, :])
    near = (shared >= np.minimum(width[:, None], width[None, :]) / 2) & (
        gap <= np.maximum(height[:, None], height[None, :]) / 4
    )
    upright = (joined_height <= _TALL * joined_width) | inside
    return np.asarray(near & upright, np.float32)
