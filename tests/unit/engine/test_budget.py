"""The budget: what it chooses for what looks cost, that it does not waver, and that an engine does as it says."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from pipeline import build
from pipeline.config import load_settings
from pipeline.errors import ConfigError
from pipeline.live.lane import LiveStream
from pipeline.live_engine import LiveEngine
from pipeline.models.base import ModelCard, Sizable
from pipeline.models.sized import SizedDetector
from pipeline.scheduling.budget import Budget, Budgeted
from pipeline.sinks.base import Result
from tests.fakes import FakeDetector, FakeFeed, FakeTracker, RecordingSink, make_frame
from trackers.structures import Detections, Frame


def settled(budget: Budget, costs: Sequence[float], *, cameras: int = 1, looks: int = 60) -> list[float]:
    """The scales that were chosen, where a look costs so much at each."""
    scales = []
    for _ in range(looks):
        budget.looked(costs[budget.level], cameras=cameras)
        scales.append(budget.choice.scale)
    return scales


def test_before_the_first_look_every_frame_is_looked_at() -> None:
    budget = Budget(share=0.5, slowest_seconds=1.0)
    assert (budget.choice.interval, budget.choice.scale, budget.choice.kept) == (0.0, 1.0, True)


def test_the_interval_is_what_the_share_allows_to_each_camera() -> None:
    budget = Budget(share=0.5, slowest_seconds=1.0)
    settled(budget, [0.02])
    assert budget.choice.interval == pytest.approx(0.04)
    settled(budget, [0.02], cameras=4)
    assert budget.choice.interval == pytest.approx(0.16)
    assert budget.choice.kept


def test_where_looks_would_come_too_seldom_a_smaller_input_is_taken() -> None:
    budget = Budget(share=0.5, slowest_seconds=0.5, scales=(1.0, 0.75, 0.5))
    scales = settled(budget, [0.6, 0.34, 0.15])
    assert scales[-1] == 0.5
    assert scales == sorted(scales, reverse=True)
    assert budget.choice.kept


def test_what_cannot_be_kept_is_said() -> None:
    budget = Budget(share=0.5, slowest_seconds=0.1, scales=(1.0, 0.5))
    settled(budget, [4.0, 1.0])
    assert not budget.choice.kept
    assert "cannot keep the budget" in str(budget.choice)


def test_a_larger_input_comes_back_only_where_there_is_room() -> None:
    budget = Budget(share=0.5, slowest_seconds=0.5, scales=(1.0, 0.5))
    settled(budget, [0.3, 0.075])
    assert budget.choice.scale == 0.5
    assert settled(budget, [0.2, 0.05], looks=40)[-1] == 0.5  # 0.4 s at full size: kept, but with little room
    assert settled(budget, [0.1, 0.025], looks=100)[-1] == 1.0


def test_small_changes_of_the_cost_change_nothing() -> None:
    budget = Budget(share=0.5, slowest_seconds=1.0)
    settled(budget, [0.02])
    chosen = budget.choice
    for seconds in np.random.default_rng(0).uniform(0.018, 0.022, 200).tolist():
        budget.looked(seconds, cameras=1)
        assert budget.choice is chosen


def test_a_slow_first_look_is_no_measure() -> None:
    """A network is compiled at the first look at each size."""
    budget = Budget(share=0.7, slowest_seconds=1.0, scales=(1.0, 0.5))
    budget.looked(2.5, cameras=4)
    assert budget.choice.interval == 0.0
    settled(budget, [0.05, 0.01], cameras=4)
    assert (budget.choice.scale, budget.choice.interval) == (1.0, pytest.approx(4 * 0.05 / 0.7))


def test_looks_made_together_count_as_many_made_alone() -> None:
    together, alone = (Budget(share=0.5, slowest_seconds=100.0) for _ in range(2))
    for seconds in (0.1, 0.1, 0.5):
        together.looked(seconds, looks=4, cameras=1)
        for _ in range(4):
            alone.looked(seconds, cameras=1)
    assert together._cost == pytest.approx(alone._cost)


def test_it_goes_by_time_and_not_by_frames() -> None:
    budget = Budget(share=0.5, slowest_seconds=1.0)
    settled(budget, [0.1])
    for fps, wanted in ((10.0, [0, 2, 4, 6]), (5.0, [0, 1, 2, 3, 4, 5, 6, 7])):
        camera = Budgeted(budget)
        assert [index for index in range(8) if camera.wants(make_frame(index, fps=fps))] == wanted


class Slow(FakeDetector):
    """Needs a time that rises with the square of its input's side."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        time.sleep(self._seconds * len(frames))
        return super().detect(frames)


def test_a_live_engine_keeps_up_and_says_what_it_chose() -> None:
    """A detector four times too slow for the camera."""
    detector = SizedDetector([Slow(0.12), Slow(0.03)], [1.0, 0.5])
    assert isinstance(detector, Sizable)
    budget = Budget(share=0.5, slowest_seconds=0.15, scales=detector.scales)

    def stop_after_20_looks(_: Result) -> None:
        if sum(result.looked for result in sink.results) == 20:
            engine.stop()

    feed, sink = FakeFeed(), RecordingSink(on_write=stop_after_20_looks)
    engine = LiveEngine(
        detector,
        schedule=lambda _: Budgeted(budget),
        budget=budget,
        batch=1,
        stream_failed=lambda _, error: pytest.fail(str(error)),
    )
    engine.add(LiveStream(1, feed, FakeTracker(), [sink]))
    feed.play(fps=30.0, count=10_000)
    engine.run()
    looked = [result.frame.index for result in sink.results if result.looked]
    report = engine.report()
    assert report.budget is not None
    assert report.budget.scale == 0.5
    assert 0.05 <= report.budget.interval <= 0.15
    assert 20 <= len(looked) < len(sink.results)


def test_files_have_no_budget() -> None:
    settings = load_settings(None, ["detector.schedule=budget"]).detector
    with pytest.raises(ConfigError, match="for cameras"):
        build.schedule(settings)
    assert build.budget(load_settings(None).detector, FakeDetector()) is None
    budget = build.budget(settings, FakeDetector())
    assert budget is not None
    assert isinstance(build.schedule(settings, budget)(0), Budgeted)


def test_settings_that_say_nothing_are_refused() -> None:
    for said in (["detector.every=3", "detector.schedule=adaptive"], ["detector.adaptive.calm_seconds=1"]):
        with pytest.raises(ConfigError, match="schedule"):
            load_settings(None, said)


def test_sizes_are_of_one_detector() -> None:
    one, two = FakeDetector(), FakeDetector()
    sized = SizedDetector([one, two], [1.0, 0.5])
    card: ModelCard = sized.card
    assert card is one.card
    sized.choose(1)
    sized.detect([make_frame(0)])
    assert (one.batches, len(two.batches)) == ([], 1)
    with pytest.raises(IndexError, match="2 sizes"):
        sized.choose(2)
    with pytest.raises(ValueError, match="one scale for each"):
        SizedDetector([one], [0.5])
