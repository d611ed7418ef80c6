"""What a sighting is worth, worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.sinks.sighting import qualities
from trackers.structures import Evidence, Stage, Tracks

WIDTH, HEIGHT = 320, 240


def tracks(boxes: Sequence[Sequence[float]], evidence: Sequence[Evidence], *, score: float = 0.8) -> Tracks:
    """Confirmed ones."""
    count = len(boxes)
    return Tracks(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.full(count, score, np.float32),
        labels=np.zeros(count, np.int64),
        ids=np.arange(1, count + 1),
        stages=np.full(count, Stage.CONFIRMED, np.int8),
        evidence=np.array(evidence, np.int8),
        rows=np.full(count, -1),
    )


@pytest.mark.parametrize("evidence", [Evidence.DETECTED, Evidence.FLOW, Evidence.TARGET])
def test_a_box_of_64_pixels_is_worth_half_its_score(evidence: Evidence) -> None:
    found = qualities(tracks([(10, 10, 42, 74)], [evidence]), WIDTH, HEIGHT)
    np.testing.assert_allclose(found, [0.4], rtol=1e-6)


def test_at_the_border_it_is_worth_half_of_that() -> None:
    found = qualities(tracks([(0, 10, 32, 74)], [Evidence.DETECTED]), WIDTH, HEIGHT)
    np.testing.assert_allclose(found, [0.2], rtol=1e-6)


def test_boxes_that_nobody_saw_are_worth_nothing_and_hide_others_all_the_same() -> None:
    """The second one stands lower in the picture, and in front of half of the first one."""
    boxes = [(10, 10, 42, 74), (10, 42, 42, 106), (200, 10, 232, 74)]
    found = qualities(tracks(boxes, [Evidence.DETECTED, Evidence.PREDICTED, Evidence.INTERPOLATED]), WIDTH, HEIGHT)
    np.testing.assert_allclose(found, [0.2, 0, 0], rtol=1e-6)


@pytest.mark.parametrize("evidence", [[], [Evidence.PREDICTED], [Evidence.SHADOWED, Evidence.INTERPOLATED]])
def test_where_nobody_was_seen_nothing_is_weighed(evidence: list[Evidence]) -> None:
    found = qualities(tracks([(10, 10, 42, 74)] * len(evidence), evidence), WIDTH, HEIGHT)
    assert found.dtype == np.float32
    assert found.tolist() == [0.0] * len(evidence)
