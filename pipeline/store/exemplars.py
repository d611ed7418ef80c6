"""One model's exemplars in memory: which track they show and when, whose they are now, and their unit vectors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipeline.store.vector import Float32Array
from trackers.structures import FloatArray, IntArray

NOBODY = -1  # owner of an exemplar that no object holds
_BLOCK = 1024  # rows multiplied exactly at once
_ALONE = 1 << 19  # multiplications that OpenBLAS does in one thread
_FEWEST = 32  # rows a block
_LARGE = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Which part of which track belongs to which object, in any order. Row i of every column is one part."""

    tracks: IntArray  # (m,) int64
    from_at: IntArray  # (m,) int64 microseconds UTC
    to_at: IntArray  # (m,) int64 exclusive
    objects: IntArray  # (m,) int64

    def owners(self, tracks: IntArray, at: IntArray) -> IntArray:
        """(n,) object, or NOBODY, that holds each of `tracks` (n,) at the time `at` (n,)."""
        if not len(self.tracks):
            return np.full(len(tracks), NOBODY)
        asked = np.repeat([False, True], [len(self.tracks), len(tracks)])
        order = np.lexsort((asked, np.concatenate([self.from_at, at]), np.concatenate([self.tracks, tracks])))
        place = np.maximum.accumulate(np.where(asked[order], 0, np.arange(len(order))))
        last = np.empty_like(order)
        last[order] = order[place]  # the part that began last, of this track or one before, if any
        last = last[asked]
        part = np.where(last < len(self.tracks), last, 0)
        held = (last < len(self.tracks)) & (self.tracks[part] == tracks) & (at < self.to_at[part])
        return np.where(held, self.objects[part], NOBODY)


@dataclass(frozen=True, eq=False)  # no slots: `owners` is kept
class Exemplars:
    """Row i of every column is the same exemplar."""

    ids: IntArray  # (n,) int64 rows of `embeddings`, rising
    tracks: IntArray  # (n,) int64
    at: IntArray  # (n,) int64 microseconds UTC
    vectors: Float32Array  # (n, d) of length 1; a stored row of zeros stays zeros
    objects: IntArray  # (n,) int64 rows of `objects`, or NOBODY

    @classmethod
    def none(cls, dimension: int) -> Exemplars:
        """No row."""
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing, np.zeros((0, dimension), np.float32), nothing)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def owners(self) -> tuple[IntArray, IntArray]:
        """The objects (m,), rising, perhaps with NOBODY, and where in them each row's (n,) is."""
        objects, places = np.unique(self.objects, return_inverse=True)
        return objects, places

    def same_as(self, ids: IntArray, tracks: IntArray, at: IntArray) -> IntArray:
        """(n,) the row here that is the exemplar `ids` of `tracks` at the times `at` (n,), -1 if there is none."""
        if not len(self):
            return np.full(len(ids), -1)
        row = np.minimum(np.searchsorted(self.ids, ids), len(self) - 1)
        same = (self.ids[row] == ids) & (self.tracks[row] == tracks) & (self.at[row] == at)
        return np.where(same, row, -1)


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """Objects by falling likeness, among equals by rising row id. Row i of every column is the same object."""

    objects: IntArray  # (k,) int64 rows of `objects`
    cosines: FloatArray  # (k,) float64 of the best pair of query and exemplar
    rows: IntArray  # (k,) that exemplar, row of Exemplars


class Likeness:
    """How like the query each object is: computed in float32 for all, exactly for those that may be among the best.

    A product of two float32 unit vectors is off by less than d * 2^-24 in whatever order it is summed. What lies within
    twice that of the k-th best is multiplied again in float64, so that the order is that of the exact cosines.
    """

    def __init__(self, exemplars: Exemplars, query: Float32Array) -> None:
        """`query` (q, d): unit vectors, at least one; the best of them counts."""
        self._exemplars, self._query = exemplars, query
        self._margin = exemplars.vectors.shape[1] * float(np.finfo(np.float32).eps)  # twice the bound
        self._objects, self._places = exemplars.owners
        self._scores = _best_products(exemplars.vectors, query)
        self._best = np.full(len(self._objects), -np.inf, np.float32)
        np.maximum.at(self._best, self._places, self._scores)

    @property
    def objects(self) -> IntArray:
        """(m,) all that could be found, rising."""
        return np.asarray(self._objects[self._objects != NOBODY])

    def first(self, k: int, among: IntArray) -> Ranked:
        """The k objects most like the query of those in `among` (m,), or all of them if there are fewer."""
        wanted = np.isin(self._objects, among) & (self._objects != NOBODY)
        best = self._best[wanted]
        k = min(k, len(best))
        if k < 1:
            return Ranked(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))
        limit = np.partition(best, len(best) - k)[len(best) - k]
        rows = np.flatnonzero(self._scores >= limit - 2 * self._margin)
        rows = rows[wanted[self._places[rows]]]
        cosines, objects = self._exactly(rows), self._exemplars.objects[rows]
        order = np.lexsort((rows, -cosines, objects))  # the best exemplar of each object first
        order = order[np.diff(objects[order], prepend=NOBODY) != 0]
        order = order[np.lexsort((objects[order], -cosines[order]))][:k]
        return Ranked(objects[order], cosines[order], rows[order])

    def _exactly(self, rows: IntArray) -> FloatArray:
        """(n,) the best product of each row in float64. Equal rows give equal numbers, which BLAS does not promise."""
        query = self._query.astype(np.float64)
        found = np.empty(len(rows))
        for start in range(0, len(rows), _BLOCK):
            block = self._exemplars.vectors[rows[start : start + _BLOCK]].astype(np.float64)
            products = np.stack([(block * one).sum(axis=1) for one in query])
            found[start : start + _BLOCK] = products.max(axis=0)
        return found


def unit(vectors: FloatArray) -> Float32Array:
    """(n, d) rows of length 1; a row of zeros stays as it is."""
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    return np.asarray(np.divide(exact, lengths, out=exact, where=lengths > 0), np.float32)


def _best_products(vectors: Float32Array, query: Float32Array) -> Float32Array:
    """(n,) for each of `vectors` (n, d) the largest product with a row of `query` (q, d).

    Several rows are multiplied at once with blocks so small that BLAS takes no second thread for them: its threads wait
    for each other at every call, which costs seconds where other processes keep the cores busy.
    """
    if len(query) == 1:
        return np.asarray(vectors @ query[0])
    found = np.empty(len(vectors), np.float32)
    step = _ALONE // query.size
    if step < _FEWEST:  # very many or very long: few large products instead
        step = _LARGE
    for start in range(0, len(vectors), step):
        np.max(query @ vectors[start : start + step].T, axis=0, out=found[start : start + step])
    return found
