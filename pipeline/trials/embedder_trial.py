"""An embedder tried on the people of sequences: does it know them again a second later?"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import FormatError
from pipeline.evaluation.reid import LEAST_SECONDS, Crops, rank_one, same_different_auc
from pipeline.models.base import Embedder, Segmenter
from pipeline.stages import outline
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
    milliseconds: float  # mean a crop, from the frame to a feature; its mask was drawn before
    masks: int | None = None  # crops that have one; None: nobody drew any


@dataclass(frozen=True, slots=True)
class _Described:
    """Crops with their features."""

    crops: Crops
    seconds: float  # that it took to describe them
    masks: int  # crops that have one


def try_embedder(
    embedder: Embedder,
    sequences: Sequence[MotSequence],
    *,
    opened: OpenSource,
    segmenter: Segmenter | None = None,
    every: int = 1,
    least_seconds: float = LEAST_SECONDS,
    told: Told = lambda _: None,
) -> list[SequenceResult]:
    """Describe every true box that counts, of every n-th frame; one result a sequence, and one of all.

    `segmenter`: draws the masks that the embedder is shown with the boxes, which are all of label 0.
    Raises FormatError where nothing can be compared.
    """
    described = [
        _describe(embedder, segmenter, sequence, number, opened=opened, every=every, told=told)
        for number, sequence in enumerate(sequences)
    ]
    names = [sequence.name for sequence in sequences]
    if len(described) > 1:
        crops = Crops.joined([one.crops for one in described])
        seconds, masks = sum(one.seconds for one in described), sum(one.masks for one in described)
        described.append(_Described(crops, seconds, masks))
        names.append(POOLED)
    results = [_result(name, one, least_seconds) for name, one in zip(names, described, strict=True)]
    return [replace(one, masks=None) for one in results] if segmenter is None else results


def _describe(
    embedder: Embedder,
    segmenter: Segmenter | None,
    sequence: MotSequence,
    number: int,
    *,
    opened: OpenSource,
    every: int,
    told: Told,
) -> _Described:
    """Crops of a sequence."""
    people = sequence.people[~sequence.ignored]
    features, rows = [np.zeros((0, embedder.card.dimension or 0), np.float32)], [np.zeros(0, np.int64)]
    seconds, masks = 0.0, 0
    for count, frame in enumerate(sequence.frames(opened, every), start=1):
        own = np.flatnonzero(people.frames == frame.index + 1)
        boxes = people.boxes[own].astype(np.float32)
        bare = Detections(boxes, np.ones(len(own), np.float32), np.zeros(len(own), np.int64))
        [found] = outline(segmenter, [frame], [bare])
        masks += 0 if found.masks is None else sum(bool(crop.any()) for crop in found.masks.crops)
        begin = time.perf_counter()
        features += embedder.embed([frame], [found])
        seconds += time.perf_counter() - begin
        rows.append(own)
        told(count)
    chosen = np.concatenate(rows)
    times = (people.frames[chosen] - 1) / sequence.frame_rate
    crops = Crops(np.concatenate(features), people.ids[chosen], np.full(len(chosen), number), times)
    return _Described(crops, seconds, masks)


def _result(name: str, described: _Described, least_seconds: float) -> SequenceResult:
    crops = described.crops
    try:
        auc, first = (
            same_different_auc(crops, least_seconds=least_seconds),
            rank_one(crops, least_seconds=least_seconds),
        )
    except FormatError as error:
        raise FormatError(f"{name}: {error}") from error
    people = len(np.unique(np.stack([crops.sequences, crops.identities]), axis=1).T)
    milliseconds = 1000 * described.seconds / max(1, len(crops))
    return SequenceResult(name, len(crops), people, auc, first, milliseconds, described.masks)
