"""Ground truth against the pixels: what the picture shows is what the truth says."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.synthetic.camera import Camera
from pipeline.synthetic.raster import CORNERS, Drawing, Layer, Window, cover, paint
from pipeline.synthetic.scene import Scene
from pipeline.synthetic.truth import Body, measure
from trackers.structures import FloatArray, IntArray

FRAME = Window(0, 0, 100, 80)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(seconds=40, size=(640, 360), fps=12.5)


def square(x: float, y: float, side: float) -> FloatArray:
    corners = np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)], float)
    return np.concatenate([corners, np.repeat(corners[-1:], CORNERS - 4, axis=0)])[None]


def body(walker: int, distance: float, x: float, y: float, side: float) -> Body:
    return Body(walker, distance, *cover(square(x, y, side)))


def pillar(x: float, y: float, side: float) -> Layer:
    return paint(Drawing(square(x, y, side), np.array([[90.0, 90.0, 90.0]])), square(x, y, side))


def test_one_walker_alone_changes_exactly_the_pixels_of_its_mask() -> None:
    """Figures only: the picture is compared before shadow and noise are added."""
    scene = Scene(seconds=30, size=(640, 360), fps=5, walkers=1, seed=3)
    compared = 0
    for index in range(10, 150, 4):
        truth = scene.truth(index)
        if len(truth) == 0 or truth.visibility[0] < 0.1:
            continue
        change = change_without_shadow(scene, index)
        mask = truth.masks.full(360, 640)[0]
        assert (mask & (change <= 2)).sum() <= 0.01 * mask.sum()  # where skin has the colour of the stone behind it
        rows, columns = np.nonzero(change > 30)  # less is the soft edge, covered by less than a half
        edges = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        np.testing.assert_allclose(edges, truth.visible_boxes[0], atol=1)
        compared += 1
    assert compared > 10


def change_without_shadow(scene: Scene, index: int) -> IntArray:
    image = scene.backdrop.copy()
    for walker, pose, view in scene._present(index):
        scene._lay_figure(image, paint(scene._figures[walker].drawing(view), view.outline), pose.z)
    change: IntArray = np.abs(image.astype(int) - scene.backdrop.astype(int)).max(axis=2)
    return change


def test_the_finished_picture_differs_from_the_empty_one_where_walkers_and_shadows_are(scene: Scene) -> None:
    empty = Scene(seconds=40, size=(640, 360), fps=12.5, walkers=0)
    seen, missed = 0, 0
    for index in range(60, 500, 40):
        picture = scene.frame(index)
        changed = (picture.image != empty.frame(index).image).any(axis=2)
        mask = picture.truth.masks.full(360, 640).any(axis=0)
        seen, missed = seen + int(mask.sum()), missed + int((mask & ~changed).sum())
        far_away = np.ones_like(mask)
        for x1, y1, x2, y2 in picture.truth.boxes.astype(int):
            high = y2 - y1  # a shadow reaches half a body's height to the right
            far_away[max(0, y1 - 9) : max(0, y2 + high), max(0, x1 - 9) : max(0, x2 + high)] = False
        assert not (changed & far_away).any()
    assert seen > 3000
    assert missed < 0.01 * seen


def test_a_pixel_belongs_to_one_walker_only(scene: Scene) -> None:
    shared = 0
    for index in range(40, 500, 3):
        truth = scene.truth(index)
        assert truth.masks.full(360, 640).sum(axis=0).max(initial=0) <= 1
        shared += int((truth.covered > 0.05).sum())
    assert shared > 5  # the test saw walkers behind walkers


def test_visibility_boxes_and_masks_agree(scene: Scene) -> None:
    hidden = 0
    for truth in scene.truths():
        assert (np.diff(truth.ids) > 0).all()
        for row in range(len(truth)):
            visible = truth.masks.crops[row].sum()
            assert (truth.visibility[row] > 0) == (visible > 0)
            if not visible:
                hidden += 1
                assert (truth.visible_boxes[row] == 0).all()
                continue
            x, y = truth.masks.origins[row]
            height, width = truth.masks.crops[row].shape
            assert truth.visible_boxes[row].tolist() == [x, y, x + width, y + height]
            inside, whole = truth.visible_boxes[row], truth.boxes[row]
            assert (inside[:2] >= whole[:2]).all()
            assert (inside[2:] <= whole[2:]).all()
    assert hidden > 20


def test_a_nearer_walker_hides_a_farther_one_by_hand() -> None:
    truth = measure(0, 0.0, [body(0, 20.0, 10, 10, 20), body(1, 10.0, 20, 10, 20)], [], FRAME)
    assert truth.boxes.tolist() == [[10, 10, 30, 30], [20, 10, 40, 30]]
    assert truth.visible_boxes.tolist() == [[10, 10, 20, 30], [20, 10, 40, 30]]
    assert truth.visibility.tolist() == [0.5, 1.0]
    assert truth.covered.tolist() == [[0, 0.5], [0, 0]]


@pytest.mark.parametrize(("distance", "visibility"), [(20.0, 0.0), (5.0, 1.0)])
def test_a_pillar_hides_whoever_is_behind_it_by_hand(distance: float, visibility: float) -> None:
    truth = measure(0, 0.0, [body(4, distance, 10, 10, 20)], [(10.0, pillar(5, 5, 40))], FRAME)
    assert truth.ids.tolist() == [5]
    assert truth.visibility.tolist() == [visibility]
    assert truth.boxes.tolist() == [[10, 10, 30, 30]]
    assert truth.masks.crops[0].sum() == 400 * visibility


def test_the_edge_of_the_picture_cuts_masks_and_not_amodal_boxes_by_hand() -> None:
    truth = measure(0, 0.0, [body(0, 9.0, -15, 70, 20), body(1, 9.0, 120, 0, 20)], [], FRAME)
    assert truth.ids.tolist() == [1]  # the second one is outside
    assert truth.boxes.tolist() == [[-15, 70, 5, 90]]
    assert truth.visible_boxes.tolist() == [[0, 70, 5, 80]]
    assert truth.visibility.tolist() == pytest.approx([50 / 400])


def test_nobody_is_an_ordinary_truth() -> None:
    truth = measure(3, 0.12, [], [(10.0, pillar(5, 5, 40))], FRAME)
    assert len(truth) == 0
    assert truth.covered.shape == (0, 0)
    assert truth.masks.full(80, 100).shape == (0, 80, 100)


def test_walkers_are_as_large_as_the_camera_says(scene: Scene) -> None:
    camera = Camera(640, 360)
    compared = 0
    for index in range(60, 500, 20):
        truth = scene.truth(index)
        for walker, pose, _ in scene._present(index):
            if walker + 1 in truth.ids:
                height = scene._figures[walker].look.height
                ends = camera.project(np.array([[pose.x, 0.0, pose.z], [pose.x, height, pose.z]]))
                box = truth.boxes[truth.ids == walker + 1][0]
                assert box[3] - box[1] == pytest.approx(ends[0, 1] - ends[1, 1], rel=0.12)
                compared += 1
    assert compared > 50


def test_an_identity_keeps_its_look_when_it_returns() -> None:
    scene = Scene(seconds=60, size=(640, 360), fps=5)
    stays: dict[int, list[list[int]]] = {}  # id -> frames of each stay in which it is wholly seen
    previous: set[int] = set()
    for truth in scene.truths():
        for identity, visibility in zip(truth.ids.tolist(), truth.visibility.tolist(), strict=True):
            of_this = stays.setdefault(identity, [])
            if identity not in previous:
                of_this.append([])
            if visibility == 1:
                of_this[-1].append(truth.index)
        previous = set(truth.ids.tolist())
    returned = {identity: [s for s in of_this if s] for identity, of_this in stays.items()}
    returned = {identity: of_this for identity, of_this in returned.items() if len(of_this) > 1}
    assert returned
    for identity, of_this in returned.items():
        first, again = (mean_colour(scene, identity, of_this[i][len(of_this[i]) // 2]) for i in (0, -1))
        assert np.abs(first - again).max() < 40


def mean_colour(scene: Scene, identity: int, index: int) -> FloatArray:
    picture = scene.frame(index)
    mask = picture.truth.masks.full(360, 640)[picture.truth.ids == identity][0]
    colour: FloatArray = picture.image[mask].mean(axis=0)
    return colour
