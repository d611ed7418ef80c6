"""Scores of an embedder: does it tell the same object, seen again later, from others?

Crops of the same object a few frames apart are nearly the same picture and prove nothing. So a pair of the same object
counts only where its crops are at least `least_seconds` apart. Objects of different sequences are always different.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from pipeline.errors import FormatError
from pipeline.evaluation.ranks import twice_above
from trackers.structures import BoolArray, FloatArray, IntArray

LEAST_SECONDS = 1.0
_ROUNDING = 1e-6  # seconds; times are sums of frame intervals
_ROWS = 256  # crops compared with all others at once: bounds memory
_NONE: FloatArray = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """Described objects of all sequences. Row i of every column is the same crop."""

    features: FloatArray  # (n, d) unit length
    identities: IntArray  # (n,) number of the object within its sequence
    sequences: IntArray  # (n,) number of the sequence
    times: FloatArray  # (n,) seconds within the sequence

    def __post_init__(self) -> None:
        for name in ("identities", "sequences", "times"):
            if getattr(self, name).shape != (len(self.features),):
                raise ValueError(f"{name} must be ({len(self.features)},), got {getattr(self, name).shape}")
        if not np.isfinite(self.features).all():
            raise ValueError("a feature is not a number (NaN or infinite)")

    def __len__(self) -> int:
        return len(self.features)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of all; one part or more."""
        return cls(*(np.concatenate([getattr(one, field.name) for one in parts]) for field in fields(cls)))


def same_different_auc(crops: Crops, *, least_seconds: float = LEAST_SECONDS) -> float:
    """Probability that a pair of the same object is more alike than a pair of different ones; ties count half.

    That is the area under the ROC curve (Hanley & McNeil 1982) of the cosine over all pairs of same and of different
    objects, from ranks, hence exact. Holds the cosines of same objects, and a block of the others at a time.
    FormatError where there is no pair of one of the two kinds.
    """
    same = np.sort(np.concatenate([alike[again] for alike, again, _ in _blocks(crops, least_seconds)] or [_NONE]))
    wins, pairs = 0, 0
    for alike, _, others in _blocks(crops, least_seconds):
        different = np.sort(alike[others])  # sorted, they find their places many times faster
        wins += twice_above(same, different)
        pairs += 2 * len(same) * len(different)
    if not pairs:
        lacking = "different objects" if len(same) else f"the same object at least {least_seconds:g} s apart"
        raise FormatError(f"there are no two crops of {lacking}; give longer sequences, or more")
    return wins / pairs


def rank_one(crops: Crops, *, least_seconds: float = LEAST_SECONDS) -> float:
    """Share of the crops whose most alike one, of those of their sequence at least so far away, is the same object.

    Crops whose object is not seen again do not count; of equally alike ones one in as many as there are is taken.
    FormatError where no crop counts.
    """
    hits, queries = 0.0, 0
    for start in range(0, len(crops), _ROWS):
        rows = slice(start, start + _ROWS)
        gallery = _apart(crops, rows, slice(None), least_seconds)
        gallery &= crops.sequences[rows, None] == crops.sequences[None, :]
        again = gallery & (crops.identities[rows, None] == crops.identities[None, :])
        alike = np.where(gallery, crops.features[rows] @ crops.features.T, -np.inf)
        counted = again.any(axis=1)
        best = (alike == alike.max(axis=1, keepdims=True))[counted]
        hits += float(((best & again[counted]).sum(axis=1) / best.sum(axis=1)).sum())
        queries += int(counted.sum())
    if not queries:
        raise FormatError(f"no object is seen again after {least_seconds:g} s; give longer sequences")
    return hits / queries


def _blocks(crops: Crops, least_seconds: float) -> Iterator[tuple[FloatArray, BoolArray, BoolArray]]:
    """Cosines of some crops with all behind them, which pairs are of one object seen again, and which of different."""
    for start in range(0, len(crops), _ROWS):
        rows, rest = slice(start, start + _ROWS), slice(start, None)
        behind = np.arange(len(crops) - start)[None, :] > np.arange(min(_ROWS, len(crops) - start))[:, None]
        beside = crops.sequences[rows, None] == crops.sequences[None, rest]
        own = beside & (crops.identities[rows, None] == crops.identities[None, rest])
        alike = crops.features[rows] @ crops.features[rest].T
        yield alike, own & _apart(crops, rows, rest, least_seconds) & behind, ~own & behind


def _apart(crops: Crops, rows: slice, columns: slice, least_seconds: float) -> BoolArray:
    """Which pairs are far enough apart in time."""
    times = crops.times[rows, None] - crops.times[None, columns]
    return np.asarray(np.abs(times) >= least_seconds - _ROUNDING)
