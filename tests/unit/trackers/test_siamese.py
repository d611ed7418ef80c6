"""The Siamese tracker: the papers' equations by hand, and following squares with a network of plain correlation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from tests.unit.trackers.plain_networks import PLAIN
from trackers import siamese, siamese_looks
from trackers.geometry import centres, iou_pairs
from trackers.siamese import SiameseTracker
from trackers.siamese_networks import SiameseNetworks, cell_middles
from trackers.structures import FloatArray, ImageArray

SIDE = 32  # pixels of the square that is followed


def pattern(seed: int) -> ImageArray:
    """A square of 4 x 4 bright coloured tiles."""
    tiles = np.random.default_rng(seed).integers(60, 256, (4, 4, 3), np.uint8)
    return tiles.repeat(SIDE // 4, axis=0).repeat(SIDE // 4, axis=1)


def scene(*squares: tuple[float, float, int], width: int = 320, height: int = 240) -> tuple[ImageArray, FloatArray]:
    """Squares (left, top, seed) on dark noise, cut at the border, and their boxes."""
    image = np.random.default_rng(99).integers(0, 50, (height, width, 3), np.uint8)
    boxes = np.array([(x, y, x + SIDE, y + SIDE) for x, y, _ in squares]).reshape(-1, 4)
    for (x1, y1, x2, y2), (_, _, seed) in zip(boxes.astype(int), squares, strict=True):
        left, top = max(x1, 0), max(y1, 0)
        part = image[top : max(y2, 0), left : max(x2, 0)]
        part[...] = pattern(seed)[top - y1 :, left - x1 :][: part.shape[0], : part.shape[1]]
    return image, boxes.astype(np.float64)


def watching(*squares: tuple[float, float, int]) -> SiameseTracker:
    tracker = SiameseTracker(PLAIN)
    tracker.add(*scene(*squares))
    return tracker


def scripted(answer: Callable[[int], tuple[FloatArray, FloatArray]]) -> SiameseNetworks:
    """Networks whose head says `answer(n)`, and to which everything looks alike."""

    def looks(crops: ImageArray) -> FloatArray:
        maps = np.zeros((len(crops), 2, 16, 16), np.float32)
        maps[:, 0] = 1
        maps[:, 0, 0, :] = 0  # so that the mean does not take all away
        return maps

    return SiameseNetworks(looks, looks, lambda templates, maps: answer(len(maps)))


def test_side_of_a_crop_by_hand() -> None:
    # p = (30 + 60) / 2 = 45: sqrt(75 * 105). A square of 10: sqrt(20 * 20).
    np.testing.assert_allclose(
        siamese_looks.context_sides(np.array([[30.0, 60.0], [10.0, 10.0]]), 0.5), [88.741196746494, 20]
    )
    np.testing.assert_allclose(siamese_looks.context_sides(np.array([[30.0, 60.0]]), 0), np.sqrt(1800))
    assert siamese_looks.context_sides(np.zeros((0, 2)), 0.5).shape == (0,)


def test_cells_look_at_steps_of_the_stride_around_the_middle_of_the_crop() -> None:
    cells = cell_middles(16, 16, size=255, stride=16).reshape(-1, 2)
    np.testing.assert_array_equal(cells[0], [-1, -1])
    np.testing.assert_array_equal(cells[1], [15, -1])  # x runs first
    np.testing.assert_array_equal(cells[8 * 16 + 8], [127, 127])


def test_boxes_of_distances_by_hand() -> None:
    distances = np.array([[1.0, 9], [2, 9], [3, 9], [4, 9]]).reshape(1, 4, 1, 2)
    boxes = siamese.decoded(distances, np.array([[100.0, 50], [0, 0]]), size=255)
    np.testing.assert_array_equal(boxes, [[[99, 48, 103, 54], [-9, -9, 9, 9]]])


def test_no_side_is_farther_off_than_a_region_or_turned_inside_out() -> None:
    distances = np.array([np.inf, -7.0, 1e30, 5.0]).reshape(1, 4, 1, 1)
    np.testing.assert_array_equal(siamese.decoded(distances, np.zeros((1, 2)), size=255), [[[-255, 0, 255, 5]]])


def test_penalties_by_hand() -> None:
    before = np.array([[20.0, 10.0]])
    boxes = np.array([[[0.0, 0, 20, 10], [5, 5, 45, 25], [0, 0, 10, 5], [0, 0, 10, 20]]])
    # the same; twice and half the scale; turned: r' / r = 2 / 0.5 at the same scale
    expected = np.exp([[0, -0.1 * (2 - 1), -0.1 * (2 - 1), -0.1 * (4 - 1)]])
    np.testing.assert_allclose(siamese.shape_penalties(boxes, before, strictness=0.1), expected)


def test_an_empty_box_is_penalised_to_nothing() -> None:
    assert siamese.shape_penalties(np.zeros((1, 1, 4)), np.array([[20.0, 10]]), strictness=0.1) == 0


def test_window_by_hand() -> None:
    window = siamese.cosine_window(5, 3).reshape(5, 3)
    np.testing.assert_allclose(window[:, 1], [0, 0.5, 1, 0.5, 0])
    np.testing.assert_allclose(window[:, [0, 2]], 0)


def test_sizes_are_followed_by_the_rate() -> None:
    found, before = np.array([[20.0, 40.0], [20, 40]]), np.array([[10.0, 40.0], [10, 40]])
    np.testing.assert_allclose(siamese.smoothed(found, before, np.array([0.3, 0])), [[13, 40], [10, 40]])


def test_second_score_is_the_best_beyond_the_box_made_larger() -> None:
    cells = np.array([[50.0, 50], [59, 50], [61, 50], [50, 38], [90, 90]])
    scores = np.array([[0.9, 0.8, 0.3, 0.6, 0.1], [0.1, 0.2, 0.3, 0.4, 0.5]])
    chosen = np.array([[40.0, 40, 60, 60], [0, 0, 200, 200]])  # reach 12 pixels; reach all
    np.testing.assert_allclose(siamese.second_scores(scores[:, :3], cells[:3], chosen), [0, 0])
    np.testing.assert_allclose(siamese.second_scores(scores, cells, chosen), [0.1, 0])
    cells[3] = 50, 37.9
    np.testing.assert_allclose(siamese.second_scores(scores, cells, chosen), [0.6, 0])


def test_score_by_hand() -> None:
    sure, alike, rivals = np.array([[0.9, 0.9, 0.9, 0.0], [0.5, 0.5, -0.2, 1.0], [0.0, 1.0, 0.0, 0.0]])
    np.testing.assert_allclose(siamese.found_scores(sure, alike, rivals), [0.45, 0.225, 0, 0])


def test_looks_agree_with_scipy_between_cells_and_beyond_the_border() -> None:
    rng = np.random.default_rng(4)
    maps, means = rng.normal(size=(3, 2, 9, 7)), rng.normal(size=(3, 2))
    places = np.array([[3.0, 4.0], [2.3, 5.8], [6.9, -0.4]])
    looks = siamese_looks.looks_at(maps, places, means)
    near = np.arange(-2, 3)
    for row, (x, y) in enumerate(places):
        where = np.meshgrid(y + near, x + near, indexing="ij")
        seen = np.stack([map_coordinates(one, where, order=1, mode="nearest") for one in maps[row]], axis=-1)
        seen -= means[row]
        np.testing.assert_allclose(looks[row], seen.ravel() / np.linalg.norm(seen))


def test_a_map_that_says_nothing_is_like_nothing() -> None:
    np.testing.assert_array_equal(
        siamese_looks.looks_at(np.ones((1, 2, 8, 8)), np.full((1, 2), 4.0), np.ones((1, 2))), 0
    )


def test_one_step_by_hand() -> None:
    """A square of 40 pixels has 63.5 in the crop (side 80 -> 127), which shows 1.5875 pixels for one of the picture."""

    def head(count: int) -> tuple[FloatArray, FloatArray]:
        scores = np.zeros((count, 16, 16))
        scores[:, 8, 9] = 0.8  # one cell right of the middle: 16 pixels
        return scores, np.full((count, 4, 16, 16), 63.5)  # twice the size: penalty exp(-0.1)

    tracker = SiameseTracker(scripted(head), strictness=0.1, rate=0.5, influence=0.2)
    image = np.zeros((200, 300, 3), np.uint8)
    tracker.add(image, np.array([[100.0, 80, 140, 120]]))
    found = tracker.update(image)
    np.testing.assert_allclose(centres(found.boxes), [[120 + 16 / 1.5875, 100]])
    np.testing.assert_allclose(found.boxes[:, 2:] - found.boxes[:, :2], 40 + 0.5 * np.exp(-0.1) * 0.8 * 40)
    np.testing.assert_allclose(found.scores, 0.8)
    np.testing.assert_array_equal(tracker.boxes, found.boxes)


def test_the_window_prefers_the_near_of_two_alike() -> None:
    def head(count: int) -> tuple[FloatArray, FloatArray]:
        scores = np.zeros((count, 16, 16))
        scores[:, 8, 7], scores[:, 8, 13] = 0.8, 0.9
        return scores, np.full((count, 4, 16, 16), 31.75)

    image, box = np.zeros((200, 300, 3), np.uint8), np.array([[100.0, 80, 140, 120]])
    for influence, cells in ((0.5, -1), (0.0, 5)):
        tracker = SiameseTracker(scripted(head), influence=influence)
        tracker.add(image, box)
        found = tracker.update(image)
        np.testing.assert_allclose(centres(found.boxes), [[120 + cells * 16 / 1.5875, 100]])
        np.testing.assert_allclose(found.scores, [0.8 * (1 - 0.9 / 2)] if cells < 0 else [0.9 * (1 - 0.8 / 2)])


def test_of_two_alike_the_one_that_kept_its_shape_is_chosen() -> None:
    def head(count: int) -> tuple[FloatArray, FloatArray]:
        scores, distances = np.zeros((count, 16, 16)), np.full((count, 4, 16, 16), 31.75)
        scores[:, 8, 7], scores[:, 8, 9] = 0.9, 0.8
        distances[:, 0, 8, 7] = 200  # the first is now much wider
        return scores, distances

    image = np.zeros((200, 300, 3), np.uint8)
    for strictness, middle in ((0.15, 120 + 16 / 1.5875), (0.0, 120 - (16 + 84.125) / 1.5875)):
        tracker = SiameseTracker(scripted(head), influence=0, strictness=strictness)
        tracker.add(image, np.array([[100.0, 80, 140, 120]]))
        np.testing.assert_allclose(centres(tracker.update(image).boxes)[0, 0], middle)


def test_a_target_is_known_again_where_it_went() -> None:
    still = watching((100, 100, 1)).update(scene((100, 100, 1))[0])
    moved = watching((100, 100, 1)).update(scene((116, 116, 1))[0])
    assert moved.scores[0] > 0.95 * still.scores[0]


def test_follows_a_moving_square() -> None:
    tracker = watching((60, 50, 1))
    for step in range(1, 20):
        image, truth = scene((60 + 7 * step, 50 + 5 * step, 1))
        found = tracker.update(image)
        assert iou_pairs(found.boxes, truth).min() > 0.7
        assert found.scores.min() > 0.4


def test_several_targets_are_each_followed_as_if_alone() -> None:
    starts = [(40, 40, 1), (150, 60, 2), (90, 150, 3)]
    image, boxes = scene(*starts)
    together, alone = SiameseTracker(PLAIN), [SiameseTracker(PLAIN) for _ in starts]
    together.add(image, boxes)
    for row, tracker in enumerate(alone):
        tracker.add(image, boxes[[row]])
    for step in range(1, 6):
        image, truth = scene(*((x + 6 * step, y + 3 * step, seed) for x, y, seed in starts))
        found = together.update(image)
        assert iou_pairs(found.boxes, truth).min() > 0.7
        for row, tracker in enumerate(alone):
            single = tracker.update(image)
            np.testing.assert_allclose(found.boxes[[row]], single.boxes)
            np.testing.assert_allclose(found.scores[[row]], single.scores)


def test_targets_come_later_and_go_earlier() -> None:
    tracker = watching((40, 40, 1), (150, 60, 2))
    image, boxes = scene((40, 40, 1), (150, 60, 2), (90, 150, 3))
    tracker.add(image, boxes[2:])
    tracker.keep(np.array([False, True, True]))
    image, truth = scene((50, 40, 1), (160, 60, 2), (100, 150, 3))
    found = tracker.update(image)
    assert len(found) == 2
    assert iou_pairs(found.boxes, truth[1:]).min() > 0.7


def test_no_targets_need_no_network() -> None:
    def never(*arrays: FloatArray) -> FloatArray:
        raise AssertionError("nothing to look for")

    tracker = SiameseTracker(replace(PLAIN, template=never, search=never))
    image, _ = scene()
    tracker.add(image, np.zeros((0, 4)))
    for around in (None, np.zeros((0, 4))):
        found = tracker.update(image, around=around)
        assert found.boxes.shape == (0, 4)
        assert found.scores.shape == (0,)
    tracker.keep(np.zeros(0, dtype=bool))
    assert tracker.boxes.shape == (0, 4)


def test_all_targets_go_and_others_come() -> None:
    tracker = watching((40, 40, 1))
    tracker.keep(np.array([False]))
    tracker.add(*scene((150, 60, 2)))
    image, truth = scene((155, 62, 2))
    assert iou_pairs(tracker.update(image).boxes, truth).min() > 0.7


def test_the_score_falls_when_the_target_goes_and_rises_when_it_is_back() -> None:
    tracker = watching((60, 50, 1))
    seen = tracker.update(scene((64, 50, 1))[0])
    gone = tracker.update(scene()[0])
    assert gone.scores[0] < 0.1 < 0.4 < seen.scores[0]
    np.testing.assert_array_equal(gone.boxes, seen.boxes)
    image, truth = scene((70, 54, 1))
    back = tracker.update(image)
    assert back.scores[0] > 0.4
    assert iou_pairs(back.boxes, truth).min() > 0.7


def test_the_score_falls_when_another_takes_the_place() -> None:
    tracker = watching((60, 50, 1))
    same = tracker.update(scene((60, 50, 1))[0])
    other = tracker.update(scene((60, 50, 7))[0])
    assert other.scores[0] < same.scores[0] / 2


def test_the_score_falls_beside_a_double() -> None:
    alone = watching((100, 100, 1)).update(scene((100, 100, 1))[0])
    beside = watching((100, 100, 1)).update(scene((100, 100, 1), (140, 100, 1))[0])
    np.testing.assert_allclose(beside.boxes, alone.boxes, atol=1)
    assert beside.scores[0] < 0.7 * alone.scores[0]


def test_other_places_are_looked_at_without_going_there() -> None:
    tracker = watching((40, 40, 1), (150, 60, 2))
    image, truth = scene((90, 150, 2), (250, 180, 1))
    rows = np.array([0, 0, 1, 0])
    around = np.concatenate([truth[1:] + 12, truth[:1], truth[:1] - 10, truth[1:] - [40, 0, 40, 0]])
    seen = tracker.look(image, rows, around)
    np.testing.assert_array_equal(seen.scores > 0.3, [True, False, True, True])
    assert iou_pairs(seen.boxes[[0, 2, 3]], truth[[1, 0, 1]]).min() > 0.7
    np.testing.assert_array_equal(tracker.boxes, scene((40, 40, 1), (150, 60, 2))[1])
    assert len(tracker.look(image, rows[:0], around[:0])) == 0


def test_what_is_looked_for_elsewhere_may_be_anywhere_in_the_region() -> None:
    """The better of two alike, not the nearer one as in `update`."""

    def head(count: int) -> tuple[FloatArray, FloatArray]:
        scores = np.zeros((count, 16, 16))
        scores[:, 8, 7], scores[:, 8, 13] = 0.8, 0.9
        return scores, np.full((count, 4, 16, 16), 31.75)

    image, box = np.zeros((200, 300, 3), np.uint8), np.array([[100.0, 80, 140, 120]])
    tracker = SiameseTracker(scripted(head), influence=0.5)
    tracker.add(image, box)
    np.testing.assert_allclose(centres(tracker.look(image, np.array([0]), box).boxes), [[120 + 5 * 16 / 1.5875, 100]])


def test_searches_where_it_is_told() -> None:
    image, truth = scene((250, 180, 1))
    assert watching((40, 40, 1)).update(image).scores[0] < 0.1
    told = watching((40, 40, 1)).update(image, around=truth - 10)
    assert told.scores[0] > 0.4
    assert iou_pairs(told.boxes, truth).min() > 0.7


def test_a_target_that_is_not_where_it_was_told_to_be_stays_where_it_was_found() -> None:
    tracker = watching((40, 40, 1))
    found = tracker.update(scene()[0], around=np.array([[200.0, 150, 232, 182]]))
    assert found.scores[0] < 0.1
    np.testing.assert_array_equal(found.boxes, [[40, 40, 72, 72]])


def test_a_place_that_is_no_number_says_nothing() -> None:
    image, truth = scene((44, 40, 1))
    told = watching((40, 40, 1)).update(image, around=np.array([[np.nan, 0, 1, 1]]))
    np.testing.assert_array_equal(told.boxes, watching((40, 40, 1)).update(image).boxes)
    assert iou_pairs(told.boxes, truth).min() > 0.7


@pytest.mark.parametrize(
    "around",
    [
        pytest.param([[-1e9, -1e9, 1e9, 1e9]], id="everything"),
        pytest.param([[900.0, 900, 950, 950]], id="outside"),
        pytest.param([[50.0, 50, 50, 50]], id="empty"),
        pytest.param([[80.0, 80, 20, 20]], id="inside out"),
    ],
)
def test_odd_places_are_brought_into_the_picture(around: list[list[float]]) -> None:
    found = watching((40, 40, 1)).update(scene((44, 40, 1))[0], around=np.array(around))
    assert (centres(found.boxes) >= 0).all()
    assert (centres(found.boxes) <= [320, 240]).all()
    assert (found.boxes[:, 2:] - found.boxes[:, :2] >= 3).all()


def test_a_target_that_leaves_the_picture_stays_at_its_border() -> None:
    tracker = watching((40, 100, 1))
    for step in range(1, 12):
        found = tracker.update(scene((40 - 8 * step, 100, 1))[0])
        assert np.isfinite(found.boxes).all()
        assert 0 <= centres(found.boxes)[0, 0] <= 320
    assert found.scores[0] < 0.2


@pytest.mark.parametrize("size", [(48, 64), (1, 1), (1080, 1920)])
def test_cuts_and_other_resolutions_are_borne(size: tuple[int, int]) -> None:
    tracker = watching((280, 200, 1))
    other = np.random.default_rng(5).integers(0, 256, (*size, 3), np.uint8)
    for image in (other, other[..., :1], other[..., 0], scene((280, 200, 1))[0]):
        found = tracker.update(image)
        assert np.isfinite(found.boxes).all()
        assert 0 <= found.scores[0] <= 1


def test_what_cannot_be_learned_from_is_refused() -> None:
    tracker = watching((40, 40, 1))
    image, boxes = scene((40, 40, 1))
    with pytest.raises(ValueError, match="outside the picture"):
        tracker.add(image, boxes + 1000)
    with pytest.raises(ValueError, match="8 bits"):
        tracker.update(image.astype(np.float32))
    with pytest.raises(ValueError, match=r"around must be \(1, 4\), a box for each target, got \(2, 4\)"):
        tracker.update(image, around=np.zeros((2, 4)))
    assert len(tracker.update(image)) == 1
