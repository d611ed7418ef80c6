"""Which frames the detector looks at."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.schedule import EveryNth
from trackers.structures import Frame


def wanted(schedule: EveryNth, indices: list[int]) -> list[int]:
    frames = [Frame(np.zeros((2, 2, 3), np.uint8), index, index / 25, 0) for index in indices]
    return [frame.index for frame in frames if schedule.wants(frame)]


def test_every_frame_is_the_default() -> None:
    assert wanted(EveryNth(1), [0, 1, 2, 5]) == [0, 1, 2, 5]


def test_the_first_of_each_group() -> None:
    assert wanted(EveryNth(3), list(range(8))) == [0, 3, 6]


def test_where_frames_are_missing_no_group_is() -> None:
    assert wanted(EveryNth(3), [0, 2, 4, 5, 8, 10, 11]) == [0, 4, 8, 10]


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 100])
def test_an_interrupted_run_goes_on_with_the_same_frames(cut: int) -> None:
    whole = wanted(EveryNth(3), list(range(120)))
    assert wanted(EveryNth(3), list(range(cut))) + wanted(EveryNth(3, first_frame=cut), list(range(cut, 120))) == whole


def test_at_least_one_frame() -> None:
    with pytest.raises(ValueError, match="one of 1 or more"):
        EveryNth(0)
