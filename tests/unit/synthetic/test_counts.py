"""Crossings and full occlusions, counted by hand on made-up truths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.synthetic.counts import SceneCounts, count
from pipeline.synthetic.truth import Truth
from trackers.structures import Masks

FPS = 10.0
NOWHERE = (900.0, 0.0, 910.0, 20.0)
HERE = (10.0, 10.0, 20.0, 30.0)


def truth(index: int, rows: Sequence[tuple[int, tuple[float, ...], float]], *, covered: float = 0.0) -> Truth:
    """Rows of id, box, visibility; `covered`: share of the second one behind the first."""
    count = len(rows)
    shares = np.zeros((count, count), np.float32)
    if count > 1:
        shares[1, 0] = covered
    boxes = np.array([box for _, box, _ in rows], np.float32).reshape(-1, 4)
    return Truth(
        index,
        index / FPS,
        np.array([identity for identity, _, _ in rows], np.int64),
        boxes,
        boxes,
        np.array([visibility for _, _, visibility in rows], np.float32),
        shares,
        Masks(np.zeros((count, 2), np.int64), tuple(np.zeros((0, 0), bool) for _ in rows)),
    )


def counted(truths: Sequence[Truth]) -> SceneCounts:
    return count(truths, width=1000, height=100)


def single(visibilities: Sequence[float], box: tuple[float, ...] = HERE) -> SceneCounts:
    return counted([truth(i, [(1, box, v)]) for i, v in enumerate(visibilities)])


def pair(meets: str, *, covered: float = 0.0) -> SceneCounts:
    """One letter a frame: x where the boxes overlap, . where not."""
    places = {"x": (12.0, 10.0, 22.0, 30.0), ".": NOWHERE}
    return counted(
        [truth(i, [(1, HERE, 1.0), (2, places[c], 1.0)], covered=covered * (c == "x")) for i, c in enumerate(meets)]
    )


def test_nothing_happens_without_frames_or_walkers() -> None:
    assert counted([]) == SceneCounts(0, 0, 0, 0, 0, 0.0, 0.0)
    assert counted([truth(0, []), truth(1, [])]) == SceneCounts(2, 0, 0, 0, 0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("meets", "crossings"),
    [
        ("......", 0),
        ("..x...", 1),
        ("..xxx.", 1),
        ("xx...xx", 1),  # 0.4 s from the last to the next overlap: the same meeting
        ("xx.......xx", 2),
    ],
)
def test_a_crossing_is_one_interval_of_overlap(meets: str, crossings: int) -> None:
    assert pair(meets).crossings == crossings


@pytest.mark.parametrize(("share", "crossings"), [(0.29, 0), (0.31, 1)])
def test_covering_a_third_of_somebody_is_a_crossing_whatever_the_boxes(share: float, crossings: int) -> None:
    rows = [(1, (0.0, 0.0, 60.0, 90.0), 1.0), (2, (50.0, 40.0, 56.0, 52.0), 1.0 - share)]
    assert counted([truth(0, rows, covered=share)]).crossings == crossings


def test_a_full_occlusion_lies_between_two_sightings() -> None:
    found = single([1, 1, 0.3, 0.05, 0, 0, 0.2, 1])
    assert found.full_occlusions == 1
    assert found.hidden_seconds == pytest.approx(0.3)


@pytest.mark.parametrize(
    "visibilities",
    [
        [1, 1, 0, 1, 1],  # 0.1 s is too short
        [0, 0, 0, 1, 1],  # never seen before
        [1, 1, 0, 0, 0],  # never seen again
        [1, 0.06, 0.06, 0.06, 1],  # a little of it shows
        [0.4, 0, 0, 0, 1],  # hardly seen before
    ],
)
def test_what_is_no_full_occlusion(visibilities: list[float]) -> None:
    assert single(visibilities).full_occlusions == 0


def test_somebody_at_the_edge_of_the_frame_is_leaving_and_not_hidden() -> None:
    assert single([1, 1, 0, 0, 0, 1, 1], box=(-5.0, 10.0, 5.0, 30.0)).full_occlusions == 0


def test_leaving_and_coming_back_is_a_return_and_no_occlusion() -> None:
    gone = [truth(i, []) for i in range(3, 12)]
    there = [truth(i, [(1, HERE, 1.0)]) for i in (0, 1, 2, 12, 13)]
    found = counted(sorted(gone + there, key=lambda one: one.index))
    assert (found.returns, found.full_occlusions, found.walkers) == (1, 0, 1)
    assert found.mean_present == pytest.approx(5 / 14)


def test_a_leg_that_swings_over_the_edge_is_no_return() -> None:
    truths = [truth(i, [(1, HERE, 1.0)] if i != 4 else []) for i in range(9)]
    assert counted(truths).returns == 0


def test_somebody_who_is_never_visible_does_not_count_as_a_walker() -> None:
    assert single([0, 0, 0]).walkers == 0
