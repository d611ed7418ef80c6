"""Ledger: what a camera's reading process has counted, readable while it lives and after it died."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from pipeline.sources.shared_block import SharedBlock


class Count(IntEnum):
    """Places in the ledger. All are written by the reading process alone."""

    FRAMES = 0  # decoded
    SKIPPED = 1  # packets or frames left out before they were counted, because newer ones had come already
    REPAIRED = 2  # time stamps
    DAMAGED = 3  # packets or frames
    BYTES = 4  # of the video stream
    CAPTURE = 5  # of the last frame, monotonic microseconds
    AT = 6  # of the last frame, microseconds UTC
    SESSION = 7  # of the last frame


class Ledger:
    """Whole numbers by `Count`, shared by two processes."""

    def __init__(self, block: SharedBlock | None = None) -> None:
        """`block`: of a ledger made elsewhere; default a new one."""
        self._block = SharedBlock.new(8 * len(Count)) if block is None else block
        self._numbers = self._block.array((len(Count),), np.int64)

    @property
    def fd(self) -> int:
        """What another process needs to see the same ledger."""
        return self._block.fd

    def __getitem__(self, count: Count) -> int:
        return int(self._numbers[count])

    def __setitem__(self, count: Count, value: int) -> None:
        self._numbers[count] = value

    def close(self) -> None:
        """Let go of the memory; the numbers can still be read. May be called twice."""
        self._numbers = self._numbers.copy()
        self._block.close()
