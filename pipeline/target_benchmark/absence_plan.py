"""When a target is made to be away: seeded times in a clip, and how."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.evaluation.absences import Absence, Hiding
from pipeline.evaluation.sot import Truth

SHORTEST, LONGEST = 1.0, 3.0  # seconds of an absence
QUIET = 1.0  # seconds before the first and after each: time to learn, time to come back
SLIDE = 0.24  # seconds that what covers a target takes to come before it, and to go
EVERY = 4.5  # seconds of a clip for each absence
MOST = 4  # in a clip
_TRIES = 100


def plan_absences(truth: Truth, frame_rate: float, *, seed: int | Sequence[int]) -> tuple[Absence, ...]:
    """Absences of 1 to 3 seconds, at most one for every 4.5 seconds of the clip and four in all, by turns of each kind.

    The target is visible, by its truth, throughout each and for a second before and after it; where such a time is not
    found, there is none. The clip is parted alike, and each part has one absence at a time drawn by `seed`.
    """
    chance = np.random.default_rng(seed)
    usable = (len(truth) / frame_rate) - QUIET
    count = int(np.clip(usable / EVERY, 1, MOST))
    kinds = list(Hiding)
    turn = int(chance.integers(len(kinds)))
    part = usable / count
    slack = part - QUIET - 2 * SLIDE
    found: list[Absence] = []
    for number in range(count):
        if slack < SHORTEST:
            break
        for _ in range(_TRIES):
            lasts = chance.uniform(SHORTEST, min(LONGEST, slack))
            starts = QUIET + number * part + SLIDE + chance.uniform(0, slack - lasts)
            begin, end = round(starts * frame_rate), round((starts + lasts) * frame_rate)
            around = round((QUIET + SLIDE) * frame_rate)
            if truth.present[max(0, begin - around) : end + around].all():
                found.append(Absence(kinds[(turn + len(found)) % len(kinds)], begin, end))
                break
    return tuple(found)
