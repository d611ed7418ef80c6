"""CropSet: pictures of objects whose identities are known, for learning and validation."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import cv2
import numpy as np

from pipeline.errors import TrainingError
from pipeline.evaluation.reid import LEAST_SECONDS
from pipeline.training.crop_augmentation import padded_size
from trackers.structures import FloatArray, ImageArray, Index, IntArray

LEAST_HEIGHT = 20.0  # of a box, pixels: below, nothing is to be recognised
_LEAST_CROPS = 2  # of an identity, else nothing can be learned of it
_LEAST_IDENTITIES = 2  # in each part


@dataclass(frozen=True, slots=True, eq=False)
class CropSet:
    """Crops with a margin around the box (`crop_augmentation.padded_size`). Row i of every column is the same crop."""

    pictures: ImageArray  # (n, H, W, 3) uint8 blue green red
    identities: IntArray  # (n,) int64 number of the object, unique over all sequences
    sequences: IntArray  # (n,) int64 number of the sequence; an object lies in one
    times: FloatArray  # (n,) float64 seconds within the sequence

    def __post_init__(self) -> None:
        for field in fields(self):
            if len(getattr(self, field.name)) != len(self.pictures):
                raise ValueError(f"{field.name} has {len(getattr(self, field.name))} rows, not {len(self.pictures)}")

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: Index) -> Self:
        return type(self)(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Self:
        """No crop. `size`: height, width of boxes."""
        none = np.zeros(0, np.int64)
        return cls(np.zeros((0, *padded_size(size), 3), np.uint8), none, none, np.zeros(0))

    @property
    def count(self) -> int:
        """Identities there are."""
        return len(np.unique(self.identities))

    @property
    def digest(self) -> str:
        """Changes with every pixel and every identity."""
        found = hashlib.sha256()
        for field in fields(self):
            column = np.ascontiguousarray(getattr(self, field.name))
            found.update(f"{field.name} {column.dtype} {column.shape}".encode())
            found.update(column.data)
        return found.hexdigest()


def joined(sets: Sequence[CropSet], size: tuple[int, int]) -> CropSet:
    """All crops in one; identities and sequences of different sets stay apart. `size`: height, width of boxes."""
    parts = [CropSet.empty(size)]
    identities = sequences = 0
    for one in sets:
        names, owners = np.unique(one.identities, return_inverse=True)
        places, beside = np.unique(one.sequences, return_inverse=True)
        parts.append(CropSet(one.pictures, owners + identities, beside + sequences, one.times))
        identities, sequences = identities + len(names), sequences + len(places)
    return CropSet(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(CropSet)))


def without_singles(crops: CropSet) -> tuple[CropSet, int]:
    """Without identities of a single crop, of which nothing can be learned, and how many these were.

    Raises TrainingError where fewer than two identities remain.
    """
    _, owners, counts = np.unique(crops.identities, return_inverse=True, return_counts=True)
    kept = counts >= _LEAST_CROPS
    if kept.sum() < _LEAST_IDENTITIES:
        dropped = f" ({int((~kept).sum())} of a single crop left out)" if (~kept).any() else ""
        raise TrainingError(
            f"the data have {int(kept.sum())} identities of two or more crops{dropped}; give at least "
            f"{_LEAST_IDENTITIES}, since an embedder learns to tell them apart"
        )
    return crops[np.flatnonzero(kept[owners])], int((~kept).sum())


def held_out(crops: CropSet, *, share: float, seed: int) -> tuple[CropSet, CropSet]:
    """Crops to learn from, and those of other identities to validate on: about `share` of them, at least two.

    Only identities seen in a span of a second or more come into the validation, as only they can be recognised there.
    Raises TrainingError where there are too few of them.
    """
    names, owners = np.unique(crops.identities, return_inverse=True)
    lasting = np.flatnonzero(_spans(crops) >= LEAST_SECONDS)
    wanted = max(_LEAST_IDENTITIES, round(share * len(names)))
    if len(names) < wanted + _LEAST_IDENTITIES or len(lasting) < _LEAST_IDENTITIES:
        raise TrainingError(
            f"{len(names)} identities, {len(lasting)} of them seen for a second or more, are too few to learn from "
            f"some and validate on others; give at least {2 * _LEAST_IDENTITIES}, or crops to validate on"
        )
    chosen = np.random.default_rng(seed).permutation(lasting)[:wanted]
    apart = np.isin(owners, chosen)
    return crops[np.flatnonzero(~apart)], crops[np.flatnonzero(apart)]


def to_validate_on(crops: CropSet) -> CropSet:
    """Crops that somebody gave for it, without singles.

    Raises TrainingError where there are fewer than two identities, or none is seen for a second or more.
    """
    usable, _ = without_singles(crops)
    if _spans(usable).max() < LEAST_SECONDS:
        raise TrainingError(
            f"none of the {usable.count} identities to validate on is seen for a second or more, so nobody can be "
            "recognised there; give longer sequences"
        )
    return usable


def _spans(crops: CropSet) -> FloatArray:
    """Seconds (identities,) between the first and the last crop of each."""
    names, owners = np.unique(crops.identities, return_inverse=True)
    first, last = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    np.minimum.at(first, owners, crops.times)
    np.maximum.at(last, owners, crops.times)
    return np.asarray(last - first)


def cut_crop(image: ImageArray, box: FloatArray, size: tuple[int, int]) -> ImageArray:
    """(padded H, padded W, 3): what a box (4,) x1 y1 x2 y2 of a picture shows, with its margin.

    The box itself is clipped, rounded and stretched to `size` (height, width) as embedders of the product do it; beyond
    the picture its edge is repeated.
    """
    limit = np.array([image.shape[1], image.shape[0]], np.float64)
    corner = np.clip(np.round(np.asarray(box[:2], np.float64)), 0, limit - 1)
    end = np.clip(np.round(np.asarray(box[2:], np.float64)), corner + 1, limit)
    height, width = padded_size(size)
    scale = (end - corner) / (size[1], size[0])  # pixels of the picture a pixel of the crop
    start = corner - scale * (width - size[1], height - size[0]) / 2
    affine = np.array([[scale[0], 0, start[0] + scale[0] / 2 - 0.5], [0, scale[1], start[1] + scale[1] / 2 - 0.5]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, affine, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE))


def spread(rows: IntArray, most: int) -> IntArray:
    """At most `most` of some rows (n,), the first and the last among them, evenly between."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]
