"""Segmenter and embedder look only where a tracker is unsure: at which rows, and when both engines ask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline import build
from pipeline.asks import ALWAYS, Asks, FeatureAsk, MaskAsk, asked_rows
from pipeline.config import load_settings
from pipeline.engine import Engine, Stream
from pipeline.errors import ModelError
from pipeline.stages import rounds
from tests.fakes import (
    DoubtfulFakeTracker,
    FakeDetector,
    FakeEmbedder,
    FakeSegmenter,
    FakeSource,
    FakeTracker,
    RecordingSink,
)
from trackers.doubts import Doubts
from trackers.structures import Detections, FloatArray, Frame

BOTH = Asks(MaskAsk(0.25), FeatureAsk(0.25))


class Counting(FakeEmbedder):
    """Remembers how many boxes of how many frames it got at once."""

    def __init__(self, *, odd: int | None = None) -> None:
        super().__init__()
        self.calls: list[list[int]] = []
        self._odd = odd

    def embed(self, frames: Sequence[Frame], detections: Sequence[Detections]) -> list[FloatArray]:
        if any(frame.index == self._odd for frame in frames):
            raise ModelError("too odd")
        self.calls.append([len(found) for found in detections])
        return super().embed(frames, detections)


def described(sink: RecordingSink) -> list[list[bool]]:
    """Of each frame, which rows have a feature and, just so, a mask."""
    rows = []
    for result in sink.results:
        features, masks = result.detections.features, result.detections.masks
        assert features is not None
        assert masks is not None
        rows.append(np.isfinite(features).all(axis=1).tolist())
        assert rows[-1] == [bool(crop.any()) for crop in masks.crops]
    return rows


def expected(frames: int) -> list[list[bool]]:
    """FakeDetector finds `index % 4` boxes."""
    return [[row > 0 for row in range(index % 4)] for index in range(frames)]


@pytest.mark.parametrize(("batch", "capacity"), [(1, 1), (1, 8), (5, 2)])
def test_only_what_is_asked_about_is_described_whatever_the_queues(batch: int, capacity: int) -> None:
    sink, tracker, embedder = RecordingSink(), DoubtfulFakeTracker(), Counting()
    stream = Stream(FakeSource(12), tracker, [sink])
    engine = Engine(
        [stream],
        FakeDetector(),
        segmenter=FakeSegmenter(),
        embedder=embedder,
        asks=BOTH,
        batch=batch,
        capacity=capacity,
    )
    report = engine.run()
    assert described(sink) == expected(12)
    assert embedder.calls == [[max(0, index % 4 - 1)] for index in range(12)]
    assert tracker.asked == tracker.times == [index / 10 for index in range(12)]
    assert report.stages["embed"].frames == report.stages["segment"].frames == report.stages["track"].frames == 12


def test_a_sure_one_is_described_again_after_a_while() -> None:
    sink = RecordingSink()
    asks = Asks(MaskAsk(0.2), FeatureAsk(0.2))
    Engine([Stream(FakeSource(12), DoubtfulFakeTracker(), [sink])], FakeDetector(), segmenter=FakeSegmenter(),
           embedder=FakeEmbedder(), asks=asks).run()  # fmt: skip
    assert described(sink) == [[row > 0 or index % 3 == 1 for row in range(index % 4)] for index in range(12)]


def test_streams_are_described_together() -> None:
    sinks, embedder = (RecordingSink(), RecordingSink()), Counting()
    streams = [Stream(FakeSource(8, mark=mark), DoubtfulFakeTracker(), [sink]) for mark, sink in enumerate(sinks, 1)]
    Engine(streams, FakeDetector(), segmenter=FakeSegmenter(), embedder=embedder, asks=BOTH, batch=4).run()
    assert embedder.calls == [[max(0, index % 4 - 1)] * 2 for index in range(8)]
    assert [described(sink) for sink in sinks] == [expected(8)] * 2


def test_a_tracker_that_cannot_say_has_all_described() -> None:
    sink, tracker = RecordingSink(), FakeTracker()
    Engine([Stream(FakeSource(8), tracker, [sink])], FakeDetector(), embedder=FakeEmbedder(),
           asks=Asks(features=FeatureAsk(0.25))).run()  # fmt: skip
    assert all(rows is not None and np.isfinite(rows).all() for rows in tracker.features)
    assert [len(rows) for rows in tracker.features if rows is not None] == [index % 4 for index in range(8)]


def test_what_fails_when_asked_ends_the_engine() -> None:
    stream = Stream(FakeSource(8), DoubtfulFakeTracker(), [RecordingSink()])
    with pytest.raises(RuntimeError, match="the embedder broke") as caught:
        Engine([stream], FakeDetector(), embedder=FakeEmbedder(fail_at=3), asks=BOTH).run()
    assert caught.value.__notes__ == ["in stage 'track' of the engine"]


def test_groups_have_a_stream_once_and_keep_the_order() -> None:
    items = [(0, "a"), (1, "b"), (0, "c"), (0, "d"), (1, "e"), (2, "f")]
    groups = list(rounds(items, lambda item: item[0]))
    assert ["".join(name for _, name in group) for group in groups] == ["ab", "c", "def"]
    assert list(rounds([], lambda item: 0)) == []


def found(*boxes: tuple[float, float, float, float], scores: Sequence[float]) -> Detections:
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(rows, np.array(scores, np.float32), np.zeros(len(rows), np.int64))


@pytest.mark.parametrize(
    ("ask", "wanted"),
    [
        (MaskAsk(1.0, overlap=0.4, weak=0.0), [True, True, False, False]),  # the second covers half of the first
        (MaskAsk(1.0, overlap=0.6, weak=0.0), [False, False, False, False]),
        (MaskAsk(1.0, overlap=0.4, weak=0.25), [True, True, False, True]),
        (FeatureAsk(1.0), [True, True, True, True]),
    ],
)
def test_without_doubts_it_goes_by_the_boxes(ask: MaskAsk | FeatureAsk, wanted: list[bool]) -> None:
    boxes = found((0, 0, 10, 20), (5, 0, 45, 40), (60, 0, 63, 9), (20, 50, 30, 60), scores=(0.9, 0.8, 0.7, 0.2))
    assert ask.rows(boxes, None).tolist() == wanted
    assert ask.rows(boxes[:0], None).tolist() == []


def test_with_doubts_it_goes_by_them() -> None:
    boxes = found(*[(0, 0, 9, 9)] * 4, scores=(0.9, 0.9, 0.2, 0.9))
    unsure, compared = np.array([True, False, True, False]), np.array([True, True, False, True])
    doubts = Doubts(unsure, compared, np.array([np.inf, 0.5, np.inf, 0.4]), np.array([np.inf, 0.1, np.inf, np.inf]))
    assert FeatureAsk(0.5).rows(boxes, doubts).tolist() == [True, True, False, False]
    assert MaskAsk(0.5).rows(boxes, doubts).tolist() == [True, False, True, True]
    assert asked_rows(None, [boxes], [doubts]) is None
    (rows,) = asked_rows(FeatureAsk(0.4), [boxes], [doubts]) or []
    assert rows.tolist() == [True, True, False, True]


def test_settings_say_who_is_asked() -> None:
    both, none = ["embedder.when=asked", "segmenter.when=asked", "segmenter.weights=a.onnx"], list[str]()
    models = {"segmenter": FakeSegmenter(), "embedder": FakeEmbedder()}
    assert build.asks(load_settings(None, both), **models) == Asks(MaskAsk(0.5, 0.1, 0.5), FeatureAsk(0.25))  # type: ignore[arg-type]
    assert not build.asks(load_settings(None, none), **models)  # type: ignore[arg-type]
    assert build.asks(load_settings(None, both), segmenter=None, embedder=None) == ALWAYS
