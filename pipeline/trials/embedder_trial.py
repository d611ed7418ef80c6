"""An embedder tried on the people of sequences: does it know them again a second later?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import FormatError
from pipeline.evaluation.reid import LEAST_SECONDS, Crops, rank_one, same_different_auc
from pipeline.models.base import Embedder
from pipeline.trials.mot_sequence import MotSequence, OpenSource
from trackers.structures import Detections

POOLED = "ALL"

Told = Callable[[int], None]  # frames so far


@dataclass(frozen=True, slots=True)
class SequenceResult:
    """What came out on one sequence, or on all of them."""

    name: str
    crops: int
    identities: int
    auc: float  # same/different, 0..1
    rank_one: float  # 0..1
    milliseconds: float  # mean a crop, from the frame to a feature


def try_embedder(
    embedder: Embedder,
    sequences: Sequence[MotSequence],
    *,
    opened: OpenSource,
    every: int = 1,
    least_seconds: float = LEAST_SECONDS,
    told: Told = lambda _: None,
) -> list[SequenceResult]:
    """Describe every true box that counts, of every n-th frame; one result a sequence, and one of all.

    Raises FormatError where nothing can be compared.
    """
    tried = []
    for number, sequence in enumerate(sequences):
        crops, seconds = _describe(embedder, sequence, number, opened=opened, every=every, told=told)
        tried.append((sequence.name, crops, seconds))
    results = [_result(name, crops, seconds, least_seconds) for name, crops, seconds in tried]
    if len(tried) == 1:
        return results
    parts = [crops for _, crops, _ in tried]
    return [*results, _result(POOLED, Crops.joined(parts), sum(seconds for *_, seconds in tried), least_seconds)]


def _describe(
    embedder: Embedder, sequence: MotSequence, number: int, *, opened: OpenSource, every: int, told: Told
) -> tuple[Crops, float]:
    """Crops of a sequence, and the seconds it took to describe them."""
    people = sequence.people[~sequence.ignored]
    features, rows, seconds = [np.zeros((0, embedder.card.dimension or 0), np.float32)], [np.zeros(0, np.int64)], 0.0
    for count, frame in enumerate(sequence.frames(opened, every), start=1):
        own = np.flatnonzero(people.frames == frame.index + 1)
        boxes = people.boxes[own].astype(np.float32)
        begin = time.perf_counter()
        features += embedder.embed(
            [frame], [Detections(boxes, np.ones(len(own), np.float32), np.zeros(len(own), np.int64))]
        )
        seconds += time.perf_counter() - begin
        rows.append(own)
        told(count)
    chosen = np.concatenate(rows)
    times = (people.frames[chosen] - 1) / sequence.frame_rate
    return Crops(np.concatenate(features), people.ids[chosen], np.full(len(chosen), number), times), seconds


def _result(name: str, crops: Crops, seconds: float, least_seconds: float) -> SequenceResult:
    try:
        auc, first = (
            same_different_auc(crops, least_seconds=least_seconds),
            rank_one(crops, least_seconds=least_seconds),
        )
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from error
    people = len(np.unique(np.stack([crops.sequences, crops.identities]), axis=1).T)
    return SequenceResult(name, len(crops), people, auc, first, 1000 * seconds / max(1, len(crops)))
