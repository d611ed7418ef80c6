"""How long models take for a frame, measured in turn, so that what else the machine does falls on all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from trackers.structures import Frame

_WARM_UP = 3  # rounds that do not count


def milliseconds(models: Sequence[Callable[[Frame], object]], frames: Sequence[Frame]) -> list[float]:
    """Median of each model over the frames; NaN without frames."""
    times = np.full((len(frames), len(models)), np.nan)
    warm = [frames[row % len(frames)] for row in range(_WARM_UP)] if frames else []
    for row, frame in enumerate([*warm, *frames], start=-len(warm)):
        for column, model in enumerate(models):
            begin = time.perf_counter()
            model(frame)
            if row >= 0:
                times[row, column] = 1000 * (time.perf_counter() - begin)
    return np.median(times, axis=0).tolist() if frames else [float("nan")] * len(models)
