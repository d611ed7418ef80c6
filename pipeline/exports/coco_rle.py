"""COCO's run lengths of whole pictures, made from the store's masks of crops, and their compressed text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.store import mask_rle
from trackers.structures import BoolArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A mask in its picture: the columns it touches, over the full height; everything else is background."""

    left: int  # of the first column, pixels
    columns: BoolArray  # (height, w)

    @property
    def area(self) -> int:
        """Pixels."""
        return int(np.count_nonzero(self.columns))


def strip_of(payload: bytes, *, width: int, height: int) -> Strip:
    """A stored mask (`store.mask_rle`) in a picture of this size, pixels; what lies outside is cut off."""
    (x, y), crop = mask_rle.decode(payload)
    crop = crop[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
    columns = np.zeros((height, crop.shape[1]), bool)
    columns[max(0, y) : max(0, y) + crop.shape[0]] = crop
    return Strip(min(max(0, x), width), columns)


def counts(strip: Strip, *, width: int) -> IntArray:
    """Run lengths down the columns of a picture of this width, beginning with the background."""
    height = strip.columns.shape[0]
    flat = strip.columns.ravel(order="F")
    turns = np.flatnonzero(np.diff(flat, prepend=False)) + strip.left * height
    if len(flat) and flat[-1]:
        turns = np.append(turns, strip.left * height + len(flat))
    runs: IntArray = np.diff(turns, prepend=0, append=width * height)
    return runs[:-1] if len(turns) and runs[-1] == 0 else runs


def counts_of(payload: bytes, *, width: int, height: int) -> tuple[IntArray, int]:
    """Run lengths, as `counts` gives them, and area of a stored mask in a picture of this size, pixels.

    From run lengths to run lengths, which for a large picture is many times faster than by way of its pixels.
    """
    (x, y), (tall, wide), runs = mask_rle.read_runs(payload)
    if x < 0 or y < 0 or x + wide > width or y + tall > height:
        strip = strip_of(payload, width=width, height=height)
        return counts(strip, width=width), strip.area
    ends = np.cumsum(runs)
    starts, ends = ends[:-1:2], ends[1::2]  # of the foreground, down the columns of the crop
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not len(starts):
        return np.array([width * height]), 0
    first, last = starts // tall, (ends - 1) // tall  # columns that a run touches
    pieces = last - first + 1
    run = np.repeat(np.arange(len(starts)), pieces)
    column = np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces, pieces) + first[run]
    top = (x + column) * height + y - column * tall  # where the crop's position 0 of this column would lie
    begin = top + np.maximum(starts[run], column * tall)
    end = top + np.minimum(ends[run], (column + 1) * tall)
    apart = begin[1:] > end[:-1]  # a crop as tall as the picture goes on in the next column
    begin, end = begin[np.append(True, apart)], end[np.append(apart, True)]
    turns = np.stack([begin, end], axis=1).ravel()
    found: IntArray = np.diff(turns, prepend=0, append=width * height)
    return (found[:-1] if found[-1] == 0 else found), int((end - begin).sum())


def compressed(runs: IntArray) -> str:
    """The text that COCO's tools write: from the fourth run on the change against the last but one.

    Each number in groups of five bits, the lowest first; a sixth bit says that more follow, and 48 makes it a letter.
    """
    changes = runs.astype(np.int64).copy()
    changes[3:] -= runs[1:-2]
    text = bytearray()
    for change in changes.tolist():
        more = True
        while more:
            group = change & 0x1F
            change >>= 5
            more = change != (-1 if group & 0x10 else 0)
            text.append(48 + group + (0x20 if more else 0))
    return text.decode("ascii")
