"""Timing in turns: medians, ratios within a round, and what happens to a tracker that fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.tracker_benchmark.contest import Contestant
from pipeline.tracker_benchmark.peers.shots import Entry
from pipeline.tracker_benchmark.speed import Timing, Trial, measure_speed, ratios, reference, turns
from tests.fakes import FakeTrackerWorker


def contestant(name: str, worker: FakeTrackerWorker, *, own: bool = False, features: bool = False) -> Contestant:
    return Contestant(Entry(name, "sightline" if own else "trackers", "1", features, False), worker, own)


def test_a_round_is_a_median_and_so_is_what_counts(tmp_path: Path) -> None:
    worker = FakeTrackerWorker({"a": [[0.001, 0.003, 0.9], [0.002], [0.004]], "b": [[0.006], [0.004], [0.04]]})
    both = [contestant("a", worker, own=True), contestant("b", worker)]
    told: list[str] = []
    trial = Trial([5], 3, 3, 0)
    a, b = measure_speed(both, trial, folder=tmp_path, advanced=told.append)
    assert a.rounds == {5: [3.0, 2.0, 4.0]}
    assert a.milliseconds(5) == 3.0
    assert a.milliseconds(6) is None
    assert b.milliseconds(5) == 6.0
    assert a.times_faster(b, 5) == 2.0  # the median of 2, 2 and 10
    assert b.times_faster(a, 5) == pytest.approx(0.5)
    assert a.times_faster(b, 6) is None
    assert worker.asked == ["a", "b", "b", "a", "a", "b"]  # a round is begun by each in turn
    assert len(told) == turns(both, trial) == 6
    assert ratios([a, b], [5]) == {"a": {"b": {"5": 2.0}}}
    assert list(tmp_path.iterdir()) == []


def test_a_tracker_that_fails_is_left_alone_and_the_others_go_on(tmp_path: Path) -> None:
    worker = FakeTrackerWorker({"a": [[0.001], []], "b": [[0.002]] * 4})
    told: list[str] = []
    a, b = measure_speed(
        [contestant("a", worker), contestant("b", worker)],
        Trial([3, 4], 1, 2, 0),
        folder=tmp_path,
        advanced=told.append,
    )
    assert a.failure == "3 objects: it fell over"
    assert a.rounds == {3: [1.0]}
    assert b.failure is None
    assert {count: len(rounds) for count, rounds in b.rounds.items()} == {3: 2, 4: 2}
    assert worker.asked.count("a") == 2
    assert len(told) == 8


def test_without_features_those_that_need_them_stay_out(tmp_path: Path) -> None:
    worker = FakeTrackerWorker({"a": [[0.001]], "looks": [[0.002]]})
    everyone = [contestant("a", worker), contestant("looks", worker, features=True)]
    assert turns(everyone, Trial([3], 1, 1, 0)) == 1
    (only,) = measure_speed(everyone, Trial([3], 1, 1, 0), folder=tmp_path, advanced=lambda _: None)
    assert only.contestant.name == "a"
    assert turns(everyone, Trial([3], 1, 1, 8)) == 2


def test_the_reference_is_a_preferred_one_that_was_measured_else_the_first_peer() -> None:
    worker = FakeTrackerWorker({})
    own = Timing(contestant("own", worker, own=True), {3: [1.0]})
    silent = Timing(contestant("best", worker), {}, "it fell over")
    first = Timing(contestant("first", worker), {3: [2.0]})
    second = Timing(contestant("second", worker), {3: [3.0]})
    looks = Timing(contestant("looks", worker, features=True), {3: [3.0]})
    timings = [own, silent, first, second, looks]
    assert reference(timings, features=False, preferred=["best", "second"]) is second
    assert reference(timings, features=False, preferred=["best"]) is first
    assert reference(timings, features=True, preferred=[]) is looks
    assert reference([own], features=False, preferred=["second"]) is None
