"""How long something takes that is done several times, each time with arguments drawn at random."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to be done. `draw` gives its arguments in words, and what does it with them."""

    name: str
    draw: Callable[[], tuple[str, Callable[[], object]]]


@dataclass(frozen=True, slots=True)
class Timing:
    """Milliseconds of one case."""

    name: str
    p50: float
    p95: float
    most: float
    worst: str  # arguments of the slowest call


def time_case(case: Case, times: int) -> Timing:
    """Do it so many times. Where something is kept from one time to the next, the first one is the slowest."""
    found = []
    for _ in range(times):
        words, call = case.draw()
        started = time.perf_counter()
        call()
        found.append(((time.perf_counter() - started) * 1e3, words))
    spent = np.array([milliseconds for milliseconds, _ in found])
    return Timing(case.name, *np.percentile(spent, [50, 95, 100]).tolist(), worst=max(found)[1])
