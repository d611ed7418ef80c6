"""Weighted boxes fusion: overlapping boxes, of one detector or of several, become their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trackers.geometry import iou_matrix
from trackers.structures import FloatArray, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """What became of the boxes, by falling score."""

    boxes: FloatArray  # (m, 4) float32
    scores: FloatArray  # (m,) float32 0..1
    labels: IntArray  # (m,)
    strongest: IntArray  # (m,) row of the strongest box that went into each


def fuse(
    boxes: FloatArray,
    scores: FloatArray,
    labels: IntArray,
    *,
    iou: float,
    shares: FloatArray | None = None,
    counts: Sequence[tuple[int, float]] | None = None,
) -> Fused:
    """Weighted boxes fusion (Solovyev, Wang and Gabruseva 2021, section 3).

    By falling score, each box joins the fused box of its class that it overlaps most, if by more than `iou`, or begins
    a new one. A fused box of T boxes with scores C_i and corners X_i has (eq. 1 to 3)

        C = sum C_i / T        X = sum C_i X_i / sum C_i

    computed anew whenever one joins. In the end what few of N detectors saw is believed less (eq. 5):

        C = C min(T, N) / N

    Where detectors count differently, C_i is score times share w, and the divisor N is the sum of the shares.

    `boxes` (n, 4), `scores` (n,), `labels` (n,): of all detectors. `shares` (n,): w of the detector of each; None: 1.
    `counts`: for each label how many detectors know the class and the sum of their shares; None: one detector.
    """
    weighed = scores.astype(np.float64) * (1.0 if shares is None else shares)
    centres = np.zeros((len(boxes), 4))  # fused boxes so far
    sums = np.zeros((len(boxes), 6))  # of C_i X_i (4), of C_i, and T
    kinds, strongest = np.zeros(len(boxes), np.int64), np.zeros(len(boxes), np.int64)
    begun = 0
    for row in np.argsort(-weighed, kind="stable").tolist():
        overlaps = iou_matrix(boxes[row : row + 1].astype(np.float64), centres[:begun])[0]
        overlaps[kinds[:begun] != labels[row]] = 0.0
        place = int(overlaps.argmax()) if begun else 0
        if not begun or overlaps[place] <= iou:
            place, begun = begun, begun + 1
            kinds[place], strongest[place] = labels[row], row
        sums[place] += [*(boxes[row] * weighed[row]), weighed[row], 1.0]
        if sums[place, 4] > 0:
            centres[place] = sums[place, :4] / sums[place, 4]
        else:  # nothing that joined so far weighs anything: eq. 2 says nothing
            centres[place] = boxes[strongest[place]]
    total, number = sums[:begun, 4], sums[:begun, 5]
    found = total / np.maximum(number, 1)
    if counts is not None:
        known, weight = np.array(counts, np.float64).reshape(-1, 2)[kinds[:begun]].T
        found = found * np.minimum(number, known) / weight
    order = np.argsort(-found, kind="stable")
    return Fused(
        centres[order].astype(np.float32),
        np.clip(found[order], 0, 1).astype(np.float32),
        kinds[order],
        strongest[order],
    )
