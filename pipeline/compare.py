"""Comparing two runs of the same sources: what each found, how far they agree, and which settings differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Connection

from pipeline.errors import ConfigError, StoreError
from pipeline.evaluation.benchmark import Benchmark, find_benchmark, pair_frames
from pipeline.evaluation.mot import evaluate
from pipeline.evaluation.report import scores_to_dict
from pipeline.evaluation.scores import Scores, combine
from pipeline.evaluation.sequences import SequenceBoxes, read_truth
from pipeline.sinks.track_text import sequence_boxes
from pipeline.store.database import Database
from pipeline.store.filters import Scope
from pipeline.store.rows import RunDetail, RunSourceRow
from pipeline.store.run_queries import run_detail
from pipeline.store.run_tracks import machine_tracks
from trackers.structures import FloatArray

MOST_PAIRS = 50_000_000  # of a track with a track; beyond it scoring would need gigabytes
_PLACES = ("outputs", "store")  # settings that say where things go, not what comes out


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run found in one source, or in all of them."""

    tracks: int
    observations: int
    seconds: float  # sum over the tracks of the time from first to last box
    interruptions: int  # times a track goes on after a processed frame without it

    @property
    def mean_seconds(self) -> float:
        """Length of a track; 0 without any."""
        return self.seconds / self.tracks if self.tracks else 0.0

    @property
    def mean_observations(self) -> float:
        """Boxes of a track; 0 without any."""
        return self.observations / self.tracks if self.tracks else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Two runs over one source, or over all that both have read."""

    name: str
    a: Figures
    b: Figures
    identical: bool  # the same boxes under the same ids in the same frames
    agreement: Scores | None  # of B, with A taken for the truth; None where there are too many tracks to score
    truth_a: Scores | None = None  # against ground truth, where it was given
    truth_b: Scores | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A setting or model that differs. None: it is not there."""

    path: str  # with dots, e.g. "tracker.lost_seconds"
    a: Any
    b: Any


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Run B beside run A."""

    a: UUID
    b: UUID
    sources: tuple[Compared, ...]  # that both have read, in A's order
    total: Compared
    only_a: tuple[str, ...]  # names of sources that B has not read
    only_b: tuple[str, ...]
    settings: tuple[Changed, ...]


def compare_runs(database: Database, scope: Scope, a: UUID, b: UUID, *, truth: Path | None = None) -> Comparison:
    """Compare what two runs stored, before any review. Boxes of one source at a time are held in memory.

    `truth`: a MOTChallenge file of the only source that both have read; every box of the runs counts, whatever its
    class. Raises StoreError where a run is not in the scope or nothing was read by both, ConfigError where ground
    truth is given for several sources, FormatError where it is malformed.
    """
    with database.read("compare runs") as connection:
        details = _detail(scope, connection, a), _detail(scope, connection, b)
        pairs, only_a, only_b = _common(*details)
        if not pairs:
            raise StoreError(f"the runs {a} and {b} have read no source in common, so there is nothing to compare")
        if truth is not None and len(pairs) > 1:
            raise ConfigError(
                f"{truth} is the truth of one source, but both runs have read {len(pairs)}; compare runs of one"
            )
        compared = tuple(_compare_source(scope, connection, pair, truth) for pair in pairs)
    return Comparison(a, b, compared, _pooled(compared), only_a, only_b, _settings(*details))


def comparison_to_dict(comparison: Comparison) -> dict[str, Any]:
    """Everything as JSON can hold it; scores as in `evaluation.report.scores_to_dict`."""
    return {
        "a": str(comparison.a),
        "b": str(comparison.b),
        "sources": {one.name: _to_dict(one) for one in comparison.sources},
        "total": _to_dict(comparison.total),
        "only_a": list(comparison.only_a),
        "only_b": list(comparison.only_b),
        "settings": {one.path: {"a": one.a, "b": one.b} for one in comparison.settings},
    }


def _to_dict(compared: Compared) -> dict[str, Any]:
    def figures(one: Figures) -> dict[str, Any]:
        return {
            "tracks": one.tracks,
            "observations": one.observations,
            "mean_seconds": one.mean_seconds,
            "mean_observations": one.mean_observations,
            "interruptions": one.interruptions,
        }

    scores = {"agreement": compared.agreement, "truth_a": compared.truth_a, "truth_b": compared.truth_b}
    told = {name: None if one is None else scores_to_dict(one) for name, one in scores.items()}
    return {"a": figures(compared.a), "b": figures(compared.b), "identical": compared.identical} | told


def _detail(scope: Scope, connection: Connection, run: UUID) -> RunDetail:
    found = run_detail(scope, connection, run)
    if found is None:
        raise StoreError(f"there is no run {run}; `sightline runs` lists them")
    return found


def _common(
    a: RunDetail, b: RunDetail
) -> tuple[list[tuple[RunSourceRow, RunSourceRow]], tuple[str, ...], tuple[str, ...]]:
    """Pairs of the same source, and what only one has read. The same content at two places is the same source."""
    left = list(b.sources)
    pairs, only_a = [], []
    for one in a.sources:
        same = [other for other in left if other.public_id == one.public_id]
        same += [other for other in left if other.fingerprint and other.fingerprint == one.fingerprint]
        if same:
            pairs.append((one, same[0]))
            left.remove(same[0])
        else:
            only_a.append(one.name)
    return pairs, tuple(only_a), tuple(one.name for one in left)


def _compare_source(
    scope: Scope, connection: Connection, pair: tuple[RunSourceRow, RunSourceRow], truth: Path | None
) -> Compared:
    (boxes_a, figures_a), (boxes_b, figures_b) = (_read(scope, connection, one) for one in pair)
    few = figures_a.tracks * figures_b.tracks <= MOST_PAIRS
    agreement = _score(boxes_a, boxes_b, Benchmark.MOT15) if few else None
    truth_a, truth_b = (None, None) if truth is None else _against(truth, boxes_a, boxes_b)
    same = _identical(boxes_a, boxes_b)
    return Compared(pair[0].name, figures_a, figures_b, same, agreement, truth_a, truth_b)


def _identical(a: SequenceBoxes, b: SequenceBoxes) -> bool:
    """Both in order of frames and ids."""
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("frames", "ids", "boxes"))


def _read(scope: Scope, connection: Connection, source: RunSourceRow) -> tuple[SequenceBoxes, Figures]:
    """All boxes, and what they add up to."""
    parts: list[SequenceBoxes] = []
    times: list[FloatArray] = [np.zeros(0)]
    for boxes in machine_tracks(scope, connection, source.run_source_id).blocks():
        parts.append(sequence_boxes(boxes))
        times.append(boxes.seconds)
    names = ("frames", "ids", "boxes", "scores", "classes", "visibility")
    whole = [SequenceBoxes.empty(), *parts]
    table = SequenceBoxes(**{name: np.concatenate([getattr(part, name) for part in whole]) for name in names})
    return table, _figures(table, np.concatenate(times))


def _figures(boxes: SequenceBoxes, seconds: FloatArray) -> Figures:
    if not len(boxes):
        return Figures(0, 0, 0.0, 0)
    order = np.lexsort((boxes.frames, boxes.ids))
    ids, frames, times = boxes.ids[order], boxes.frames[order], seconds[order]
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    ends = np.append(starts[1:], len(ids)) - 1
    position = np.searchsorted(np.unique(frames), frames)  # frames without any box interrupt nothing
    again = (np.diff(ids) == 0) & (np.diff(position) > 1)
    return Figures(len(starts), len(ids), float((times[ends] - times[starts]).sum()), int(np.count_nonzero(again)))


def _score(truth: SequenceBoxes, tracks: SequenceBoxes, benchmark: Benchmark) -> Scores:
    return evaluate(pair_frames(_counting(truth), tracks, benchmark=benchmark))


def _counting(boxes: SequenceBoxes) -> SequenceBoxes:
    """As ground truth, whose score says whether a box counts."""
    ones = np.ones(len(boxes))
    return SequenceBoxes(boxes.frames, boxes.ids, boxes.boxes, ones, boxes.classes, boxes.visibility)


def _against(truth: Path, a: SequenceBoxes, b: SequenceBoxes) -> tuple[Scores, Scores]:
    benchmark = find_benchmark([truth])
    true_boxes = read_truth(truth, layout=benchmark.layout)
    one, other = (evaluate(pair_frames(true_boxes, boxes, benchmark=benchmark)) for boxes in (a, b))
    return one, other


def _pooled(compared: Sequence[Compared]) -> Compared:
    def pool(name: str) -> Scores | None:
        scores = [getattr(one, name) for one in compared]
        return None if any(one is None for one in scores) else combine(scores)

    def add(name: str) -> Figures:
        parts = [getattr(one, name) for one in compared]
        tracks, observations = sum(one.tracks for one in parts), sum(one.observations for one in parts)
        return Figures(tracks, observations, sum(one.seconds for one in parts), sum(one.interruptions for one in parts))

    same = all(one.identical for one in compared)
    return Compared("all", add("a"), add("b"), same, pool("agreement"), pool("truth_a"), pool("truth_b"))


def _settings(a: RunDetail, b: RunDetail) -> tuple[Changed, ...]:
    one, other = _flat(_told(a)), _flat(_told(b))
    paths = [path for path in chain(one, other) if path.split(".")[0] not in _PLACES]
    return tuple(
        Changed(path, one.get(path), other.get(path))
        for path in dict.fromkeys(paths)
        if one.get(path) != other.get(path)
    )


def _told(run: RunDetail) -> dict[str, Any]:
    """Settings, and what really ran."""
    ran = {model.task: f"{model.name} {model.sha256[:12]} ({model.runtime})" for model in run.models}
    return dict(run.run.settings) | {"models": ran, "code": run.run.code_version}


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one with dotted paths."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
