"""Ring: the newest frames of a camera in memory shared by the process that reads it and the one that takes them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from pipeline.sources.shared_block import SharedBlock
from trackers.structures import ImageArray

_HEAD = 64  # bytes; then slot by slot its stamp, padded to 64 bytes, and its picture
_STAMP = 128
_NONE = np.iinfo(np.int64).min  # a time stamp that is missing
_BUDGET = 96 << 20  # bytes of a ring that is to hold every frame
_LIVE_SLOTS = 4


@dataclass(frozen=True, slots=True)
class Stamp:
    """When a frame was taken, as far as is known."""

    capture: int  # monotonic clock of this computer, microseconds
    at: int  # the same moment, microseconds since 1970-01-01 UTC
    arrived: int  # when it came here, monotonic microseconds
    session: int
    pts: int | None
    time_base: Fraction


class Ring:
    """Slots of one picture size, written by one process and read by another, without a lock between them.

    Frames are numbered from 0. Slot `n % slots` holds frame n until frame n + slots comes. A slot says which frame it
    holds before and after its picture, and that it is being written in between; so a reader knows what it has copied,
    and a writer that is killed in the middle leaves nothing locked. Pictures are blue-green-red, as the engine wants
    them: keeping the decoder's planes and converting when taken would save a fifth of a reader's work at 1080p, but
    move the rest into the engine's process.
    """

    def __init__(self, block: SharedBlock) -> None:
        """A view of a block made by `new`, in whichever process."""
        self._block = block
        self._head = block.array((8,), np.int64)
        self.height, self.width, self.slots = (int(value) for value in self._head[:3])
        size = _slot_bytes(self.height, self.width)
        places = [_HEAD + slot * size for slot in range(self.slots)]
        self._stamps = [block.array((8,), np.int64, place) for place in places]
        self._pictures = [block.array((self.height, self.width, 3), np.uint8, place + _STAMP) for place in places]

    @classmethod
    def new(cls, height: int, width: int, slots: int) -> Ring:
        """Empty."""
        block = SharedBlock.new(_HEAD + slots * _slot_bytes(height, width))
        block.array((8,), np.int64)[:3] = height, width, slots
        return cls(block)

    @property
    def fd(self) -> int:
        """What another process needs to see the same ring."""
        return self._block.fd

    @property
    def published(self) -> int:
        """Frames written so far."""
        return int(self._head[3])

    @property
    def taken(self) -> int:
        """Frames that the reader is through with."""
        return int(self._head[4])

    @taken.setter
    def taken(self, count: int) -> None:
        self._head[4] = count

    def write(self, image: ImageArray, stamp: Stamp) -> None:
        """Publish the next frame."""
        number = self.published
        slot = self._stamps[number % self.slots]
        slot[0] = -1
        self._pictures[number % self.slots][:] = image
        pts = _NONE if stamp.pts is None else stamp.pts
        base = stamp.time_base
        slot[1:] = stamp.capture, stamp.at, stamp.arrived, stamp.session, pts, base.numerator, base.denominator
        slot[0] = number + 1
        self._head[3] = number + 1

    def read(self, number: int) -> tuple[ImageArray, Stamp] | None:
        """A copy of frame `number`; None where it is not there yet or any more, or was replaced while it was copied."""
        slot = self._stamps[number % self.slots]
        if slot[0] != number + 1:
            return None
        image = self._pictures[number % self.slots].copy()
        _, capture, at, arrived, session, pts, over, under = (int(value) for value in slot)
        if slot[0] != number + 1:
            return None
        return image, Stamp(capture, at, arrived, session, None if pts == _NONE else pts, Fraction(over, under))

    def close(self) -> None:
        """Let go of the memory. May be called twice; nothing else after it."""
        self._head = np.zeros(8, np.int64)
        self._stamps, self._pictures = [], []
        self._block.close()


def live_slots() -> int:
    """Enough that the newest frame is not replaced while it is copied."""
    return _LIVE_SLOTS


def batch_slots(height: int, width: int) -> int:
    """As many as a bounded share of the memory holds: 8 to 128."""
    return max(8, min(128, _BUDGET // _slot_bytes(height, width)))


def _slot_bytes(height: int, width: int) -> int:
    return _STAMP + -(-height * width * 3 // 64) * 64
