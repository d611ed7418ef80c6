"""Pictures into a network's input, and boxes from there back into the picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from math import ceil

import cv2
import numpy as np

from pipeline.errors import ModelError
from trackers.structures import FloatArray, ImageArray, IntArray

_ROUNDING = 1e-6  # cells
STRIDE = 32  # input pixels a cell of the coarsest grid of usual detectors; their inputs are multiples of it


class Fit(StrEnum):
    """How a picture fills the input."""

    STRETCH = "stretch"  # both sides to the input's, proportions change
    TOP_LEFT = "top-left"  # proportions kept, rest padded at the right and at the bottom
    CENTRED = "centred"  # proportions kept, rest padded around


class Letterbox(StrEnum):
    """How much is padded where proportions are kept."""

    TIGHT = "tight"  # as little as the network can do with
    FULL = "full"  # up to the input's own size, which is square as a rule


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a network expects: `(pixel - mean) / scale` a channel, in its own colour order."""

    fit: Fit = Fit.STRETCH
    rgb: bool = False  # channels red green blue; False: blue green red
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)  # 0..255, in the network's colour order
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)  # likewise
    pad: int = 114  # grey of the padding, 0..255


PLAIN = Recipe()  # blue green red 0..255: OpenVINO's model zoo
UNIT_RGB = Recipe(fit=Fit.CENTRED, rgb=True, scale=(255.0, 255.0, 255.0))  # red green blue 0..1: YOLOv8 and later
YOLOX = Recipe(fit=Fit.TOP_LEFT)
IMAGENET = Recipe(rgb=True, mean=(123.675, 116.28, 103.53), scale=(58.395, 57.12, 57.375))  # torchvision's mean and std


def recipe_text(recipe: Recipe) -> str:
    """As JSON, for the entry `recipe` of a file's metadata."""
    return json.dumps(asdict(recipe))


def embedded_recipe(metadata: Mapping[str, str]) -> Recipe | None:
    """What a file's metadata say of its input (`recipe_text`); None where they say nothing.

    Raises ModelError where the entry cannot be read.
    """
    text = metadata.get("recipe")
    if text is None:
        return None
    try:
        said = json.loads(text)
        mean, scale = ((float(a), float(b), float(c)) for a, b, c in (said["mean"], said["scale"]))
        if not isinstance(said["rgb"], bool) or min(scale) <= 0:
            raise ValueError("`rgb` must be true or false, and scales above 0")
        return Recipe(Fit(said["fit"]), said["rgb"], mean, scale, int(said["pad"]))
    except (ValueError, TypeError, KeyError) as error:
        raise ModelError(f"the file's metadata `recipe` cannot be read ({error}); set embedder.recipe") from error


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in the input."""

    scale: tuple[float, float]  # input pixels a picture pixel, x and y
    offset: tuple[int, int]  # x and y of the picture's top left corner in the input, pixels
    width: int  # of the picture, pixels
    height: int

    def to_picture(self, boxes: FloatArray) -> FloatArray:
        """(n, 4) boxes x1 y1 x2 y2 of input pixels in the picture's pixels, float32, clipped to it."""
        offset = np.array(self.offset * 2, np.float32)
        scale = np.array(self.scale * 2, np.float32)
        limit = np.array([self.width, self.height] * 2, np.float32)
        return np.asarray(np.clip((boxes - offset) / scale, 0, limit), np.float32)


def place(image: ImageArray, out: ImageArray, fit: Fit, *, pad: int = 114) -> Placement:
    """Write `image` (h, w, 3) into `out` (H, W, 3), one row of a batch."""
    (height, width), (rows, columns) = image.shape[:2], out.shape[:2]
    if fit is Fit.STRETCH:
        cv2.resize(image, (columns, rows), dst=out, interpolation=cv2.INTER_LINEAR)
        return Placement((columns / width, rows / height), (0, 0), width, height)
    ratio = min(rows / height, columns / width)
    if fit is Fit.TOP_LEFT:
        inner = max(1, int(width * ratio)), max(1, int(height * ratio))
        left = top = 0
    else:
        inner = max(1, round(width * ratio)), max(1, round(height * ratio))
        left, top = round((columns - inner[0]) / 2 - 0.1), round((rows - inner[1]) / 2 - 0.1)
    out[:] = pad
    out[top : top + inner[1], left : left + inner[0]] = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    return Placement((inner[0] / width, inner[1] / height), (left, top), width, height)


def tight_size(size: tuple[int, int], height: int, width: int, *, fit: Fit, stride: int = STRIDE) -> tuple[int, int]:
    """Height and width of the smallest input in multiples of `stride` in which a picture is as large as in `size`.

    `height`, `width`: of the picture. A picture that is stretched needs all of `size`.
    """
    if fit is Fit.STRETCH:
        return size
    ratio = min(size[0] / height, size[1] / width)
    rows, columns = (max(1, ceil(side * ratio / stride - _ROUNDING)) * stride for side in (height, width))
    return min(rows, size[0]), min(columns, size[1])


def to_batch(images: Sequence[ImageArray], size: tuple[int, int], recipe: Recipe) -> tuple[ImageArray, list[Placement]]:
    """(n, H, W, 3) uint8 of n pictures in their own colour order, and where each lies. `size`: height, width."""
    batch = np.empty((len(images), *size, 3), np.uint8)
    places = [place(image, out, recipe.fit, pad=recipe.pad) for image, out in zip(images, batch, strict=True)]
    return batch, places


def crop_bounds(boxes: FloatArray, width: int, height: int) -> IntArray:
    """(n, 4) left top right bottom: whole pixels inside a picture of `width` x `height`, each side at least 1 pixel."""
    finite = np.nan_to_num(boxes, nan=0.0, posinf=1e6, neginf=-1e6)
    corners = np.round(finite).astype(np.int64)
    limit = np.array([width, height], np.int64)
    start = np.clip(corners[:, :2], 0, limit - 1)
    end = np.clip(corners[:, 2:], start + 1, limit)
    return np.concatenate([start, end], axis=1)


def to_blob(batch: ImageArray, recipe: Recipe) -> FloatArray:
    """(n, 3, H, W) float32 of a blue-green-red (n, H, W, 3) batch, for libraries that do not do it themselves."""
    ordered = batch[..., ::-1] if recipe.rgb else batch
    blob = np.ascontiguousarray(ordered.transpose(0, 3, 1, 2), np.float32)
    if any(recipe.mean):
        blob -= np.array(recipe.mean, np.float32)[:, None, None]
    if recipe.scale != (1.0, 1.0, 1.0):
        blob /= np.array(recipe.scale, np.float32)[:, None, None]
    return blob
