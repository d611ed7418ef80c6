"""CameraCounts: what a camera has counted over all its connections, and how fast frames come."""

from __future__ import annotations

from collections import deque

from pipeline.sources.ledger import Count, Ledger

_SAMPLE = 0.5  # seconds between looks at the number of frames
_KEPT = 12  # looks
_SUMMED = (Count.FRAMES, Count.SKIPPED, Count.REPAIRED, Count.DAMAGED, Count.BYTES)


class CameraCounts:
    """Sums of the ledgers so far, and the last frame's times. Not for several threads at once."""

    def __init__(self) -> None:
        self._sums = dict.fromkeys(_SUMMED, 0)
        self._ledger: Ledger | None = None
        self._samples: deque[tuple[float, int]] = deque(maxlen=_KEPT)
        self.capture: int | None = None  # of the last frame before this connection, monotonic microseconds
        self.at: int | None = None  # microseconds UTC
        self.session = 0  # that a new connection begins with

    def begin(self, ledger: Ledger) -> None:
        """A connection that counts in `ledger`."""
        self._ledger = ledger
        self._samples.clear()

    def end(self) -> None:
        """It is over."""
        ledger, self._ledger = self._ledger, None
        if ledger is None:
            return
        for count in _SUMMED:
            self._sums[count] += ledger[count]
        if ledger[Count.FRAMES]:
            self.capture, self.at = ledger[Count.CAPTURE], ledger[Count.AT]
            self.session = ledger[Count.SESSION] + 1

    def __getitem__(self, count: Count) -> int:
        return self._sums[count] + (0 if self._ledger is None else self._ledger[count])

    @property
    def last_at(self) -> int | None:
        """When the last frame was taken, microseconds UTC."""
        if self._ledger is not None and self._ledger[Count.FRAMES]:
            return self._ledger[Count.AT]
        return self.at

    def sample(self, now: float) -> None:
        """Frames have come. `now`: seconds."""
        if not self._samples or now - self._samples[-1][0] >= _SAMPLE:
            self._samples.append((now, self[Count.FRAMES]))

    def rate(self, now: float) -> float:
        """Frames a second over the last seconds."""
        if not self._samples or self._ledger is None:
            return 0.0
        since, frames = self._samples[0]
        return (self[Count.FRAMES] - frames) / (now - since) if now > since else 0.0
