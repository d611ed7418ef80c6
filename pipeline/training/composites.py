"""Composites: pictures for training, made of cut-outs pasted over scenes whose objects are known.

Copy-paste (Ghiasi et al. 2021) with the geometry of a camera that looks down on a ground plane: who stands lower in the
picture is nearer, larger, and covers those behind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline.errors import TrainingError
from pipeline.training.cutouts import Cutout
from pipeline.training.scenes import Labelled, Opened
from trackers.structures import BoolArray, FloatArray, ImageArray, IntArray

_MIRROR = np.array([-1, 1, -1, 1], np.float32)
_LEAST_PIXELS = 12  # of an object that is seen; with less it loses its label


@dataclass(frozen=True, slots=True)
class CompositeStyle:
    """How composites look. Lengths are shares of the picture's height unless they say otherwise."""

    sizes: tuple[tuple[int, int], ...] = ((234, 416), (312, 416), (416, 416))  # height, width, pixels
    most_objects: int = 12  # 0: scenes as they are
    near_height: tuple[float, float] = (0.12, 0.9)  # of a person at the lower border
    horizon: tuple[float, float] = (-0.4, 0.45)  # where people would be infinitely small; negative: above the picture
    least_height: int = 14  # pixels; smaller people are not pasted
    obstacle_share: float = 0.12  # of what is pasted, things of no class
    least_visible: float = 0.3  # share of an object; with less it loses its label
    class_heights: tuple[float, ...] = (1.0, 1.0, 0.75)  # of an object beside a person, by label
    class_shares: tuple[float, ...] = (0.72, 0.16, 0.12)  # how often each label is pasted
    cut_share: float = 0.12  # how often one is pasted that goes on outside the picture
    most_enlarged: float = 1.6  # cut-outs are not blown up further


@dataclass(slots=True)
class _Canvas:
    image: ImageArray
    owner: IntArray  # (h, w) which pasted object a pixel belongs to; -1: the scene's
    boxes: list[FloatArray] = field(default_factory=list)  # of what is pasted
    labels: list[int] = field(default_factory=list)
    full: list[int] = field(default_factory=list)  # pixels of each, were nobody in front of it


class Composer:
    """Makes composites; the same seed and index give the same picture."""

    def __init__(self, scenes: Sequence[Opened], cutouts: Sequence[Cutout], style: CompositeStyle, seed: int) -> None:
        """`scenes`: what is pasted over; all objects of the classes in them are labelled.

        Raises TrainingError where there is nothing to paste, or nothing to paste it over.
        """
        if not scenes:
            raise TrainingError("there are no scenes to paste over; give labelled pictures")
        if style.most_objects and not any(one.label >= 0 for one in cutouts):
            raise TrainingError("there is nothing to paste: none of the cut-outs is of a class")
        self._scenes = scenes
        self._style = style
        self._seed = seed
        self._obstacles = [one for one in cutouts if one.label < 0]
        labels = range(len(style.class_shares))
        self._whole = [[one for one in cutouts if one.label == label and one.whole] for label in labels]
        self._cut = [[one for one in cutouts if one.label == label and not one.whole] for label in labels]

    def __call__(self, index: int) -> Labelled:
        """The composite of this number."""
        random = np.random.default_rng((self._seed, index))
        style = self._style
        size = style.sizes[random.integers(len(style.sizes))]
        scene = _cropped_scene(random, self._scenes[int(random.integers(len(self._scenes)))](), size)
        canvas = _Canvas(scene.image, np.full(size, -1, np.int32))
        self._populate(random, canvas)
        return _finished(random, canvas, scene, style.least_visible)

    def _populate(self, random: np.random.Generator, canvas: _Canvas) -> None:
        """Paste from far to near."""
        style = self._style
        if not style.most_objects:
            return
        height = canvas.image.shape[0]
        near = np.exp(random.uniform(*np.log(style.near_height))) * height
        horizon = random.uniform(*style.horizon) * height
        farthest = max(0.02 * height, horizon + style.least_height * (height - horizon) / near)
        if farthest >= height:
            return
        feet = np.sort(random.uniform(farthest, height * 1.1, random.integers(1, style.most_objects + 1)))
        for foot in feet:
            person = near * (foot - horizon) / (height - horizon)
            self._paste_one(random, canvas, float(foot), float(person))

    def _paste_one(self, random: np.random.Generator, canvas: _Canvas, foot: float, person: float) -> None:
        style, width = self._style, canvas.image.shape[1]
        if self._obstacles and random.random() < style.obstacle_share:
            label, pool, tall = -1, self._obstacles, person * random.uniform(0.3, 1.0)
        else:
            label = int(random.choice(len(style.class_shares), p=style.class_shares))
            pool, tall = self._whole[label], person * style.class_heights[label] * random.uniform(0.85, 1.15)
            if self._cut[label] and (not pool or random.random() < style.cut_share):  # at the border that cuts it
                pool = self._cut[label]
        sharp = [one for one in pool if tall <= style.most_enlarged * one.height]
        if not sharp or tall < 6:
            return
        cutout = sharp[random.integers(len(sharp))]
        scale = tall / cutout.height
        piece = _varied(random, cutout, scale)
        left, top = _position(cutout.cut, piece, canvas.image, round(random.uniform(-0.15, 1.0) * width), round(foot))
        if cutout.whole and label >= 0 and random.random() < 0.4:
            _shade(canvas.image, left + piece.shape[1] / 2, foot, tall, random.uniform(0.15, 0.5))
        _paste(canvas, piece, left, top, label)


def _cropped_scene(random: np.random.Generator, scene: Labelled, size: tuple[int, int]) -> Labelled:
    """A random part of a scene in the size wanted, mirrored half of the time."""
    high, wide = scene.image.shape[:2]
    ratio = size[1] / size[0]
    largest = min(wide, high * ratio)
    width = int(largest * random.uniform(0.55, 1.0))
    height = int(width / ratio)
    left, top = random.integers(0, wide - width + 1), random.integers(0, high - height + 1)
    image = cv2.resize(scene.image[top : top + height, left : left + width], size[::-1], interpolation=cv2.INTER_AREA)
    boxes = (scene.boxes - np.array([left, top, left, top], np.float32)) * np.float32(size[1] / width)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    boxes = np.clip(boxes, 0, np.array([size[1], size[0]] * 2, np.float32))
    seen = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept = seen > 0.25 * np.maximum(areas, 1e-6)
    image, boxes, labels = image.copy(), boxes[kept], scene.labels[kept]
    if random.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
        boxes = boxes[:, [2, 1, 0, 3]] * _MIRROR + np.array([size[1], 0, size[1], 0], np.float32)
    return Labelled(image, boxes, labels)


def _varied(random: np.random.Generator, cutout: Cutout, scale: float) -> ImageArray:
    """A cut-out in its new size and other colours, with a softened edge; if whole, mirrored and a little tilted."""
    picture = cutout.picture
    height, width = picture.shape[:2]
    if cutout.whole and random.random() < 0.5:
        picture = picture[:, ::-1]
    stretch = random.uniform(0.9, 1.1)
    new = max(3, round(width * scale * stretch)), max(6, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    alpha = np.ascontiguousarray(picture[..., 3])
    colours = cv2.resize(np.ascontiguousarray(picture[..., :3]), new, interpolation=how)
    alpha = cv2.resize(alpha, new, interpolation=how)
    hsv = cv2.cvtColor(colours, cv2.COLOR_BGR2HSV).astype(np.float32)
    if random.random() < 0.35:
        hsv[..., 0] = (hsv[..., 0] + random.uniform(0, 180)) % 180
    hsv[..., 1] *= random.uniform(0.5, 1.4)
    hsv[..., 2] = hsv[..., 2] * random.uniform(0.55, 1.25) + random.uniform(-20, 20)
    colours = cv2.cvtColor(np.clip(hsv, 0, [179, 255, 255]).astype(np.uint8), cv2.COLOR_HSV2BGR)
    if random.random() < 0.5:
        alpha = cv2.GaussianBlur(alpha, (3, 3), 0)
    piece = np.dstack([colours, alpha])
    if cutout.whole and random.random() < 0.3:
        turn = cv2.getRotationMatrix2D((new[0] / 2, new[1] / 2), random.uniform(-6, 6), 1.0)
        piece = cv2.warpAffine(piece, turn, new, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return piece


def _position(cut: frozenset[str], piece: ImageArray, image: ImageArray, left: int, foot: int) -> tuple[int, int]:
    """Left and top of a piece that would stand there, moved to the borders at which it is cut."""
    (height, width), (tall, wide) = image.shape[:2], piece.shape[:2]
    top = height - tall if "bottom" in cut else 0 if "top" in cut else foot - tall
    return (0 if "left" in cut else width - wide if "right" in cut else left), top


def _paste(canvas: _Canvas, piece: ImageArray, left: int, top: int, label: int) -> None:
    height, width = canvas.image.shape[:2]
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(left + piece.shape[1], width), min(top + piece.shape[0], height)
    if x2 - x1 < 3 or y2 - y1 < 3:
        return
    seen = piece[y1 - top : y2 - top, x1 - left : x2 - left]
    opacity = seen[..., 3:].astype(np.float32) / 255
    area = np.s_[y1:y2, x1:x2]
    canvas.image[area] = (seen[..., :3] * opacity + canvas.image[area] * (1 - opacity)).astype(np.uint8)
    solid = seen[..., 3] > 127
    rows, columns = np.flatnonzero(solid.any(axis=1)), np.flatnonzero(solid.any(axis=0))
    if not len(rows):
        return
    canvas.owner[area][solid] = len(canvas.boxes)
    box = [x1 + columns[0], y1 + rows[0], x1 + columns[-1] + 1, y1 + rows[-1] + 1]
    canvas.boxes.append(np.array(box, np.float32))
    canvas.labels.append(label)
    canvas.full.append(int(cv2.countNonZero((piece[..., 3] > 127).astype(np.uint8))))


def _shade(image: ImageArray, x: float, y: float, tall: float, depth: float) -> None:
    """A soft shadow on the ground under a foot point."""
    height, width = image.shape[:2]
    shadow = np.zeros((height, width), np.float32)
    cv2.ellipse(
        shadow, (round(x), round(y)), (max(2, round(tall * 0.3)), max(1, round(tall * 0.07))), 0, 0, 360, depth, -1
    )
    image[:] = (image * (1 - cv2.GaussianBlur(shadow, (0, 0), max(0.8, tall * 0.03)))[..., None]).astype(np.uint8)


def _finished(random: np.random.Generator, canvas: _Canvas, scene: Labelled, least_visible: float) -> Labelled:
    """The picture as a camera gives it, and the objects that are seen well enough.

    Objects of the scene are behind all that is pasted; who of them hides whom is the scene's own matter.
    """
    image = canvas.image
    if random.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 1.2))
    light = np.clip(image.astype(np.float32) * random.uniform(0.7, 1.2) + random.uniform(-15, 15), 0, 255)
    if random.random() < 0.4:
        light += random.normal(0, random.uniform(2, 9), light.shape)
    clear = canvas.owner < 0
    behind = np.array([_seen(clear[_area(box)], least_visible) for box in scene.boxes], dtype=bool)
    pixels = np.bincount(canvas.owner[~clear], minlength=len(canvas.boxes))
    kept = [
        row
        for row, label in enumerate(canvas.labels)
        if label >= 0 and pixels[row] >= least_visible * canvas.full[row] and pixels[row] >= _LEAST_PIXELS
    ]
    boxes = np.array([canvas.boxes[row] for row in kept], np.float32).reshape(-1, 4)
    labels = np.array([canvas.labels[row] for row in kept], np.int64)
    return Labelled(
        np.clip(light, 0, 255).astype(np.uint8),
        np.concatenate([scene.boxes[behind], boxes]),
        np.concatenate([scene.labels[behind], labels]),
    )


def _seen(clear: BoolArray, least_visible: float) -> bool:
    """Of a box of the scene: whether what is pasted leaves enough of it. `clear`: its pixels that are the scene's."""
    count = int(clear.sum())
    return count >= least_visible * clear.size and count >= _LEAST_PIXELS


def _area(box: FloatArray) -> tuple[slice, slice]:
    left, top, right, bottom = (int(side) for side in box)
    return slice(top, bottom + 1), slice(left, right + 1)
