"""Budget: how often, and in pictures how large, a detector may look so that cameras stay real-time on this machine.

What a look costs is measured while the cameras run. The choice depends on the machine and on what else it does, so that
two runs never choose alike: it is for cameras, which nobody can run again anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from pipeline.live_report import BudgetReport
from pipeline.schedule import Verdict
from trackers.structures import Frame, State

_NEWEST = 0.1  # weight of the newest look in what one costs
_WARM_UP = 1  # looks at a size that say nothing: a network is compiled then, and caches are cold
_STEEPEST = 2.0  # two sizes' costs lie at most so many times as far apart as their pixels
_SETTLE_LOOKS = 10  # between two changes of the size
_STEP = 1.2  # the interval is told anew, and changed, where it has to be so many times as long or as short
_ROOM = 0.7  # a larger size is taken where it would need no more than this share of the slowest interval
_ROUNDING = 1e-6  # seconds

_log = logging.getLogger(__name__)


class Budget:
    """Shared by the cameras of an engine. `looked` is for the detector's thread; the choice may be read by any."""

    def __init__(self, *, share: float, slowest_seconds: float, scales: Sequence[float] = (1.0,)) -> None:
        """`share`: of the time that passes, in which networks may be busy. `slowest_seconds`: where cameras could be
        looked at only more seldom, a smaller input is taken. `scales`: those there are, falling, from 1.
        """
        if not 0 < share <= 1 or slowest_seconds <= 0 or not scales or list(scales) != sorted(scales, reverse=True):
            raise ValueError("a budget is a share of the time, above 0, and has sizes that fall")
        self._share, self._slowest, self._scales = share, slowest_seconds, tuple(scales)
        self._cost = 0.0  # seconds a look at the chosen size; 0 before the first
        steps = zip(self._scales, self._scales[1:], strict=False)
        self._ratios = [(larger / smaller) ** 2 for larger, smaller in steps]  # of costs, by pixels until measured
        self._steepest = [_STEEPEST * ratio for ratio in self._ratios]
        self._left: tuple[int, float] | None = None  # the size that was chosen before, and what a look cost then
        self._level = 0
        self._looks = 0  # at this size
        self._measured = False  # whether the cost was seen at this size, not only expected
        self.choice = BudgetReport(0.0, self._scales[0], 0.0, kept=True)

    @property
    def level(self) -> int:
        """Which of the scales is chosen."""
        return self._level

    def looked(self, seconds: float, *, looks: int = 1, cameras: int) -> None:
        """Each of `looks`, made together at the chosen size, took so long with all networks.

        `cameras`: among which the time is shared.
        """
        warm, self._looks = self._looks >= _WARM_UP, self._looks + looks
        if not warm:
            return
        self._cost += (1 - (1 - _NEWEST) ** looks if self._measured else 1.0) * (seconds - self._cost)
        self._measured = True
        if self._looks >= _SETTLE_LOOKS:
            self._compare()
            self._resize(cameras)
        self._choose(cameras)

    def _interval(self, cost: float, cameras: int) -> float:
        """Seconds between looks at a camera that the share allows."""
        return max(1, cameras) * cost / self._share

    def _compare(self) -> None:
        """What a look costs here and at the size before tells more than their pixels."""
        if self._left is not None:
            before, cost = self._left
            ratio = cost / self._cost if before < self._level else self._cost / cost
            step = min(before, self._level)
            self._ratios[step] = min(max(1.0, ratio), self._steepest[step])
            self._left = None

    def _resize(self, cameras: int) -> None:
        larger = self._level - 1
        if self._interval(self._cost, cameras) > self._slowest and self._level + 1 < len(self._scales):
            self._take(self._level + 1, self._cost / self._ratios[self._level])
        elif larger >= 0 and self._interval(self._cost * self._ratios[larger], cameras) <= _ROOM * self._slowest:
            self._take(larger, self._cost * self._ratios[larger])

    def _take(self, level: int, expected: float) -> None:
        self._left = (self._level, self._cost)
        self._level, self._looks, self._cost, self._measured = level, 0, expected, False

    def _choose(self, cameras: int) -> None:
        now = self.choice
        interval, scale = self._interval(self._cost, cameras), self._scales[self._level]
        resized = scale != now.scale
        if not resized and now.cost and now.interval / _STEP <= interval <= now.interval * _STEP:
            return
        self.choice = BudgetReport(interval, scale, self._cost, kept=interval <= self._slowest)
        _log.log(logging.INFO if self.choice.kept else logging.WARNING, "budget: %s", self.choice)


class Budgeted:
    """The schedule of one camera: looks so often as the budget says, by time and not by frames."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._looked_at = -np.inf  # seconds, of the last frame that was looked at

    def wants(self, frame: Frame, verdict: Verdict | None = None) -> bool:  # noqa: ARG002
        """See Schedule; the verdict does not count."""
        if frame.time - self._looked_at + _ROUNDING < self._budget.choice.interval:
            return False
        self._looked_at = frame.time
        return True

    def to_arrays(self) -> State:
        """Nothing: a camera's run does not go on."""
        return {}

    def from_arrays(self, state: State) -> None:  # noqa: ARG002
        """See Schedule. Raises ValueError: a camera's run does not go on."""
        raise ValueError("a run with a budget cannot be resumed: what was chosen depends on the machine at the time")
