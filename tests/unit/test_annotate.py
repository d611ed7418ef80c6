"""Drawing: what is drawn, where, and that the frame itself stays untouched."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.annotate import Annotator, to_supervision
from tests.fakes import make_frame, make_tracks
from trackers.structures import Detections, Evidence, Frame, Masks, Stage, Tracks


def grey(index: int = 0, *, width: int = 640, height: int = 480) -> Frame:
    return replace(make_frame(index), picture=np.full((height, width, 3), 90, np.uint8))


def tracks(left: float = 200) -> Tracks:
    boxes = np.array([[left, 200, left + 60, 340]], np.float32)
    return make_tracks(Detections(boxes, np.array([0.9], np.float32), np.zeros(1, np.int64)))


def changed(image: np.ndarray) -> np.ndarray:
    return (image != 90).any(axis=2)


def test_conversion_keeps_rows_ids_and_names() -> None:
    converted = to_supervision(replace(tracks(), labels=np.array([1])), ["person", "car"])
    assert converted.xyxy.tolist() == [[200, 200, 260, 340]]
    assert (converted.tracker_id.tolist(), converted.class_id.tolist()) == ([1], [1])
    assert converted.data["class_name"].tolist() == ["car"]
    assert to_supervision(replace(tracks(), labels=np.array([5])), []).data["class_name"].tolist() == ["5"]
    assert len(to_supervision(Tracks.empty(), ["person"])) == 0


@pytest.mark.parametrize("size", [(33, 17), (480, 360), (1280, 720)])
def test_without_tracks_only_the_time_is_drawn(size: tuple[int, int]) -> None:
    frame = grey(width=size[0], height=size[1])
    drawn = changed(Annotator(["person"], *size).draw(frame, Tracks.empty()))
    assert drawn.any()
    assert not drawn[size[1] // 4 + 16 :].any()
    assert not changed(frame.image).any()


def test_a_box_its_label_and_nothing_else() -> None:
    drawn = changed(Annotator(["person"], 640, 480).draw(grey(), tracks()))
    assert drawn[200:340, 200].all()
    assert drawn[200:340, 260].all()
    assert drawn[180:199, 210:250].any()
    assert not drawn[210:330, 210:250].any()
    assert not drawn[360:].any()


def test_a_carried_box_shows_only_its_corners() -> None:
    carried = replace(tracks(), evidence=np.array([Evidence.FLOW], np.int8))
    drawn = changed(Annotator(["person"], 640, 480).draw(grey(), carried))
    assert drawn[200:204, 200].all()
    assert not drawn[260:280, 200].any()


@pytest.mark.parametrize("stage", [Stage.TENTATIVE, Stage.LOST, Stage.ENDED])
def test_only_confirmed_tracks_are_drawn(stage: Stage) -> None:
    hidden = replace(tracks(), stages=np.array([stage], np.int8))
    drawn = changed(Annotator(["person"], 640, 480).draw(grey(), hidden))
    assert not drawn[100:].any()


def test_the_path_follows_the_feet() -> None:
    annotator = Annotator(["person"], 640, 480)
    for index in range(10):
        drawn = changed(annotator.draw(grey(index), tracks(200 + 20 * index)))
    assert drawn[338:343, 240:380].any(axis=0).all()


def test_colours_belong_to_ids() -> None:
    first, second = Annotator(["person"], 640, 480), Annotator(["person"], 640, 480)
    second.draw(grey(), replace(tracks(400), ids=np.array([9])))
    assert first.draw(grey(1), tracks())[250, 200].tolist() == second.draw(grey(1), tracks())[250, 200].tolist()
    other = first.draw(grey(2), replace(tracks(), ids=np.array([2])))[250, 200].tolist()
    assert other != first.draw(grey(3), tracks())[250, 200].tolist()


def test_the_pixels_of_a_mask_are_tinted_and_no_others() -> None:
    crop = np.zeros((40, 20), bool)
    crop[10:30, 5:15] = True
    masks = Masks(np.array([[220, 250]]), (crop,))
    drawn = Annotator(["person"], 640, 480).draw(grey(), tracks(), masks)
    plain = Annotator(["person"], 640, 480).draw(grey(), tracks())
    tinted = np.zeros((480, 640), bool)
    tinted[260:280, 225:235] = True
    np.testing.assert_array_equal((drawn != plain).any(axis=2), tinted)
    carried = replace(tracks(), rows=np.array([-1]))
    np.testing.assert_array_equal(
        Annotator(["person"], 640, 480).draw(grey(), carried, masks),
        Annotator(["person"], 640, 480).draw(grey(), carried),
    )


def test_a_mask_beyond_the_border_is_cut() -> None:
    masks = Masks(np.array([[630, -10]]), (np.ones((30, 30), bool),))
    frame, carried = grey(), tracks()
    drawn = Annotator(["person"], 640, 480).draw(frame, carried, masks)
    assert (drawn != Annotator(["person"], 640, 480).draw(frame, carried)).any(axis=2).sum() == 20 * 10
