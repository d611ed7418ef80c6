"""Boxes between two frames: on the line where both ends are known, nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trackers.lines import lines
from trackers.structures import Evidence, Stage, Tracks

BOX = (10.0, 20.0, 30.0, 60.0)


def tracks(
    *rows: tuple[int, tuple[float, float, float, float], Stage], evidence: Evidence = Evidence.DETECTED
) -> Tracks:
    """Of (id, box, stage)."""
    count = len(rows)
    return Tracks(
        boxes=np.array([box for _, box, _ in rows], np.float32).reshape(count, 4),
        scores=np.linspace(0.5, 0.9, count, dtype=np.float32),
        labels=np.arange(count),
        ids=np.array([one for one, *_ in rows], np.int64),
        stages=np.array([stage for *_, stage in rows], np.int8),
        evidence=np.full(count, evidence, np.int8),
        rows=np.arange(count),
    )


def moved(by: float) -> tuple[float, float, float, float]:
    return tuple(side + by for side in BOX)  # type: ignore[return-value]


def test_a_box_lies_on_the_line_by_its_share_of_the_time() -> None:
    before = tracks((7, BOX, Stage.CONFIRMED))
    after = replace(tracks((7, moved(8), Stage.CONFIRMED)), scores=np.array([0.2], np.float32))
    quarter, three = lines(before, after, [0.25, 0.75])
    np.testing.assert_allclose(quarter.boxes, [moved(2)])
    np.testing.assert_allclose(three.boxes, [moved(6)])
    assert quarter.ids.tolist() == [7]
    assert quarter.evidence.tolist() == [Evidence.INTERPOLATED]
    assert quarter.rows.tolist() == [-1]
    assert quarter.scores.tolist() == [0.5]  # of the last detection, which is that before
    assert quarter.boxes.dtype == np.float32
    np.testing.assert_allclose(before.boxes, [BOX])  # what was given stays


@pytest.mark.parametrize(
    ("was", "became", "between"),
    [
        (Stage.CONFIRMED, Stage.CONFIRMED, Stage.CONFIRMED),
        (Stage.CONFIRMED, Stage.LOST, Stage.LOST),  # nobody saw where
        (Stage.CONFIRMED, Stage.ENDED, Stage.LOST),
        (Stage.LOST, Stage.CONFIRMED, Stage.LOST),
        (Stage.TENTATIVE, Stage.CONFIRMED, Stage.TENTATIVE),  # not believed before
        (Stage.LOST, Stage.LOST, Stage.LOST),
    ],
)
def test_a_track_is_located_between_two_frames_in_which_it_is(was: Stage, became: Stage, between: Stage) -> None:
    (found,) = lines(tracks((1, BOX, was)), tracks((1, moved(4), became)), [0.5])
    assert found.stages.tolist() == [between]
    expected = moved(2) if between is Stage.CONFIRMED else BOX
    np.testing.assert_allclose(found.boxes, [expected])


def test_each_goes_its_own_way_in_whatever_order() -> None:
    before = tracks((3, BOX, Stage.CONFIRMED), (9, moved(50), Stage.CONFIRMED), (4, BOX, Stage.ENDED))
    after = tracks((9, moved(60), Stage.CONFIRMED), (12, BOX, Stage.TENTATIVE), (3, moved(-10), Stage.CONFIRMED))
    (found,) = lines(before, after, [0.5])
    assert found.ids.tolist() == [3, 9]  # neither who had ended nor who begins
    np.testing.assert_allclose(found.boxes, [moved(-5), moved(55)])


def test_who_is_hidden_at_both_ends_is_hidden_between() -> None:
    hidden, seen = (tracks((1, BOX, Stage.CONFIRMED), evidence=one) for one in (Evidence.SHADOWED, Evidence.FLOW))
    assert lines(hidden, hidden, [0.5])[0].evidence.tolist() == [Evidence.SHADOWED]
    assert lines(hidden, seen, [0.5])[0].evidence.tolist() == [Evidence.INTERPOLATED]


def test_without_tracks_there_are_none() -> None:
    (found,) = lines(Tracks.empty(), tracks((1, BOX, Stage.CONFIRMED)), [0.5])
    assert len(found) == 0
    assert lines(tracks((1, BOX, Stage.CONFIRMED)), Tracks.empty(), []) == []
