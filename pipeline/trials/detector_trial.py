"""A detector tried on pictures whose truth is known: scores of every class, the time it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import ConfigError, SourceError
from pipeline.evaluation.detection import DetectionScores, FoundBoxes, Judged, TrueBoxes, judge, score
from pipeline.models.base import Detector
from pipeline.training.class_map import ClassMap
from pipeline.trials.truth_set import TruthSet, boxes_as_truth
from trackers.structures import Detections, FloatArray, IntArray

POOLED = "ALL"
_WARM_UP = 3  # pictures whose time does not count, where there are more

Told = Callable[[int], None]  # pictures so far


@dataclass(frozen=True, slots=True, eq=False)
class SetResult:
    """What came out on one set of pictures, or on all of them."""

    name: str
    pictures: int
    milliseconds: float  # median a picture, from the picture to boxes
    judged: Judged
    scores: DetectionScores


@dataclass(frozen=True, slots=True, eq=False)
class DetectorResult:
    """What came out on every set."""

    classes: tuple[str, ...]
    sets: tuple[SetResult, ...]
    pooled: SetResult  # all pictures of all sets as one


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """Columns of one set, before they are judged."""

    truth: TrueBoxes
    found: FoundBoxes
    pictures: int
    milliseconds: FloatArray  # of each picture whose time counts


def try_detector(
    detector: Detector, truths: Sequence[TruthSet], *, classes: str | None = None, told: Told = lambda _: None
) -> DetectorResult:
    """Run the detector on every picture and score it.

    `classes`: as `ClassMap.parse`, of the truth's and the detector's names alike; None: those that both have. In a set
    that does not mark a class, boxes of that class do not count. Raises ConfigError where nothing can be compared.
    """
    known = tuple(dict.fromkeys(name for one in truths for name in one.classes))
    chosen = shared_classes(detector.card.classes, known, classes)
    marked = [chosen.labels(one.classes)[one.truth.labels[~one.truth.ignored]] for one in truths]
    if not any((labels >= 0).any() for labels in marked):
        raise ConfigError(
            f"there is no {' and no '.join(chosen.names)} in the truth ({_some([one.name for one in truths])}): "
            "nothing to find; check --truth and --classes"
        )
    tried = [_try(detector, one, chosen, told) for one in truths]
    sets = [_result(one.name, part, chosen) for one, part in zip(truths, tried, strict=True)]
    return DetectorResult(chosen.names, tuple(sets), _result(POOLED, _pool(tried), chosen))


def teacher_truth(teacher: Detector, source: TruthSet, *, least_score: float, told: Told = lambda _: None) -> TruthSet:
    """The boxes of another detector from a score on as the truth in the pictures of `source`."""
    found = {}
    for count, frame in enumerate(source.frames(), start=1):
        seen = teacher.detect([frame])[0]
        found[frame.index] = seen[seen.scores >= least_score]
        told(count)
    return boxes_as_truth(source.name, teacher.card.classes, source.frames, found)


def shared_classes(detector: Sequence[str], truth: Sequence[str], wanted: str | None) -> ClassMap:
    """The classes to compare. Raises ConfigError where there are none, or the detector or the truth lacks one."""
    if wanted is None:
        both = [name for name in truth if name in detector]
        if not both:
            raise ConfigError(
                f"the detector knows {_some(detector)}, the truth {_some(truth)}: no name is the same; say which are, "
                "for example --classes person,vehicle=car+truck+vehicle"
            )
        return ClassMap(tuple(both), tuple(frozenset([name]) for name in both))
    chosen = ClassMap.parse(wanted, tuple(dict.fromkeys([*truth, *detector])))
    for side, names in (("the detector", detector), ("the truth", truth)):
        for name, group in zip(chosen.names, chosen.of, strict=True):
            if not group & set(names):
                raise ConfigError(
                    f"--classes {name}: {side} knows none of {', '.join(sorted(group))}, but {_some(names)}"
                )
    return chosen


def _try(detector: Detector, truth: TruthSet, chosen: ClassMap, told: Told) -> _Tried:
    """Run over one set. The detector's boxes of classes that the set does not mark are left out."""
    marked = np.unique(chosen.labels(truth.classes))
    theirs = chosen.labels(detector.card.classes)
    merges = len(np.unique(theirs[theirs >= 0])) < (theirs >= 0).sum()
    seen: dict[int, Detections] = {}
    times = []
    for frame in truth.frames():
        begin = time.perf_counter()
        found = detector.detect([frame])[0]
        times.append(1000 * (time.perf_counter() - begin))
        ours = chosen.translate(found, detector.card.classes) if merges else _renamed(found, theirs)
        seen[frame.index] = ours[np.isin(ours.labels, marked)]
        told(len(times))
    if not times:
        raise SourceError(f"{truth.name} has no picture to try a detector on")
    labels = chosen.labels(truth.classes)[truth.truth.labels]
    true = TrueBoxes(truth.truth.pictures, truth.truth.boxes, labels, truth.truth.ignored)
    settled = times[_WARM_UP:] or times
    return _Tried(true[labels >= 0], _columns(seen), len(times), np.array(settled))


def _renamed(found: Detections, theirs: IntArray) -> Detections:
    """Detections by our labels (theirs: number of ours for each of the detector's, -1 for none)."""
    return replace(found, labels=theirs[found.labels])[theirs[found.labels] >= 0]


def _columns(seen: dict[int, Detections]) -> FoundBoxes:
    parts = list(seen.values())
    pictures = np.repeat(np.array(list(seen), np.int64), [len(one) for one in parts])
    boxes, labels, scores = (
        np.concatenate([getattr(one, key) for one in parts]) for key in ("boxes", "labels", "scores")
    )
    return FoundBoxes(pictures, boxes, labels, scores)


def _pool(tried: Sequence[_Tried]) -> _Tried:
    """All sets as one, pictures numbered anew."""
    truths, founds, before = [], [], 0
    for one in tried:
        truths.append(TrueBoxes(one.truth.pictures + before, one.truth.boxes, one.truth.labels, one.truth.ignored))
        founds.append(FoundBoxes(one.found.pictures + before, one.found.boxes, one.found.labels, one.found.scores))
        last = [columns.pictures.max(initial=-1) for columns in (one.truth, one.found)]
        before += int(max(last)) + 1
    times = np.concatenate([one.milliseconds for one in tried])
    pictures = sum(one.pictures for one in tried)
    return _Tried(TrueBoxes.joined(truths), FoundBoxes.joined(founds), pictures, times)


def _result(name: str, tried: _Tried, chosen: ClassMap) -> SetResult:
    judged = judge(tried.truth, tried.found, len(chosen.names))
    return SetResult(name, tried.pictures, float(np.median(tried.milliseconds)), judged, score(judged))


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (" ..." if len(names) > most else "")
