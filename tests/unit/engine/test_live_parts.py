"""The small parts of the live engine: percentiles, meters, tallies, a follower's gaps, what a learner forgets."""

from __future__ import annotations

import re
import threading
import time

import numpy as np
import pytest

from pipeline.channel import Cancelled, Channel
from pipeline.live_report import REMEMBERED, Percentiles, Recent, StageMeter, StreamMeter
from pipeline.models.base import Learner
from pipeline.models.motion import MotionDetector
from pipeline.models.selection import SelectedClasses
from pipeline.stages import Follower, describe
from pipeline.tally import TrackTally
from tests.fakes import FakeDetector, FakeEmbedder, FakeTracker, make_frame
from tests.promptness import allowed
from trackers.structures import Detections, Evidence, Stage, Tracks


def tracks(**stages: Stage) -> Tracks:
    """Tracks t1, t2, ... in the given stages."""
    ids = np.array([int(name[1:]) for name in stages], np.int64)
    count = len(ids)
    return Tracks(
        boxes=np.zeros((count, 4), np.float32),
        scores=np.ones(count, np.float32),
        labels=np.zeros(count, np.int64),
        ids=ids,
        stages=np.array(list(stages.values()), np.int8),
        evidence=np.full(count, Evidence.DETECTED, np.int8),
        rows=np.arange(count),
    )


def test_tracks_are_counted_once_and_not_remembered() -> None:
    tally = TrackTally()
    tentative, confirmed, lost, ended = Stage.TENTATIVE, Stage.CONFIRMED, Stage.LOST, Stage.ENDED
    steps = [
        (tracks(), 0, 0),
        (tracks(t1=confirmed, t2=tentative), 1, 1),
        (tracks(t1=lost, t2=confirmed), 1, 2),
        (tracks(t1=confirmed, t2=confirmed, t3=confirmed), 3, 3),
        (tracks(t1=ended, t2=ended, t3=lost, t4=ended), 0, 3),  # 4 was never believed
        (tracks(t3=confirmed, t5=confirmed), 2, 4),
        (tracks(t3=ended, t5=ended), 0, 4),
    ]
    for seen, now, ever in steps:
        tally.add(seen)
        assert (tally.now, tally.ever) == (now, ever)
    assert not tally._living


def test_percentiles_are_of_the_latest_values() -> None:
    recent = Recent()
    assert recent.percentiles() == Percentiles()
    for value in range(101):
        recent.add(value / 100)
    found = recent.percentiles()
    assert (found.p50, found.p95, found.p99, found.count) == pytest.approx((0.5, 0.95, 0.99, 101))
    for _ in range(REMEMBERED):
        recent.add(7.0)
    assert recent.percentiles() == Percentiles(7.0, 7.0, 7.0, 101 + REMEMBERED)


def test_a_stage_tells_what_it_hangs_on_and_its_pace() -> None:
    meter = StageMeter("write")
    assert meter.stuck(0.0) is None
    with meter.busy(2, "gate"):
        time.sleep(0.05)
        assert meter.stuck(120.0) is None
        assert re.fullmatch(r"write \(gate, for \d+ s\)", meter.stuck(0.01) or "")
    assert meter.stuck(0.0) is None
    assert 0.004 < meter.pace < allowed(0.1)  # a fifth of 25 ms a frame, or more where the machine is busy
    report = meter.report(queue=3)
    assert (report.frames, report.queue, report.busy.count) == (2, 3, 1)
    with pytest.raises(RuntimeError, match="no"), meter.busy(1, "gate"):
        raise RuntimeError("no")
    assert meter.doing is None


def test_a_stream_counts_what_it_was_shown() -> None:
    meter = StreamMeter("gate")
    for index in range(20):
        meter.tracked(tracks(t1=Stage.CONFIRMED), detections=2, events=index % 2, looked=index % 2 == 0)
    report = meter.report()
    assert (report.name, report.frames, report.detections, report.events) == ("gate", 20, 40, 10)
    assert (report.tracks_now, report.tracks) == (1, 1)
    assert report.fps > 20


def test_waiting_at_a_channel_ends_with_an_item_its_end_or_the_time() -> None:
    channel = Channel[int](2)
    began = time.monotonic()
    assert not channel.wait(0.05)
    assert time.monotonic() - began >= 0.04
    threading.Timer(0.02, lambda: channel.put(1)).start()
    assert channel.wait(allowed(5))
    assert (channel.waiting, channel.get(), channel.waiting) == (1, 1, 0)
    channel.close()
    assert channel.wait(allowed(5))
    assert channel.get() is None
    other = Channel[int](1)
    threading.Timer(0.02, other.cancel).start()
    assert other.wait(allowed(5))
    with pytest.raises(Cancelled):
        other.get()


def test_a_follower_saves_tracker_and_analyst_apart() -> None:
    follower = Follower(FakeTracker())
    shown, events = follower.update(make_frame(1), Detections.empty())
    assert (len(shown), len(events)) == (0, 0)
    assert follower.to_arrays().keys() == {"times"}


def test_without_an_embedder_or_a_frame_nothing_is_described() -> None:
    found = [Detections.empty()]
    assert describe(None, [make_frame(0)], found)[0] is found[0]
    assert describe(FakeEmbedder(), [], []) == []
    [described] = describe(FakeEmbedder(), [make_frame(0)], [Detections.empty()])
    assert described.features is not None
    assert described.features.shape == (0, 4)


def test_what_learned_from_a_stream_forgets_it() -> None:
    motion = MotionDetector()
    chosen = SelectedClasses(motion, ["moving"])
    assert isinstance(chosen, Learner)
    assert not isinstance(FakeDetector(), Learner)
    chosen.detect([make_frame(0), make_frame(1)])
    assert set(motion._backgrounds) == {0}
    chosen.forget(0)
    chosen.forget(0)
    assert not motion._backgrounds
    SelectedClasses(FakeDetector(), ["thing"]).forget(3)
