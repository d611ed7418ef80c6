"""Views: square parts of labelled pictures, moved, resized, mirrored and in another light, with boxes and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from pipeline.errors import TrainingError
from pipeline.evaluation.segmentation import coded_shape
from pipeline.training.labelled import LabelledPicture
from trackers.structures import BoolArray, FloatArray, ImageArray, IntArray

_MOST_ZOOM = 20.0
_PAD = 114  # grey beside the picture
_LEAST_SIDE = 4.0  # pixels of an object in the view; a smaller one is left out
_LEAST_SEEN = 0.3  # share of an object that lies in the view; with less it is left out


@dataclass(frozen=True, slots=True)
class ViewChange:
    """How views differ from their pictures."""

    zoom: tuple[float, float] = (0.7, 1.8)  # of the size in which the whole picture just fits; drawn evenly in log
    mirror: float = 0.5  # how often
    hue: float = 8.0  # degrees of 180, at most
    saturation: float = 0.4  # share, at most
    light: float = 0.35  # share, at most
    grey: float = 0.05  # how often without colours
    shift: float = 1.0  # share of the room that there is by which the picture lies beside the middle, at most

    def __post_init__(self) -> None:
        least, most = self.zoom
        if not 0 < least <= most <= _MOST_ZOOM:
            raise TrainingError(f"views of {least:g} to {most:g} times the picture cannot be made; give 0.7,1.8")

    @classmethod
    def of_zoom(cls, text: str) -> Self:
        """`0.7,1.8` as the zoom, all else as usual. Raises TrainingError where it is no such pair."""
        try:
            least, most = map(float, text.split(","))
        except ValueError as error:
            raise TrainingError(f"zoom {text!r}: write the least and the greatest as 0.7,1.8") from error
        return cls(zoom=(least, most))


STILL = ViewChange(zoom=(1.0, 1.0), mirror=0.0, hue=0.0, saturation=0.0, light=0.0, grey=0.0, shift=0.0)  # not at all


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A square picture. Row i of the columns is the same object."""

    image: ImageArray  # (side, side, 3) blue green red
    boxes: FloatArray = field(default_factory=lambda: np.zeros((0, 4), np.float32))  # (n, 4) x1 y1 x2 y2, pixels
    labels: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))  # (n,) index into the names
    masks: ImageArray = field(default_factory=lambda: np.zeros((0, 1, 1), np.uint8))  # (n, side, side) 0 or 1
    masked: BoolArray = field(default_factory=lambda: np.zeros(0, bool))  # (n,) whether the mask is known


def view_of(picture: LabelledPicture, side: int, change: ViewChange, random: np.random.Generator) -> View:
    """A view of a picture. Raises TrainingError where it can no longer be read."""
    image = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
    if image is None:
        raise TrainingError(f"picture {picture.path} can no longer be read; check the data set")
    turn = _placing(picture, side, change, random)
    seen = _turned(image, turn, side, border=_PAD)
    return _with_objects(_coloured(seen, change, random), picture, turn)


def mask_of(segmentation: Any, height: int, width: int) -> ImageArray:
    """(height, width) 0 or 1 of what COCO writes: polygons, or run lengths. Raises ValueError where it is neither."""
    return np.asarray(coco_mask.decode(coded_shape(segmentation, height, width)), np.uint8)


def _placing(picture: LabelledPicture, side: int, change: ViewChange, random: np.random.Generator) -> FloatArray:
    """(2, 3) from the picture's coordinates to the view's; both count edges of pixels, as boxes do."""
    scale = side / max(picture.width, picture.height) * float(np.exp(random.uniform(*np.log(change.zoom))))
    wide, tall = picture.width * scale, picture.height * scale
    left, top = ((side - length) * (1 + change.shift * random.uniform(-1, 1)) / 2 for length in (wide, tall))
    if random.random() < change.mirror:
        return np.array([[-scale, 0, left + wide], [0, scale, top]])
    return np.array([[scale, 0, left], [0, scale, top]])


def _turned(image: ImageArray, turn: FloatArray, side: int, *, border: int) -> ImageArray:
    """A picture, or a plane of it, as it lies in the view.

    Halved first as often as it is shrunk twice as much or more, so that no pixel is skipped. OpenCV's matrices count
    from the middles of pixels, half a pixel from their edges.
    """
    height, width = image.shape[:2]
    scale = abs(float(turn[1, 1]))
    while scale <= 0.5:
        image = np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        scale *= 2
    matrix = turn * [[width / image.shape[1], height / image.shape[0], 1.0]]
    matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), borderValue=(border,) * 3))


def _coloured(image: ImageArray, change: ViewChange, random: np.random.Generator) -> ImageArray:
    """In other colours and another light."""
    hue = random.uniform(-change.hue, change.hue)
    saturation = 1 + random.uniform(-change.saturation, change.saturation)
    light = 1 + random.uniform(-change.light, change.light)
    grey = random.random() < change.grey
    if change.hue or change.saturation or change.light:
        parts = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
        steps = np.arange(256)
        parts[..., 0] = cv2.LUT(parts[..., 0], ((steps + hue) % 180).astype(np.uint8))
        parts[..., 1] = cv2.LUT(parts[..., 1], (steps * saturation).clip(0, 255).astype(np.uint8))
        parts[..., 2] = cv2.LUT(parts[..., 2], (steps * light).clip(0, 255).astype(np.uint8))
        image = np.asarray(cv2.cvtColor(parts, cv2.COLOR_HSV2BGR))
    if grey:
        image = np.asarray(cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR))
    return image


def _with_objects(image: ImageArray, picture: LabelledPicture, turn: FloatArray) -> View:
    """The view with what of the picture's objects lies in it."""
    side = image.shape[0]
    corners = _corners(picture)
    moved = corners.reshape(-1, 2, 2) * np.diag(turn[:, :2]) + turn[:, 2]
    whole = np.concatenate([moved.min(axis=1), moved.max(axis=1)], axis=1)
    boxes = np.clip(whole, 0, side)
    masks = np.zeros((len(boxes), side, side), np.uint8)
    masked = np.zeros(len(boxes), bool)
    for row, shape in enumerate(picture.shapes):
        if shape is not None:
            drawn = mask_of(shape, picture.height, picture.width)
            masks[row] = _turned(drawn * np.uint8(255), turn, side, border=0) > 127
            masked[row] = masks[row].any()
    seen = (boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=1) / (whole[:, 2:] - whole[:, :2]).prod(axis=1)
    kept = (seen >= _LEAST_SEEN) & ((boxes[:, 2:] - boxes[:, :2]) >= _LEAST_SIDE).all(axis=1)
    return View(image, boxes[kept].astype(np.float32), picture.labels[kept], masks[kept], masked[kept])


def _corners(picture: LabelledPicture) -> FloatArray:
    """(n, 4) x1 y1 x2 y2, pixels of the picture."""
    centres, sides = picture.boxes[:, :2], picture.boxes[:, 2:]
    edges = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    return np.asarray(edges * np.tile([picture.width, picture.height], 2), np.float64)


def stacked(views: Sequence[View]) -> ImageArray:
    """(n, side, side, 3) of n views."""
    return np.stack([view.image for view in views])
