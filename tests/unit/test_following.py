"""One target through one source: what becomes of it where the source changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pipeline import build
from pipeline.errors import ConfigError
from pipeline.following import Following
from pipeline.target_settings import NONE, AutoSettings, FlowSettings, SiameseSettings
from tests.fakes import FakeSource, make_frame
from tests.unit.trackers.target_scenes import Pictures, moving
from trackers.geometry import iou_pairs
from trackers.structures import Frame
from trackers.targets import LOST_SCORE, TargetTracker

PICTURES = moving(12, starts=np.array([[40.0, 50.0]]), steps=np.array([[2.0, 1.0]]))


class Resized(FakeSource):
    """The pictures, of which some have half the size."""

    def __init__(self, pictures: Pictures, halved: range) -> None:
        super().__init__(len(pictures.frames))
        self._pictures, self._halved = pictures, halved

    def __iter__(self) -> Iterator[Frame]:
        for index, image in enumerate(self._pictures.frames):
            shown = cv2.resize(image, None, fx=0.5, fy=0.5) if index in self._halved else image
            yield replace(make_frame(index), picture=np.asarray(shown, np.uint8))


@pytest.mark.parametrize(
    "tracker",
    [
        pytest.param(build.target_tracker(settings), id=settings.name)
        for settings in (FlowSettings(), SiameseSettings())
    ],
)
def test_in_a_picture_of_another_size_the_target_is_lost(tracker: TargetTracker) -> None:
    steps = list(Following(Resized(PICTURES, range(5, 8)), tracker, PICTURES.boxes[0, 0]))
    assert [step.lost for step in steps] == [index in range(5, 8) for index in range(12)]
    for step in steps[5:8]:
        np.testing.assert_array_equal(step.box, steps[4].box)
    assert iou_pairs(steps[-1].box[None], PICTURES.boxes[-1])[0] > 0.6  # and found again


@pytest.mark.parametrize(("frame_rate", "pictures"), [(5.0, 2), (25.0, 10)])
def test_seconds_are_as_many_pictures_as_the_source_has_in_them(frame_rate: float, pictures: int) -> None:
    """What leaps out of the networks' sight is found as soon as it is searched: after 0.4 s."""
    leap = moving(2, starts=np.array([[40.0, 50.0]]), steps=np.array([[110.0, 0.0]]))
    tracker = build.target_tracker(AutoSettings(detector=NONE, embedder=NONE), frame_rate=frame_rate)
    tracker.add(leap.frames[0], leap.boxes[0])
    for _ in range(pictures + 1):
        assert tracker.update(leap.frames[1]).scores[0] < LOST_SCORE
    assert tracker.update(leap.frames[1]).scores[0] > 0.5
    assert iou_pairs(tracker.boxes, leap.boxes[1])[0] > 0.8


@pytest.mark.parametrize("colour", [0, 255])
def test_auto_finds_nothing_where_there_is_nothing(colour: int) -> None:
    frames = [np.full_like(one, colour) if index in range(5, 9) else one for index, one in enumerate(PICTURES.frames)]
    source = Resized(Pictures(frames, PICTURES.boxes), range(0))
    steps = list(Following(source, build.target_tracker(AutoSettings()), PICTURES.boxes[0, 0]))
    assert [step.lost for step in steps[:9]] == [index >= 5 for index in range(9)]


def test_a_box_that_shows_nothing_is_told() -> None:
    work = Following(Resized(PICTURES, range(0)), build.target_tracker(FlowSettings()), np.array([900.0, 10, 950, 60]))
    with pytest.raises(ConfigError, match="outside the picture"):
        list(work)
