"""A feed that ends after so many frames, and how a feed's counters are read."""

from __future__ import annotations

from pipeline.sources.feed import CameraState
from pipeline.watch.feeds import FeedCounts, FirstFrames, RecordingFeed
from tests.fakes import FakeFeed
from trackers.structures import Gap


def test_it_ends_after_so_many_frames() -> None:
    inner = FakeFeed("gate", policy="batch", outage=Gap(1, 2, "away"))
    feed = FirstFrames(inner, 2)
    told: list[int] = []
    feed.start(lambda: told.append(1))
    for _ in range(3):
        inner.push()
    before = len(told)
    frames = [feed.take() for _ in range(3)]
    assert [frame is None for frame in frames] == [False, False, True]
    assert len(told) == before + 1
    assert feed.status().state is CameraState.ENDED
    assert inner.status().state is CameraState.LIVE
    assert (feed.name, feed.uri) == (inner.name, inner.uri)
    assert feed.close() is None  # what comes after the last frame is no outage


def test_one_that_is_cut_short_tells_its_outage() -> None:
    outage = Gap(1, 2, "away")
    feed = FirstFrames(FakeFeed("gate", outage=outage), 2)
    feed.start(lambda: None)
    assert feed.take() is None
    assert feed.status().state is not CameraState.ENDED
    assert feed.close() == outage
    feed.record(False)  # a feed that cannot record is left alone
    assert isinstance(feed, RecordingFeed)


def test_counters_are_those_of_the_moment() -> None:
    feed = FakeFeed("gate")
    counts = FeedCounts(feed)
    feed.start(lambda: None)
    assert (counts.repaired, counts.damaged, counts.dropped) == (0, 0, 0)
    feed.repaired, feed.damaged = 2, 3
    feed.push()
    feed.push()  # the first one is stale now
    assert (counts.repaired, counts.damaged, counts.dropped) == (2, 3, 1)
    feed.close()
