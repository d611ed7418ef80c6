"""Masks as run lengths: what `observations.mask_rle` holds."""

from __future__ import annotations

import numpy as np

from pipeline.errors import StoreError
from trackers.structures import BoolArray, IntArray, Masks

_HEADER_WORDS = 4  # x y of the crop's top left corner, height, width


def encode(origin: tuple[int, int], crop: BoolArray) -> bytes:
    """A mask's crop as int32 words, little-endian: x, y, height, width, then run lengths.

    Runs go down the columns and begin with the background, as in the COCO data set. `origin`: x y in pixels.
    """
    flat = crop.ravel(order="F")
    turns = np.flatnonzero(np.diff(flat, prepend=False)) if len(flat) else np.zeros(0, np.int64)
    runs = np.diff(turns, prepend=0, append=len(flat))
    return np.concatenate([np.array([*origin, *crop.shape]), runs]).astype("<i4").tobytes()


def encode_row(masks: Masks, row: int) -> bytes | None:
    """One of several masks, as `encode` gives it; None where it has no pixel: nothing was seen, or nobody asked."""
    crop = masks.crops[row]
    if not crop.any():
        return None
    x, y = masks.origins[row].tolist()
    return encode((x, y), crop)


def decode(payload: bytes) -> tuple[tuple[int, int], BoolArray]:
    """The origin (x, y) and the (height, width) crop of `encode`. Raises StoreError if the bytes are damaged."""
    origin, shape, runs = read_runs(payload)
    flat = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return origin, flat.reshape(shape, order="F")


def read_runs(payload: bytes) -> tuple[tuple[int, int], tuple[int, int], IntArray]:
    """Origin (x, y), shape (height, width) and run lengths of `encode`, as they are stored. Raises as `decode`."""
    words = np.frombuffer(payload, "<i4") if len(payload) % 4 == 0 else np.zeros(0, "<i4")
    if len(words) < _HEADER_WORDS:
        raise StoreError(f"a stored mask of {len(payload)} bytes is damaged")
    x, y, height, width = words[:_HEADER_WORDS].tolist()
    runs = words[_HEADER_WORDS:].astype(np.int64)
    if min(height, width) < 0 or np.any(runs < 0) or int(runs.sum()) != height * width:
        raise StoreError(f"a stored mask of {width} x {height} pixels is damaged: its runs do not fill it")
    return (x, y), (height, width), runs
