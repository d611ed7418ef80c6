"""Results of CLEAR, Identity and HOTA: counts, their ratios, and pooling over sequences.

Each result holds counts and sums only; ratios are properties. So the results of several sequences pool by addition
(`combine`), and no score is an average of averages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np

from trackers.structures import FloatArray, IntArray

ALPHAS: FloatArray = np.arange(1, 20) / 20  # (19,) 0.05 .. 0.95, the localisation thresholds of HOTA
ALPHAS.setflags(write=False)


@dataclass(frozen=True, slots=True)
class Clear:
    """Counts of CLEAR (Bernardin & Stiefelhagen 2008)."""

    tp: int  # matched pairs
    fp: int  # tracked boxes without an object
    fn: int  # true boxes without a track
    idsw: int  # matches whose object was last matched to another track
    frag: int  # times an object was matched again after a frame in which it was not, or was not there
    mt: int  # objects matched in more than 80 % of their frames
    pt: int  # objects in between
    ml: int  # objects matched in less than 20 % of their frames
    similarity: float  # sum over the matched pairs
    frames: int  # all of the sequence, empty ones too

    @property
    def mota(self) -> float:
        """1 - (FN + FP + IDSW) / true boxes (their eq. 2); may be negative; 0 where there is no true box."""
        boxes = self.tp + self.fn
        return (self.tp - self.fp - self.idsw) / boxes if boxes else 0.0

    @property
    def motp(self) -> float:
        """Mean similarity of the matched pairs (their eq. 1, as an overlap and not a distance)."""
        return self.similarity / max(1, self.tp)

    @property
    def recall(self) -> float:
        """Share of the true boxes that were matched."""
        return self.tp / max(1, self.tp + self.fn)

    @property
    def precision(self) -> float:
        """Share of the tracked boxes that were matched."""
        return self.tp / max(1, self.tp + self.fp)


@dataclass(frozen=True, slots=True)
class Identity:
    """Counts of the Identity scores (Ristani et al. 2016): boxes under the best one-to-one pairing of whole tracks."""

    idtp: int  # overlapping boxes of paired tracks
    idfp: int  # all other tracked boxes
    idfn: int  # all other true boxes

    @property
    def idf1(self) -> float:
        """2 IDTP / (2 IDTP + IDFP + IDFN)."""
        return self.idtp / max(1.0, self.idtp + 0.5 * self.idfp + 0.5 * self.idfn)

    @property
    def idp(self) -> float:
        """IDTP / (IDTP + IDFP)."""
        return self.idtp / max(1, self.idtp + self.idfp)

    @property
    def idr(self) -> float:
        """IDTP / (IDTP + IDFN)."""
        return self.idtp / max(1, self.idtp + self.idfn)


@dataclass(frozen=True, slots=True, eq=False)
class Hota:
    """Counts and sums of HOTA (Luiten et al. 2021), one for each of `ALPHAS`; properties average over them.

    Sums run over the matched pairs c of an alpha. TPA(c), FNA(c), FPA(c): frames in which the object and the track of
    c are matched to each other, in which the object is not matched to this track, the track not to this object.
    """

    tp: IntArray  # (19,) matched pairs
    fn: IntArray  # (19,) true boxes without a track
    fp: IntArray  # (19,) tracked boxes without an object
    association: FloatArray  # (19,) sum of TPA / (TPA + FNA + FPA)
    association_recall: FloatArray  # (19,) sum of TPA / (TPA + FNA)
    association_precision: FloatArray  # (19,) sum of TPA / (TPA + FPA)
    similarity: FloatArray  # (19,) sum of the pairs' similarities

    @property
    def det_a_curve(self) -> FloatArray:
        """DetA at each alpha (19,): TP / (TP + FN + FP)."""
        return _share(self.tp, self.tp + self.fn + self.fp)

    @property
    def ass_a_curve(self) -> FloatArray:
        """AssA at each alpha (19,): mean over the matched pairs of TPA / (TPA + FNA + FPA)."""
        return _share(self.association, self.tp)

    @property
    def hota_curve(self) -> FloatArray:
        """HOTA at each alpha (19,): geometric mean of DetA and AssA."""
        return np.sqrt(self.det_a_curve * self.ass_a_curve)

    @property
    def hota(self) -> float:
        """Higher order tracking accuracy, mean over alpha."""
        return float(self.hota_curve.mean())

    @property
    def det_a(self) -> float:
        """Detection accuracy, mean over alpha."""
        return float(self.det_a_curve.mean())

    @property
    def ass_a(self) -> float:
        """Association accuracy, mean over alpha."""
        return float(self.ass_a_curve.mean())

    @property
    def det_re(self) -> float:
        """Detection recall TP / (TP + FN), mean over alpha."""
        return float(_share(self.tp, self.tp + self.fn).mean())

    @property
    def det_pr(self) -> float:
        """Detection precision TP / (TP + FP), mean over alpha."""
        return float(_share(self.tp, self.tp + self.fp).mean())

    @property
    def ass_re(self) -> float:
        """Association recall, mean over alpha."""
        return float(_share(self.association_recall, self.tp).mean())

    @property
    def ass_pr(self) -> float:
        """Association precision, mean over alpha."""
        return float(_share(self.association_precision, self.tp).mean())

    @property
    def loc_a(self) -> float:
        """Localisation accuracy: mean similarity of the pairs, mean over alpha; 1 at an alpha without pairs."""
        curve = np.divide(self.similarity, self.tp, out=np.ones(len(ALPHAS)), where=self.tp > 0)
        return float(curve.mean())


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """The three families of scores of one sequence, or of several pooled."""

    hota: Hota
    clear: Clear
    identity: Identity


def combine(results: Sequence[Scores]) -> Scores:
    """Pool sequences by adding their counts. `results`: one or more; ValueError where there is none."""
    if not results:
        raise ValueError("no results to combine")
    return Scores(
        hota=_pool([result.hota for result in results]),
        clear=_pool([result.clear for result in results]),
        identity=_pool([result.identity for result in results]),
    )


def _share(part: FloatArray | IntArray, whole: IntArray) -> FloatArray:
    return np.asarray(part / np.maximum(1, whole))


_Counts = TypeVar("_Counts", Hota, Clear, Identity)


def _pool(results: list[_Counts]) -> _Counts:
    totals: dict[str, Any] = {
        field.name: sum(getattr(result, field.name) for result in results) for field in fields(results[0])
    }
    return type(results[0])(**totals)
