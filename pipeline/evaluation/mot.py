"""Scores of multi-object tracking, CLEAR, Identity and HOTA, as pure functions of what was where in each frame.

The conventions are those of TrackEval, the evaluator of MOTChallenge: they decide the details that the papers leave
open, and are named where they do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.evaluation.scores import ALPHAS, Clear, Hota, Identity, Scores
from trackers.structures import BoolArray, FloatArray, IntArray

THRESHOLD = 0.5  # similarity from which CLEAR and Identity accept a pair
_EPSILON = np.finfo(np.float64).eps  # a similarity one rounding below a threshold still reaches it
_KEEP = 1000.0  # outweighs any sum of similarities in a frame: continuing a match beats a closer one


@dataclass(frozen=True, slots=True, eq=False)
class FramePair:
    """What there was and what was tracked in one frame."""

    truth: IntArray  # (g,) ids of the true objects, each at most once
    tracks: IntArray  # (t,) ids of the tracks, each at most once
    similarity: FloatArray  # (g, t) 0..1, for boxes their IoU

    def __post_init__(self) -> None:
        if self.similarity.shape != (len(self.truth), len(self.tracks)):
            shape = (len(self.truth), len(self.tracks))
            raise ValueError(f"similarity must be {shape}, got {self.similarity.shape}")


def evaluate(frames: Sequence[FramePair]) -> Scores:
    """Score one sequence. `frames`: all of them in order, empty ones too."""
    return Scores(hota(frames), clear(frames), identity(frames))


def clear(frames: Sequence[FramePair], *, threshold: float = THRESHOLD) -> Clear:
    """Match frame by frame, continuing the matches of the frame before wherever they still overlap enough.

    A switch is told against the object's last match however long ago (Bernardin & Stiefelhagen 2008, section 2.1).
    Frames without an object or without a track end no match: TrackEval passes over them.
    """
    frames, objects, _ = _renumber(frames)
    present, matched, starts = np.zeros((3, objects), np.int64)
    last = np.full(objects, -1)  # the track each object was matched to last
    before = np.full(objects, -1)  # the track it was matched to in the frame before
    idsw, similarity = 0, 0.0
    for frame in frames:
        present[frame.truth] += 1
        if not frame.similarity.size:
            continue
        rows, columns = _continuing_pairs(frame, before[frame.truth], threshold=threshold)
        found, by = frame.truth[rows], frame.tracks[columns]
        idsw += int(np.count_nonzero((last[found] >= 0) & (last[found] != by)))
        starts[found[before[found] < 0]] += 1
        matched[found] += 1
        last[found] = by
        before = np.full(objects, -1)
        before[found] = by
        similarity += float(frame.similarity[rows, columns].sum())
    tp, share = int(matched.sum()), matched / np.maximum(1, present)
    return Clear(
        tp=tp,
        fp=sum(len(frame.tracks) for frame in frames) - tp,
        fn=int(present.sum()) - tp,
        idsw=idsw,
        frag=int(np.maximum(starts - 1, 0).sum()),
        mt=int(np.count_nonzero(share > 0.8)),
        pt=int(np.count_nonzero((share >= 0.2) & (share <= 0.8))),
        ml=int(np.count_nonzero(share < 0.2)),
        similarity=similarity,
        frames=len(frames),
    )


def identity(frames: Sequence[FramePair], *, threshold: float = THRESHOLD) -> Identity:
    """Pair whole tracks with whole objects so that the most boxes overlap (Ristani et al. 2016).

    Their minimum of IDFP + IDFN over a bipartite graph with dummy nodes is the maximum of IDTP without them, for
    IDFP + IDFN = true boxes + tracked boxes - 2 IDTP and no pairing costs nothing.
    """
    frames, objects, tracks = _renumber(frames)
    overlaps = np.zeros((objects, tracks))
    for frame in frames:
        rows, columns = np.nonzero(frame.similarity >= threshold)  # without CLEAR's epsilon, as TrackEval
        overlaps[frame.truth[rows], frame.tracks[columns]] += 1
    idtp = int(overlaps[linear_sum_assignment(overlaps, maximize=True)].sum())
    return Identity(
        idtp=idtp,
        idfp=sum(len(frame.tracks) for frame in frames) - idtp,
        idfn=sum(len(frame.truth) for frame in frames) - idtp,
    )


def hota(frames: Sequence[FramePair]) -> Hota:
    """Match each frame so that pairs which belong together over the whole sequence win, then score at each alpha.

    One matching a frame serves every alpha, as TrackEval does it: it maximises similarity weighted by the global
    alignment (Luiten et al. 2021); pairs below an alpha drop out afterwards.
    """
    frames, objects, tracks = _renumber(frames)
    alignment, of_object, of_track = _global_alignment(frames, objects, tracks)
    codes: list[IntArray] = [np.zeros(0, np.int64)]
    similarities: list[FloatArray] = [np.zeros(0)]
    for frame in frames:
        weight = alignment[np.ix_(frame.truth, frame.tracks)]
        rows, columns = linear_sum_assignment(weight * frame.similarity, maximize=True)
        codes.append(frame.truth[rows] * max(1, tracks) + frame.tracks[columns])
        similarities.append(frame.similarity[rows, columns])
    code, similarity = np.concatenate(codes), np.concatenate(similarities)
    pairs, pair = np.unique(code, return_inverse=True)
    hits = similarity[:, None] >= ALPHAS - _EPSILON  # (matched, 19)
    together = _count_pairs(pair, hits, len(pairs))  # (pairs, 19) TPA of every pair of an object and a track
    seen, tracked = of_object[pairs // max(1, tracks), None], of_track[pairs % max(1, tracks), None]
    tp = np.count_nonzero(hits, axis=0)
    return Hota(
        tp=tp,
        fn=of_object.sum() - tp,
        fp=of_track.sum() - tp,
        association=(together * together / np.maximum(1, seen + tracked - together)).sum(0),
        association_recall=(together * together / np.maximum(1, seen)).sum(0),
        association_precision=(together * together / np.maximum(1, tracked)).sum(0),
        similarity=(similarity[:, None] * hits).sum(0),
    )


def _global_alignment(frames: Sequence[FramePair], objects: int, tracks: int) -> tuple[FloatArray, IntArray, IntArray]:
    """Jaccard index (objects, tracks) of every object and track over the sequence, and the frames that each has.

    Before any matching, a pair counts in a frame by its share of the row's and the column's similarity, so that a
    crowd of boxes around an object does not align with all of them fully.
    """
    shared = np.zeros((objects, tracks))
    of_object, of_track = np.zeros(objects, np.int64), np.zeros(tracks, np.int64)
    for frame in frames:
        similarity = frame.similarity
        around = similarity.sum(0)[None, :] + similarity.sum(1)[:, None] - similarity
        share = np.divide(similarity, around, out=np.zeros(similarity.shape), where=around > _EPSILON)
        shared[np.ix_(frame.truth, frame.tracks)] += share
        of_object[frame.truth] += 1
        of_track[frame.tracks] += 1
    return shared / (of_object[:, None] + of_track[None, :] - shared), of_object, of_track


def _count_pairs(pair: IntArray, hits: BoolArray, pairs: int) -> FloatArray:
    """How often each of `pairs` occurs among the hits of each column: (pairs, alphas). `pair`: (matched,)."""
    counts = np.zeros((pairs, hits.shape[1]))
    np.add.at(counts, pair, hits)
    return counts


def _continuing_pairs(frame: FramePair, before: IntArray, *, threshold: float) -> tuple[IntArray, IntArray]:
    """Rows and columns of CLEAR's matching in a frame. `before`: (g,) the track each object had, -1 for none."""
    kept = before[:, None] == frame.tracks[None, :]
    score = np.where(frame.similarity >= threshold - _EPSILON, _KEEP * kept + frame.similarity, 0.0)
    rows, columns = linear_sum_assignment(score, maximize=True)
    real = score[rows, columns] > _EPSILON
    return rows[real], columns[real]


def _renumber(frames: Sequence[FramePair]) -> tuple[list[FramePair], int, int]:
    """Ids as 0, 1, 2 ..., so that they index arrays; and how many objects and tracks there are."""
    truth, objects = _positions([frame.truth for frame in frames])
    tracks, tracked = _positions([frame.tracks for frame in frames])
    pairs = [FramePair(own, other, frame.similarity) for own, other, frame in zip(truth, tracks, frames, strict=True)]
    return pairs, objects, tracked


def _positions(ids: list[IntArray]) -> tuple[list[IntArray], int]:
    known, dense = np.unique(np.concatenate([np.zeros(0, np.int64), *ids]), return_inverse=True)
    return np.split(dense, np.cumsum([len(column) for column in ids])[:-1]) if ids else [], len(known)
