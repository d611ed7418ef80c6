"""What an invented large store holds, as columns: who was seen where, when, for how long. One seed, one plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trackers.structures import Evidence, FloatArray, IntArray

CLASSES = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
_CLASS_SHARES = (0.55, 0.08, 0.25, 0.04, 0.03, 0.05)
_EVIDENCE_SHARES = (0.84, 0.05, 0.03, 0.03, 0.05)  # in the order of Evidence
_SPELL = 6  # observations that share their evidence
DAY = 24 * 3600 * 1_000_000  # microseconds
FIRST_DAY = 1_795_132_800 * 1_000_000  # 2026-11-20 00:00 UTC
WIDTH, HEIGHT = 1920, 1080  # pixels of every source
_CHUNK = 50_000  # observations that are made at once
_EXEMPLARS = (1, 2, 3)  # of a track that has any; 2 on average
_LONGEST_SHARE = 0.0025  # of all observations: a car that stays parked for an hour
_TRACKS_A_PARKED_CAR = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class SourcePlan:
    """Row i of every column is one source in one run."""

    runs: IntArray  # (n,) index of the run
    sources: IntArray  # (n,) index of the source
    first_at: IntArray  # (n,) microseconds UTC
    end_at: IntArray  # (n,)
    step: IntArray  # (n,) microseconds between two frames

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def frames(self) -> IntArray:
        """(n,) how many there are."""
        return (self.end_at - self.first_at) // self.step


@dataclass(frozen=True, slots=True, eq=False)
class TrackPlan:
    """Row i of every column is one track, in order of run, source and birth."""

    rows: IntArray  # (n,) row of SourcePlan
    local_ids: IntArray  # (n,) from 1 in every source of a run
    class_ids: IntArray  # (n,)
    counts: IntArray  # (n,) observations
    first_frames: IntArray  # (n,)
    score_max: FloatArray  # (n,) float32
    qualities: FloatArray  # (n,) float32 of the best crop
    corners: FloatArray  # (n, 2) float32 x y of the first box, pixels
    sizes: FloatArray  # (n, 2) float32 width height, pixels
    motion: FloatArray  # (n, 2) float32 pixels an observation
    exemplars: IntArray  # (n,) feature vectors beside the mean; 0: no vector at all
    identities: IntArray  # (n,) who it is: tracks of one identity look alike

    def __len__(self) -> int:
        return len(self.rows)

    def chunks(self) -> Iterator[slice]:
        """Tracks that follow each other, with about 50,000 observations together."""
        begin, total = 0, 0
        for i, count in enumerate(self.counts.tolist()):
            total += count
            if total >= _CHUNK:
                yield slice(begin, i + 1)
                begin, total = i + 1, 0
        if begin < len(self):
            yield slice(begin, len(self))


@dataclass(frozen=True, slots=True, eq=False)
class ObservationPlan:
    """Row i of every column is one observation, in order of track and time."""

    tracks: IntArray  # (n,) row of TrackPlan
    order: IntArray  # (n,) 0 for the first of its track
    frames: IntArray  # (n,)
    at: IntArray  # (n,) microseconds UTC
    boxes: FloatArray  # (n, 4) float32 x1 y1 x2 y2, pixels
    scores: FloatArray  # (n,) float32
    evidence: IntArray  # (n,) Evidence


def plan_sources(runs: int, sources: int, rng: np.random.Generator) -> SourcePlan:
    """Every run reads some of the sources, every source is read; all within one day."""
    pairs = {(i % runs, i) for i in range(sources)}
    for run in range(runs):
        more = rng.choice(sources, size=min(sources, int(rng.integers(4, 12))), replace=False)
        pairs |= {(run, int(source)) for source in more}
    table = np.array(sorted(pairs), np.int64)
    length = rng.integers(3 * 3600, 6 * 3600, len(table)) * 1_000_000
    first = FIRST_DAY + (rng.random(len(table)) * (DAY - length)).astype(np.int64)
    step = rng.choice([40_000, 66_667, 100_000, 200_000], len(table))
    return SourcePlan(table[:, 0], table[:, 1], first, first + length, step)


def plan_tracks(tracks: int, observations: int, sources: SourcePlan, rng: np.random.Generator) -> TrackPlan:
    """`tracks` tracks with exactly `observations` observations together; at least two each."""
    rows = np.sort(rng.integers(0, len(sources), tracks))
    counts = _counts(tracks, observations, rng)
    room = np.maximum(sources.frames[rows] - counts, 1)
    born = (rng.beta(2, 2, tracks) * room).astype(np.int64)  # more around the middle than at both ends
    order = np.lexsort((born, rows))
    born, counts = born[order], counts[order]
    begins = np.searchsorted(rows, np.arange(len(sources)))
    score_max = rng.beta(6, 2, tracks).astype(np.float32)
    height = np.exp(rng.normal(4.6, 0.5, tracks)).clip(24, 700)
    width = height * rng.uniform(0.35, 1.6, tracks)
    spare = np.stack([WIDTH - width, HEIGHT - height], 1).clip(1)
    return TrackPlan(
        rows=rows,
        local_ids=np.arange(tracks) - begins[rows] + 1,
        class_ids=rng.choice(len(CLASSES), tracks, p=_CLASS_SHARES),
        counts=counts,
        first_frames=born,
        score_max=score_max,
        qualities=(score_max * rng.uniform(0.2, 0.8, tracks)).astype(np.float32),
        corners=(rng.random((tracks, 2)) * spare).astype(np.float32),
        sizes=np.stack([width, height], 1).astype(np.float32),
        motion=(rng.normal(0, 250, (tracks, 2)) / np.maximum(counts, 25)[:, None]).astype(np.float32),
        exemplars=np.where(rng.random(tracks) < 0.25, rng.choice(_EXEMPLARS, tracks), 0),
        identities=rng.integers(0, max(tracks // 20, 1), tracks),
    )


def observe(plan: TrackPlan, sources: SourcePlan, chosen: slice, rng: np.random.Generator) -> ObservationPlan:
    """The observations of some tracks."""
    counts = plan.counts[chosen]
    tracks = np.repeat(np.arange(chosen.start, chosen.stop), counts)
    n = len(tracks)
    order = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    frames = plan.first_frames[tracks] + order
    rows = plan.rows[tracks]
    corner = plan.corners[tracks] + plan.motion[tracks] * order[:, None] + rng.normal(0, 0.8, (n, 2))
    boxes = np.concatenate([corner, corner + plan.sizes[tracks]], 1)
    scores = plan.score_max[tracks] * rng.uniform(0.7, 1.0, n)
    best = order == counts[tracks - chosen.start] // 2
    spells = rng.choice(len(Evidence), n // _SPELL + 1, p=_EVIDENCE_SHARES)
    evidence = np.repeat(spells, _SPELL)[:n]
    evidence[(order == 0) | best] = Evidence.DETECTED
    scores[best] = plan.score_max[tracks[best]]
    return ObservationPlan(
        tracks=tracks,
        order=order,
        frames=frames,
        at=sources.first_at[rows] + frames * sources.step[rows],
        boxes=boxes.clip(0, [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(np.float32),
        scores=scores.astype(np.float32),
        evidence=evidence,
    )


def _counts(tracks: int, observations: int, rng: np.random.Generator) -> IntArray:
    """(tracks,) lognormal, at least 2, with a few tracks that last for an hour; the sum is exact."""
    parked = rng.choice(tracks, tracks // _TRACKS_A_PARKED_CAR, replace=False)
    shares = np.exp(rng.normal(0, 1.1, tracks))
    shares[parked] = 0
    left = observations - 2 * tracks - len(parked) * round(observations * _LONGEST_SHARE)
    counts = 2 + np.floor(shares / shares.sum() * left).astype(np.int64)
    counts[parked] += round(observations * _LONGEST_SHARE)
    missing = observations - int(counts.sum())
    counts[rng.choice(np.setdiff1d(np.arange(tracks), parked), missing, replace=False)] += 1
    return counts
