"""Losses: tells frames that were lost from a pause of the camera. Both show as a jump of time."""

from __future__ import annotations

from collections import deque

_JUMP = 1.5  # nominal intervals; what is longer has room for a frame
_WINDOW = 64  # packets; a decoder gives pictures up to its threads and its reordering after it has read of the damage
_REMEMBERED = 256  # stamps passed over; a picture that comes too late comes soon after


class Losses:
    """Compares the packets that were read with the pictures that the decoder gave.

    A jump of more than 1.5 nominal intervals is a loss where damage was seen shortly before, or where the packets of
    at least half of the missing frames were read and gave no picture. (Half, because some codecs have packets that
    are never shown.) Any other jump is a pause, as in recordings of variable rate.
    """

    def __init__(self, fps: float) -> None:
        """`fps`: nominal rate."""
        self._fps = fps
        self._awaited: set[int] = set()  # stamps of packets whose pictures have not come yet
        self._passed: deque[int] = deque(maxlen=_REMEMBERED)  # stamps of packets whose successors came first
        self._packets = 0
        self._damaged_at: int | None = None  # number of packets when damage was last seen
        self._decode_stamp: int | None = None

    def packet(self, pts: int | None, dts: int | None) -> None:
        """A packet was read. `dts`: its time stamp of decoding, which only a clock that was set anew turns back."""
        self._packets += 1
        if dts is not None:
            if self._decode_stamp is not None and dts < self._decode_stamp:
                self._awaited.clear()
                self._passed.clear()
            self._decode_stamp = dts
        if pts is not None:
            self._awaited.add(pts)

    def damage(self) -> None:
        """A packet was corrupt or could not be decoded, or a picture had to be patched."""
        self._damaged_at = self._packets

    def late(self, pts: int | None) -> bool:
        """Whether a picture comes after its successors: a decoder that lost its way. Not so in a whole file."""
        return self._damaged_at is not None and pts in self._passed

    def before(self, pts: int | None, jump: float) -> int:
        """How many frames were lost just before the picture `pts`, which comes `jump` seconds after the last one."""
        passed = [] if pts is None else [stamp for stamp in self._awaited if stamp < pts]
        self._passed.extend(passed)
        self._awaited.difference_update(passed, () if pts is None else (pts,))
        intervals = jump * self._fps
        if intervals <= _JUMP:
            return 0
        missing = round(intervals) - 1
        recent = self._damaged_at is not None and self._packets - self._damaged_at <= _WINDOW
        return missing if recent or 2 * len(passed) >= missing else 0
