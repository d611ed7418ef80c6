"""Answers of correlation filters: the one that is wanted, where the highest is, and how far it stands out.

An answer (h, w) tells for each shift of the search region, wrapped round the borders, how alike the target is there;
position (0, 0) is no shift.
"""

from __future__ import annotations

import numpy as np

from trackers.structures import FloatArray

_SIDELOBE = 5  # samples around the peak that are not part of the sidelobe: 11 x 11 (Bolme et al. 2010, sec. 3.5)
_STEADY = 1e-6  # keeps the ratio of a constant answer finite


def wanted_answers(side: int, spreads: FloatArray) -> FloatArray:
    """Gaussians of standard deviations `spreads` (n,) samples around no shift: (n, side, side) float32."""
    steps = np.minimum(np.arange(side), side - np.arange(side)).astype(np.float64)
    exponents = (steps[:, None] ** 2 + steps**2) / (2 * np.asarray(spreads, np.float64)[:, None, None] ** 2)
    return np.exp(-exponents).astype(np.float32)


def shifts(answers: FloatArray) -> FloatArray:
    """Shift x y of the highest place of each answer (n, h, w): (n, 2), samples, negative to the left and up.

    Between samples: the top of the parabola through the highest one and its two neighbours, along x and along y.
    """
    count, height, width = answers.shape
    rows, columns = np.unravel_index(answers.reshape(count, height * width).argmax(axis=1), (height, width))
    every = np.arange(count)
    peak = answers[every, rows, columns]
    across = parabola_top(answers[every, rows, columns - 1], peak, answers[every, rows, (columns + 1) % width])
    down = parabola_top(answers[every, rows - 1, columns], peak, answers[every, (rows + 1) % height, columns])
    x, y = columns + across, rows + down
    return np.stack([np.where(x > width / 2, x - width, x), np.where(y > height / 2, y - height, y)], axis=1)


def peak_to_sidelobe(answers: FloatArray) -> FloatArray:
    """How many standard deviations the highest place of each answer (n, h, w) stands above the rest of it (n,).

    Bolme et al. 2010, sec. 3.5: the rest is all but the 11 x 11 samples around the peak.
    """
    count, height, width = answers.shape
    rows, columns = np.unravel_index(answers.reshape(count, height * width).argmax(axis=1), (height, width))
    far = (_apart(rows, height) > _SIDELOBE)[:, :, None] | (_apart(columns, width) > _SIDELOBE)[:, None, :]
    number = far.sum(axis=(1, 2))
    mean = (answers * far).sum(axis=(1, 2)) / number
    deviation = np.sqrt((((answers - mean[:, None, None]) * far) ** 2).sum(axis=(1, 2)) / number)
    return np.asarray((answers.max(axis=(1, 2)) - mean) / (deviation + _STEADY))


def _apart(places: FloatArray, length: int) -> FloatArray:
    """Distance of every sample from each of `places` (n,), around the border: (n, length)."""
    distance = np.abs(np.arange(length) - places[:, None])
    return np.asarray(np.minimum(distance, length - distance))


def parabola_top(before: FloatArray, peak: FloatArray, after: FloatArray) -> FloatArray:
    """Where the parabola through three samples at -1, 0, 1 is highest (n,), -1/2 .. 1/2; 0 for a flat one."""
    bend = before - 2 * peak + after
    return np.asarray(np.divide(before - after, 2 * bend, out=np.zeros_like(peak), where=bend < 0))
