"""Tracks without a detection are carried by what is seen of them, and given up where that is something else."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import pytest

from pipeline import build
from pipeline.target_settings import FlowSettings
from pipeline.tracker_settings import DeepSortSettings
from tests.unit.trackers.target_scenes import HEIGHT, WIDTH, Pictures, moving, texture
from trackers.deepsort import DeepSort
from trackers.geometry import iou_pairs
from trackers.holding import Carrier, Holding
from trackers.structures import CONFIRMED, LOST, Detections, Evidence, FloatArray, ImageArray, Tracks
from trackers.targets import ResumableTargets

STARTS, STEPS = np.array([[40.0, 50.0], [200.0, 120.0]]), np.array([[2.5, 1.25], [-2.0, 0.5]])
AS_SAID = ((0.0, 0.0), (1.0, 1.0))
FPS = 25.0


def flow() -> Carrier:
    return Carrier(cast("ResumableTargets", build.target_tracker(FlowSettings())), evidence=Evidence.FLOW)


def tracker(**settings: object) -> DeepSort:
    chosen = {"calibration": AS_SAID, **settings}
    return cast("DeepSort", build.tracker(DeepSortSettings.model_validate(chosen)))


def seen(boxes: FloatArray, missing: tuple[int, ...] = ()) -> Detections:
    kept = [row for row in range(len(boxes)) if row not in missing]
    return Detections(
        boxes[kept].astype(np.float32), np.full(len(kept), 0.9, np.float32), np.zeros(len(kept), np.int64)
    )


def watch(pictures: Pictures, what: DeepSort, *, missed: dict[int, tuple[int, ...]]) -> list[Tracks]:
    """What it makes of the pictures, in which rows `missed` (by frame) are not detected."""
    return [
        what.update(seen(boxes, missed.get(number, ())), number / FPS, image=frame)
        for number, (frame, boxes) in enumerate(zip(pictures.frames, pictures.boxes, strict=True))
    ]


def test_a_missed_track_is_carried_by_what_is_seen() -> None:
    pictures = moving(12, starts=STARTS, steps=STEPS)
    missed = dict.fromkeys((8, 9, 10), (1,))
    held = watch(pictures, tracker(), missed=missed)
    alone = watch(pictures, tracker(hold="none"), missed=missed)
    for number in (8, 9, 10):
        assert held[number].ids.tolist() == [1, 2]
        assert held[number].stages.tolist() == [CONFIRMED, CONFIRMED]
        assert held[number].evidence.tolist() == [Evidence.DETECTED, Evidence.FLOW]
        assert held[number].rows.tolist() == [0, -1]
        assert iou_pairs(held[number].boxes, pictures.boxes[number]).min() > 0.85
        assert alone[number].stages.tolist() == [CONFIRMED, LOST]
    assert held[11].evidence.tolist() == [Evidence.DETECTED, Evidence.DETECTED]
    assert held[11].ids.tolist() == [1, 2]


def test_flow_knows_of_a_stop_that_motion_does_not() -> None:
    walk = moving(10, starts=STARTS[:1], steps=STEPS[:1] * 1.6)
    stop = moving(8, starts=walk.boxes[-1, :, :2], steps=STEPS[:1] * 0)
    pictures = Pictures([*walk.frames, *stop.frames], np.concatenate([walk.boxes, stop.boxes]))
    off = {}
    for hold in ("flow", "none"):
        tracks = watch(pictures, tracker(hold=hold), missed=dict.fromkeys(range(10, 17), (0,)))[16]
        off[hold] = np.abs(tracks.boxes[0] - pictures.boxes[16, 0]).max()
    assert off["flow"] < 4
    assert off["none"] > 20


def test_what_vanishes_is_not_held() -> None:
    pictures = moving(14, starts=STARTS, steps=STEPS, hidden=range(8, 14))
    tracks = watch(pictures, tracker(), missed=dict.fromkeys(range(8, 14), (0, 1)))
    assert all((one.stages == LOST).all() for one in tracks[8:])


def test_it_is_held_only_for_its_time() -> None:
    pictures = moving(20, starts=STARTS, steps=STEPS * 0)
    tracks = watch(pictures, tracker(hold_seconds=0.2), missed=dict.fromkeys(range(8, 20), (1,)))
    assert [int(one.stages[1]) for one in tracks[8:]] == [CONFIRMED] * 5 + [LOST] * 7


def test_what_leaves_the_picture_is_not_held() -> None:
    pictures = moving(30, starts=np.array([[250.0, 100.0]]), steps=np.array([[3.0, 0.0]]))
    beyond = [number for number in range(30) if pictures.boxes[number, 0, 2] > WIDTH + 4]
    tracks = watch(pictures, tracker(hold_seconds=5.0), missed=dict.fromkeys(range(8, 30), (0,)))
    assert tracks[9].evidence.tolist() == [Evidence.FLOW]
    assert beyond
    for number in beyond:
        assert (tracks[number].stages != CONFIRMED).all()


def test_a_target_that_goes_over_to_another_track_is_given_up() -> None:
    """The second square is drawn over the first one, and the held box of the first is expected on it."""
    pictures = moving(3, starts=np.array([[40.0, 50.0], [60.0, 50.0]]), steps=np.zeros((2, 2)))
    one, other = pictures.boxes[0]
    lone = moving(3, starts=np.array([[40.0, 50.0]]), steps=np.zeros((1, 2)))

    class Misled:
        """Says that the target is where the other one is."""

        boxes = other[None]

        def add(self, image: ImageArray, boxes: FloatArray) -> None:
            pass

        def keep(self, rows: FloatArray) -> None:
            pass

        def update(self, image: ImageArray, *, around: FloatArray, learn: FloatArray) -> object:
            from trackers.targets import Found

            return Found(other[None].copy(), np.ones(1))

    carrier = Carrier(cast("ResumableTargets", Misled()), evidence=Evidence.TARGET)
    carrier.add(lone.frames[0], np.array([7]), one[None])
    ids, learn = np.array([7]), np.ones(1, dtype=bool)
    found, _ = carrier.carry(pictures.frames[1], ids, one[None], learn=learn, others=np.zeros((0, 4)))
    assert found.tolist() == [True]  # nobody else is there
    found, boxes = carrier.carry(pictures.frames[1], ids, one[None], learn=learn, others=other[None])
    assert found.tolist() == [False]
    np.testing.assert_array_equal(boxes, one[None])
    assert carrier.given_up.tolist() == [7]
    found, _ = carrier.carry(pictures.frames[2], ids, one[None], learn=learn, others=np.zeros((0, 4)))
    assert found.tolist() == [False]  # also where the other one is missed next


def test_who_was_given_up_is_learned_anew_once_detected() -> None:
    pictures = moving(3, starts=STARTS, steps=STEPS * 0)
    carrier = flow()
    carrier.given_up = np.array([9])
    holding, ids, none = Holding(missed=carrier), np.array([9]), np.zeros((0, 4))
    learn = np.ones(1, dtype=bool)
    holding.see(pictures.frames[0], ids, pictures.boxes[0, 1:])
    found, _ = holding.carry_missed(pictures.frames[1], ids, pictures.boxes[0, 1:], learn=learn, others=none)
    assert found.tolist() == [False]
    holding.carry_missed(pictures.frames[1], ids[:0], none, learn=learn[:0], others=none)  # it was detected
    holding.see(pictures.frames[1], ids, pictures.boxes[1, 1:])
    found, _ = holding.carry_missed(pictures.frames[2], ids, pictures.boxes[1, 1:], learn=learn, others=none)
    assert found.tolist() == [True]


def test_between_detections_tracks_are_learned_anew_from_each() -> None:
    """A first box that is off does not stay what is looked for."""
    pictures = moving(13, starts=STARTS[:1], steps=STEPS[:1])
    what = tracker()
    for number, (frame, boxes) in enumerate(zip(pictures.frames, pictures.boxes, strict=True)):
        if number % 3 == 0:
            what.update(seen(boxes + (np.array([14, 20, 14, 20]) if number == 0 else 0)), number / FPS, image=frame)
        else:
            tracks = what.carry(number / FPS, image=frame)
    assert tracks.evidence.tolist() == [Evidence.FLOW]
    assert iou_pairs(tracks.boxes, pictures.boxes[11, :]).min() > 0.6


def test_who_was_seen_between_is_held_for_all_of_its_time_afterwards() -> None:
    """Frames in which nobody looked for a track take none of its time; those after a look has missed it do."""
    pictures = moving(20, starts=STARTS[:1], steps=STEPS[:1] * 0)
    what, stages = tracker(hold_seconds=0.2), []
    for number, (frame, boxes) in enumerate(zip(pictures.frames, pictures.boxes, strict=True)):
        if number < 3 or number in (7, 8, 9, 14, 15):
            tracks = what.update(seen(boxes, (0,) if number > 6 else ()), number / FPS, image=frame)
        else:
            tracks = what.carry(number / FPS, image=frame)
        stages.append(int(tracks.stages[0]))
    assert stages == [CONFIRMED] * 14 + [LOST] * 6  # carried to frame 6, and missed from 7 on


def test_who_was_not_seen_between_is_not_held_afterwards() -> None:
    pictures = moving(10, starts=STARTS[:1], steps=STEPS[:1], hidden=range(7, 10))
    what = tracker()
    for number, (frame, boxes) in enumerate(zip(pictures.frames, pictures.boxes, strict=True)):
        if number % 3:
            what.carry(number / FPS, image=frame)
        else:
            tracks = what.update(seen(boxes, (0,) if number == 9 else ()), number / FPS, image=frame)
    assert tracks.stages.tolist() == [LOST]


def test_a_real_target_stays_beside_another_track() -> None:
    pictures = moving(3, starts=np.array([[40.0, 50.0], [60.0, 50.0]]), steps=np.zeros((2, 2)))
    carrier = flow()
    carrier.add(pictures.frames[0], np.array([7]), pictures.boxes[0, 1:])  # the one in front
    found, _ = carrier.carry(
        pictures.frames[1],
        np.array([7]),
        pictures.boxes[0, 1:],
        learn=np.ones(1, dtype=bool),
        others=pictures.boxes[0, :1],
    )
    assert found.tolist() == [True]


def test_tracks_are_carried_between_the_frames_a_detector_looks_at() -> None:
    pictures = moving(13, starts=STARTS, steps=STEPS * 2)
    what = tracker()
    for number, (frame, boxes) in enumerate(zip(pictures.frames, pictures.boxes, strict=True)):
        if number % 3 == 0:
            tracks = what.update(seen(boxes), number / FPS, image=frame)
            assert tracks.evidence.tolist() == [Evidence.DETECTED] * 2
        else:
            tracks = what.carry(number / FPS, image=frame)
            assert tracks.evidence.tolist() == [Evidence.FLOW] * 2
        assert tracks.ids.tolist() == [1, 2]
        assert (tracks.stages == CONFIRMED).all()
        assert iou_pairs(tracks.boxes, boxes).min() > 0.75


def test_without_pictures_nothing_is_held() -> None:
    what = tracker()
    boxes = moving(1, starts=STARTS, steps=STEPS).boxes[0]
    for number in range(6):
        what.update(seen(boxes), number / FPS)
    assert what.update(seen(boxes, (1,)), 6 / FPS).stages.tolist() == [CONFIRMED, LOST]
    assert what.carry(7 / FPS).evidence.tolist() == [Evidence.PREDICTED] * 2


@pytest.mark.parametrize("other", [texture(64, 48, seed=9), np.zeros((HEIGHT, WIDTH), np.uint8)])
def test_another_kind_of_picture_is_survived(other: ImageArray) -> None:
    pictures = moving(8, starts=STARTS, steps=STEPS)
    what = tracker()
    watch(pictures, what, missed={7: (1,)})
    tracks = what.update(seen(pictures.boxes[0], (0, 1)), 8 / FPS, image=other)
    assert (tracks.stages == LOST).all()
    assert np.isfinite(tracks.boxes).all()


def test_grey_pictures_do() -> None:
    pictures = moving(10, starts=STARTS, steps=STEPS)
    grey = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in pictures.frames]
    tracks = watch(Pictures(grey, pictures.boxes), tracker(), missed={9: (1,)})[9]
    assert tracks.evidence.tolist() == [Evidence.DETECTED, Evidence.FLOW]


@pytest.mark.parametrize("cut", [6, 9])  # before anything is held, and while it is
def test_a_saved_tracker_goes_on_as_if_nothing_had_been(cut: int) -> None:
    pictures = moving(14, starts=STARTS, steps=STEPS)
    missed = dict.fromkeys((8, 9, 10, 12), (1,))
    whole = watch(pictures, tracker(), missed=missed)
    first, second = tracker(), tracker()
    for number in range(cut):
        first.update(seen(pictures.boxes[number], missed.get(number, ())), number / FPS, image=pictures.frames[number])
    second.from_arrays(first.to_arrays())
    for number in range(cut, 14):
        tracks = second.update(
            seen(pictures.boxes[number], missed.get(number, ())), number / FPS, image=pictures.frames[number]
        )
        np.testing.assert_array_equal(tracks.boxes, whole[number].boxes)
        np.testing.assert_array_equal(tracks.evidence, whole[number].evidence)


def test_only_who_is_missed_is_learned() -> None:
    carrier = flow()
    holding = Holding(missed=carrier)
    pictures = moving(3, starts=STARTS, steps=STEPS)
    ids = np.array([4, 9])
    holding.see(pictures.frames[0], ids, pictures.boxes[0])
    none = np.zeros((0, 4))
    found, boxes = holding.carry_missed(
        pictures.frames[1], ids[1:], pictures.boxes[0, 1:], learn=np.ones(1, dtype=bool), others=none
    )
    assert carrier.ids.tolist() == [9]
    assert found.tolist() == [True]
    assert iou_pairs(boxes, pictures.boxes[1, 1:])[0] > 0.85
    holding.carry_missed(pictures.frames[2], ids[:0], none, learn=np.zeros(0, dtype=bool), others=none)
    assert carrier.ids.tolist() == []  # it was detected again


def test_a_moving_camera_is_compensated_for() -> None:
    """The whole picture jumps; what stands in it is matched only where the camera's motion is taken out."""
    ground = texture(3 * WIDTH, HEIGHT, seed=4, grain=4)
    ids = {}
    for camera in ("none", "similarity"):
        what, known = tracker(camera=camera), []
        for number in range(12):
            shift = 18 * max(number - 5, 0)
            box = np.array([[250.0 - shift, 80, 266 - shift, 120]])
            picture = np.ascontiguousarray(ground[:, shift : shift + WIDTH])
            known.append(what.update(seen(box), number / FPS, image=picture).confirmed.ids.tolist())
        ids[camera] = known[-1]
    assert ids["similarity"] == [1]
    assert ids["none"] != [1]
