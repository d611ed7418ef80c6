"""Pairs of crops for a Siamese network: a target, and a search region that shows it elsewhere and otherwise.

The crops are those that the tracker makes: the target's with its surroundings (`context_sides`), the search region's at
the same scale around where the target was. What happens to a pair is decided by its own random numbers alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from pipeline.training.siamese_network import SEARCH, TEMPLATE
from trackers.siamese_looks import context_sides
from trackers.structures import FloatArray, ImageArray

_CONTEXT = 0.5  # of `context_sides`, as the tracker's
_LOOSE = 4.0  # pixels of a crop: how far an object may be seen beyond its box


@dataclass(frozen=True, slots=True)
class PairChange:
    """How much a search region differs from the target's crop. Zeros change nothing."""

    shift: float = 72.0  # largest way of the target from the middle, pixels of the crop
    zoom: float = 0.25  # largest change of size, as a logarithm
    stretch: float = 0.15  # largest change of width over height, as a logarithm
    turn: float = 10.0  # degrees, largest
    mirror: float = 0.15  # chance that the search region alone is mirrored
    light: float = 0.3  # largest change of brightness and of contrast, as shares
    tint: float = 0.08  # largest change of a colour channel, as a share
    grey: float = 0.1  # chance that both are without colours
    blur: float = 0.25  # chance of a blur, as of motion or a bad focus
    cover: float = 0.15  # chance that something covers a part of the target


NO_CHANGE = PairChange(shift=0, zoom=0, stretch=0, turn=0, mirror=0, light=0, tint=0, grey=0, blur=0, cover=0)


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """A picture (height, width, 3) and a box (4,) x1 y1 x2 y2 in it, pixels."""

    image: ImageArray
    box: FloatArray
    owner: str = ""  # the object that the box is of; the same in all its sights, and no other's
    objects: Mapping[str, FloatArray] = field(default_factory=dict)  # boxes (4,) of all that the picture shows


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """What a network is shown, and where the target is."""

    template: ImageArray  # (127, 127, 3) uint8 blue green red
    search: ImageArray  # (255, 255, 3)
    box: FloatArray  # (4,) x1 y1 x2 y2, pixels of the search crop
    shown: frozenset[str] = frozenset()  # objects that the search region shows at least a part of


def make_pair(first: Sight, second: Sight, change: PairChange, random: np.random.Generator) -> Pair:
    """The target as `first` shows it, and the surroundings in which `second` shows it, both changed by chance."""
    grey = random.random() < change.grey
    scale = np.exp(random.uniform(-1, 1) * change.zoom / 4)
    shift = random.uniform(-1, 1, 2) * min(change.shift, 4.0)
    template, *_ = _cut(first, TEMPLATE, scale=np.array([scale, scale]), shift=shift, turn=0.0)
    zoom, stretch = np.exp(random.uniform(-1, 1) * change.zoom), np.exp(random.uniform(-1, 1) * change.stretch / 2)
    way = _way(change.shift, random)
    turn = np.deg2rad(random.uniform(-1, 1) * change.turn)
    search, box, affine = _cut(second, SEARCH, scale=zoom * np.array([stretch, 1 / stretch]), shift=way, turn=turn)
    shown = frozenset(owner for owner, place in second.objects.items() if _reaches(place, affine, SEARCH))
    if random.random() < change.mirror:
        search, box = search[:, ::-1], _mirrored(box)
    search = np.ascontiguousarray(search)
    if random.random() < change.cover:
        _cover(search, box, random)
    if random.random() < 0.5:
        search, template = np.ascontiguousarray(search[:, ::-1]), np.ascontiguousarray(template[:, ::-1])
        box = _mirrored(box)
    template, search = (_seen(crop, change, random, grey=grey) for crop in (template, search))
    return Pair(template, search, box, shown)


def _way(most: float, random: np.random.Generator) -> FloatArray:
    """How far the target has gone (2,): half of the time anywhere, else near."""
    if random.random() < 0.5:
        return random.uniform(-most, most, 2)
    return np.clip(random.laplace(0, most / 5, 2), -most, most)


def _cut(
    sight: Sight, side: int, *, scale: FloatArray, shift: FloatArray, turn: float
) -> tuple[ImageArray, FloatArray, FloatArray]:
    """A crop (side, side, 3), its box's middle `shift` (2,) from its own; the box in it (4,); the map there (2, 3).

    `scale`: (2,) of x and y, 1 as the tracker's. `turn`: radians; the box is that of an ellipse that turned.
    """
    sides = sight.box[2:] - sight.box[:2]
    factor = TEMPLATE / float(context_sides(sides[None], _CONTEXT)[0])
    cosine, sine = np.cos(turn), np.sin(turn)
    matrix = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag(scale * factor)
    middle, goal = (sight.box[:2] + sight.box[2:]) / 2, side / 2 + shift
    offset = goal - matrix @ middle
    half = matrix * (sides / 2)
    reach = np.sqrt((half**2).sum(axis=1))
    image, small = _smaller(sight.image, matrix)
    # Pixel p has its middle at p + 1/2 in the picture and in the crop
    affine = np.column_stack([small, offset + small @ [0.5, 0.5] - 0.5])
    fill = cv2.mean(np.ascontiguousarray(sight.image[::8, ::8]))[:3]
    crop = cv2.warpAffine(
        image, affine, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )
    box = np.concatenate([goal - reach, goal + reach]) - 0.5  # pixel p lies at p, as in the tracker
    return np.asarray(crop), box, np.column_stack([matrix, offset])


def _reaches(box: FloatArray, affine: FloatArray, side: int) -> bool:
    """Whether a box (4,), mapped (2, 3) into a crop, reaches into it: the upright box around what it becomes does."""
    corners = box[[0, 2, 2, 0]], box[[1, 1, 3, 3]]
    mapped = affine[:, :2] @ np.stack(corners) + affine[:, 2:]
    return bool((mapped.max(axis=1) > -_LOOSE).all() and (mapped.min(axis=1) < side + _LOOSE).all())


def _mirrored(box: FloatArray) -> FloatArray:
    """A box (4,) in the mirrored search crop."""
    return np.array([SEARCH - 1 - box[2], box[1], SEARCH - 1 - box[0], box[3]])


def _smaller(image: ImageArray, matrix: FloatArray) -> tuple[ImageArray, FloatArray]:
    """A picture averaged so far that a linear map of it into a crop leaves out no pixels, and the map of that."""
    scale = np.sqrt(abs(np.linalg.det(matrix)))
    shrink = int(1 / scale) if scale > 0 else 1
    if shrink < 2:
        return image, matrix
    size = max(1, image.shape[1] // shrink), max(1, image.shape[0] // shrink)
    factor = np.array([image.shape[1] / size[0], image.shape[0] / size[1]])
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA)), matrix * factor


def _cover(crop: ImageArray, box: FloatArray, random: np.random.Generator) -> None:
    """Hide up to 40 % of the box behind another part of the crop."""
    sides = np.maximum(box[2:] - box[:2], 2)
    share = random.uniform(0.2, 0.63, 2)
    size = np.maximum((sides * share).astype(int), 1)
    limit = np.array(crop.shape[1::-1]) - size
    if (limit < 1).any():
        return
    to = np.clip(box[:2] + random.uniform(0, 1, 2) * (sides - size), 0, limit).astype(int)
    start = random.integers(0, limit + 1)
    piece = crop[start[1] : start[1] + size[1], start[0] : start[0] + size[0]].copy()
    crop[to[1] : to[1] + size[1], to[0] : to[0] + size[0]] = piece


def _seen(crop: ImageArray, change: PairChange, random: np.random.Generator, *, grey: bool) -> ImageArray:
    """A crop in another light."""
    contrast, bright = 1 + random.uniform(-1, 1, 2) * change.light
    tint = 1 + random.uniform(-1, 1, (3, 1)) * change.tint
    mean = float(crop.mean())
    colours = np.full((3, 3), 1 / 3) if grey else np.eye(3)
    light = bright * tint * np.hstack([contrast * colours, np.full((3, 1), mean * (1 - contrast))])
    if random.random() < change.blur:
        crop = _blurred(crop, random)
    return np.asarray(cv2.transform(crop, light), np.uint8)


def _blurred(crop: ImageArray, random: np.random.Generator) -> ImageArray:
    """As a lens out of focus, or as a camera that moves shows it."""
    if random.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(crop, (0, 0), random.uniform(0.5, 2.5)))
    length, angle = int(random.integers(3, 14)) | 1, random.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    half = length // 2
    reach = half * np.array([np.cos(angle), np.sin(angle)])
    start, end = (tuple(round(value) for value in half + sign * reach) for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    return np.asarray(cv2.filter2D(crop, -1, kernel / kernel.sum()))
