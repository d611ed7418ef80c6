"""The batched filters against filterpy, against their equations, and at the ends of what boxes and times can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from filterpy.kalman import KalmanFilter
from hypothesis import given
from hypothesis import strategies as st
from numpy.linalg import det, inv
from scipy.stats import chi2

from tests.unit.trackers import scenes
from trackers import kalman
from trackers.kalman import BoxForm, MotionModel
from trackers.structures import FloatArray

MODELS = [
    pytest.param(kalman.XYAH8, id="xyah8"),
    pytest.param(kalman.XYWH8, id="xywh8"),
    pytest.param(kalman.XYSR7, id="xysr7"),
]
every_model = pytest.mark.parametrize("model", MODELS)
TOLERANCE = 1e-9
IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


@dataclass(frozen=True)
class Matrices:
    """F, Q, H and R of one object, written out from the formulae at the top of trackers/kalman.py."""

    model: MotionModel

    def transition(self, seconds: float) -> FloatArray:
        matrix = np.eye(self.model.size)
        for component in range(self.model.velocities):
            matrix[component, 4 + component] = seconds
        return matrix

    def process_noise(self, seconds: float, height: float) -> FloatArray:
        matrix = np.zeros((self.model.size, self.model.size))
        for i in range(4):
            unit = height ** self.model.units[i]
            drift, acceleration = (unit * self.model.drift_std[i]) ** 2, (unit * self.model.acceleration_std[i]) ** 2
            matrix[i, i] = drift * seconds
            if i < self.model.velocities:
                matrix[i, i] += acceleration * seconds**3 / 3
                matrix[i, 4 + i] = matrix[4 + i, i] = acceleration * seconds**2 / 2
                matrix[4 + i, 4 + i] = acceleration * seconds
        return matrix

    @property
    def observation(self) -> FloatArray:
        return np.eye(4, self.model.size)

    def measurement_noise(self, height: float) -> FloatArray:
        pairs = zip(self.model.units, self.model.measurement_std, strict=True)
        return np.diag([(height**power * std) ** 2 for power, std in pairs])


def measured(model: MotionModel, box: FloatArray) -> FloatArray:
    """A box in the model's form, one number at a time."""
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    last = {
        BoxForm.XYAH: (width / height, height),
        BoxForm.XYWH: (width, height),
        BoxForm.XYSR: (width * height, width / height),
    }
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2, *last[model.form]])


def random_boxes(rng: np.random.Generator, count: int) -> FloatArray:
    corner, sides = rng.uniform(-500, 2000, (count, 2)), rng.uniform(60, 400, (count, 2))
    return np.concatenate([corner, corner + sides], axis=1)


def heights_of(boxes: FloatArray) -> FloatArray:
    return np.asarray(boxes[:, 3] - boxes[:, 1])


def warm(model: MotionModel, count: int = 5, seed: int = 0) -> tuple[FloatArray, FloatArray, FloatArray]:
    """States with velocities and correlations: mean, covariance, heights."""
    rng = np.random.default_rng(seed)
    boxes = random_boxes(rng, count)
    mean, covariance = kalman.initiate(model, boxes)
    for _ in range(5):
        mean, covariance = kalman.predict(model, mean, covariance, 0.04, heights_of(boxes))
        boxes = boxes + rng.normal(0, 3, boxes.shape)
        mean, covariance = kalman.update(model, mean, covariance, boxes)
    return mean, covariance, heights_of(boxes)


def assert_close(ours: FloatArray, theirs: FloatArray) -> None:
    """Equal to 1e-9 of each component's own scale."""
    scale = np.abs(theirs).max() if theirs.ndim == 1 else np.sqrt(np.outer(np.diag(theirs), np.diag(theirs)))
    assert (np.abs(ours - theirs) <= TOLERANCE * np.maximum(scale, np.abs(theirs))).all()


def assert_positive_definite(covariance: FloatArray, *, least: float = 0.0) -> None:
    """Finite and, in units in which every component has variance 1, with eigenvalues above `least`."""
    assert np.isfinite(covariance).all()
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    assert (variance > 0).all()
    scale = np.sqrt(variance)
    correlation = covariance / scale[:, :, None] / scale[:, None, :]
    np.testing.assert_allclose(correlation, correlation.transpose(0, 2, 1), atol=1e-9)
    assert (np.linalg.eigvalsh(correlation) > least).all()


@every_model
def test_first_state_is_the_box_at_rest(model: MotionModel) -> None:
    box = np.array([100.0, 200, 120, 250])
    mean, covariance = kalman.initiate(model, box[None])
    assert mean.dtype == covariance.dtype == np.float64
    np.testing.assert_array_equal(mean[0, :4], measured(model, box))
    assert not mean[0, 4:].any()
    units = [50.0**power for power in model.units]
    stds = [unit * std for unit, std in zip(units, model.initial_std, strict=True)]
    stds += [unit * std for unit, std in zip(units, model.initial_velocity_std, strict=True)][: model.velocities]
    np.testing.assert_allclose(covariance[0], np.diag(np.square(stds)))


@every_model
def test_long_sequences_agree_with_filterpy(model: MotionModel) -> None:
    rng = np.random.default_rng(1)
    boxes = random_boxes(rng, 4)
    mean, covariance = kalman.initiate(model, boxes)
    heights = heights_of(boxes)
    matrices = Matrices(model)
    oracles = []
    for x, p in zip(mean, covariance, strict=True):
        oracle = KalmanFilter(dim_x=model.size, dim_z=4)
        oracle.x, oracle.P, oracle.H = x[:, None].copy(), p.copy(), matrices.observation
        oracles.append(oracle)
    for _ in range(300):
        seconds = rng.uniform(0.005, 0.5)
        mean, covariance = kalman.predict(model, mean, covariance, seconds, heights)
        for oracle, height in zip(oracles, heights, strict=True):
            oracle.predict(F=matrices.transition(seconds), Q=matrices.process_noise(seconds, height))
        seen = rng.random(len(boxes)) < 0.7
        boxes = boxes + rng.normal(0, 2, (len(boxes), 1))
        mean[seen], covariance[seen] = kalman.update(model, mean[seen], covariance[seen], boxes[seen])
        heights[seen] = heights_of(boxes[seen])
        for row in np.flatnonzero(seen):
            oracles[row].update(measured(model, boxes[row])[:, None], R=matrices.measurement_noise(heights[row]))
        for row, oracle in enumerate(oracles):
            assert_close(mean[row], oracle.x[:, 0])
            assert_close(covariance[row], oracle.P)


@every_model
def test_prediction_is_the_matrix_product(model: MotionModel) -> None:
    mean, covariance, heights = warm(model)
    matrices = Matrices(model)
    for seconds in (0.0, 0.001, 1 / 30, 2.0):
        moved, spread = kalman.predict(model, mean, covariance, seconds, heights)
        f = matrices.transition(seconds)
        for row, height in enumerate(heights):
            assert_close(moved[row], f @ mean[row])
            assert_close(spread[row], f @ covariance[row] @ f.T + matrices.process_noise(seconds, height))


@every_model
def test_every_object_may_have_its_own_step(model: MotionModel) -> None:
    mean, covariance, heights = warm(model)
    steps = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    moved, spread = kalman.predict(model, mean, covariance, steps, heights)
    for row, step in enumerate(steps):
        alone = slice(row, row + 1)
        one, one_spread = kalman.predict(model, mean[alone], covariance[alone], step, heights[alone])
        np.testing.assert_array_equal(moved[alone], one)
        np.testing.assert_array_equal(spread[alone], one_spread)


@every_model
@given(a=st.floats(1e-3, 10), b=st.floats(1e-3, 10))
def test_two_steps_are_one_long_step(model: MotionModel, a: float, b: float) -> None:
    mean, covariance, heights = warm(model)
    once, spread_once = kalman.predict(model, mean, covariance, a + b, heights)
    half, spread_half = kalman.predict(model, mean, covariance, a, heights)
    twice, spread_twice = kalman.predict(model, half, spread_half, b, heights)
    for row in range(len(mean)):
        assert_close(twice[row], once[row])
        assert_close(spread_twice[row], spread_once[row])


@every_model
def test_nothing_given_is_changed(model: MotionModel) -> None:
    mean, covariance, heights = warm(model)
    before = mean.copy(), covariance.copy(), heights.copy()
    boxes = kalman.to_boxes(model, mean)
    kalman.predict(model, mean, covariance, 0.1, heights)
    kalman.update(model, mean, covariance, boxes)
    kalman.squared_mahalanobis(model, mean, covariance, boxes, heights)
    kalman.warp(model, mean, covariance, 2 * IDENTITY)
    for ours, theirs in zip((mean, covariance, heights), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@every_model
def test_a_measurement_pulls_towards_itself_and_makes_surer(model: MotionModel) -> None:
    mean, covariance, _ = warm(model)
    boxes = kalman.to_boxes(model, mean) + 7.0
    corrected, sharper = kalman.update(model, mean, covariance, boxes)
    moved = corrected[:, :2] - mean[:, :2]
    assert ((moved > 0) & (moved < 7)).all()
    assert (np.diagonal(sharper - covariance, axis1=1, axis2=2) <= 0).all()


@every_model
def test_a_measured_sequence_finds_the_velocity(model: MotionModel) -> None:
    box = np.array([[100.0, 100, 150, 200]])
    step = np.array([60.0, -30, 60, -30]) / 30  # pixels a frame
    mean, covariance = kalman.initiate(model, box)
    for _ in range(90):
        box = box + step
        mean, covariance = kalman.predict(model, mean, covariance, 1 / 30, heights_of(box))
        mean, covariance = kalman.update(model, mean, covariance, box)
    np.testing.assert_allclose(mean[0, 4:6], [60, -30], rtol=0.01)


def live(model: MotionModel, boxes: Callable[[], FloatArray], rng: np.random.Generator, *, least: float) -> None:
    """Check 500 steps of 20 objects with times of 1 ms to 100 s between them, and gaps."""
    box = boxes()
    mean, covariance = kalman.initiate(model, box)
    heights = heights_of(box)
    for _ in range(500):
        mean, covariance = kalman.predict(model, mean, covariance, 10 ** rng.uniform(-3, 2, len(mean)), heights)
        assert_positive_definite(covariance, least=least)
        box, seen = boxes(), rng.random(len(mean)) < 0.8
        assert (kalman.squared_mahalanobis(model, mean, covariance, box, heights) >= 0).all()
        mean[seen], covariance[seen] = kalman.update(model, mean[seen], covariance[seen], box[seen])
        heights[seen] = heights_of(box[seen])
        assert_positive_definite(covariance, least=least)
        assert np.isfinite(kalman.to_boxes(model, mean)).all()


@every_model
def test_covariance_stays_positive_definite_for_small_and_large_objects(model: MotionModel) -> None:
    rng = np.random.default_rng(2)
    sides = 10 ** rng.uniform(0, 4, (20, 2))  # 1 to 10,000 px

    def boxes() -> FloatArray:
        corner = rng.uniform(-1e4, 1e4, (20, 2))
        return np.concatenate([corner, corner + sides * rng.uniform(0.7, 1.4, (20, 2))], axis=1)

    live(model, boxes, rng, least=0.0)


@pytest.mark.parametrize(
    ("model", "least"),
    [
        pytest.param(kalman.XYAH8, 0.0, id="xyah8"),
        pytest.param(kalman.XYWH8, 0.0, id="xywh8"),
        # An area that jumps by 10^8 is predicted with a correlation that differs from 1 by less than float64 can say.
        pytest.param(kalman.XYSR7, -1e-14, id="xysr7"),
    ],
)
def test_covariance_stays_positive_definite_for_objects_that_jump_in_size(model: MotionModel, least: float) -> None:
    rng = np.random.default_rng(3)

    def boxes() -> FloatArray:
        corner = rng.uniform(-1e4, 1e4, (20, 2))
        return np.concatenate([corner, corner + 10 ** rng.uniform(0, 4, (20, 2))], axis=1)

    live(model, boxes, rng, least=least)


@every_model
def test_noise_is_a_factor_on_the_measurement_variance(model: MotionModel) -> None:
    mean, covariance, _ = warm(model)
    boxes = kalman.to_boxes(model, mean) + 7.0
    factors = np.array([0.0, 0.1, 1.0, 3.0, 50.0])
    for noise in (factors, factors[:, None]):
        corrected, sharper = kalman.update(model, mean, covariance, boxes, noise=noise)
        for row, factor in enumerate(factors):
            oracle = KalmanFilter(dim_x=model.size, dim_z=4)
            oracle.x, oracle.P, oracle.H = mean[row, :, None].copy(), covariance[row].copy(), np.eye(4, model.size)
            height = heights_of(boxes)[row]
            oracle.update(measured(model, boxes[row])[:, None], R=factor * Matrices(model).measurement_noise(height))
            assert (np.abs(corrected[row] - oracle.x[:, 0]) <= TOLERANCE * np.abs(oracle.x).max()).all()
            scale = np.sqrt(np.diag(covariance[row]))
            assert (np.abs(sharper[row] - oracle.P) <= TOLERANCE * np.outer(scale, scale)).all()
    plain, same = (
        kalman.update(model, mean, covariance, boxes),
        kalman.update(model, mean, covariance, boxes, noise=np.ones(5)),
    )
    np.testing.assert_array_equal(plain[0], same[0])
    np.testing.assert_array_equal(plain[1], same[1])


@every_model
def test_components_apart_and_in_turn_agree(model: MotionModel) -> None:
    """A hair of correlation between two components makes the update take the general way."""
    mean, covariance, _ = warm(model)
    boxes = kalman.to_boxes(model, mean) + np.array([3.0, -4, 9, 5])
    coupled = covariance.copy()
    coupled[:, 0, 1] = coupled[:, 1, 0] = 1e-14 * np.sqrt(covariance[:, 0, 0] * covariance[:, 1, 1])
    apart = kalman.update(model, mean, covariance, boxes)
    turned = kalman.update(model, mean, coupled, boxes)
    assert turned[1][:, 0, 5].any() != apart[1][:, 0, 5].any()  # so it did
    for row in range(len(mean)):
        assert_close(apart[0][row], turned[0][row])
        assert_close(apart[1][row], turned[1][row])


@every_model
def test_a_turning_camera_keeps_to_filterpy(model: MotionModel) -> None:
    """With warps components are correlated, and stay so."""
    rng = np.random.default_rng(4)
    boxes = random_boxes(rng, 3)
    heights = heights_of(boxes)
    mean, covariance = kalman.initiate(model, boxes)
    matrices, affine = Matrices(model), np.array([[1.01, -0.03, 5], [0.03, 1.01, -2]])
    for _ in range(40):
        mean, covariance = kalman.predict(model, mean, covariance, 0.04, heights)
        mean, covariance = kalman.warp(model, mean, covariance, affine)
        boxes = kalman.to_boxes(model, mean) + rng.normal(0, 2, (3, 1))
        before = mean, covariance
        mean, covariance = kalman.update(model, mean, covariance, boxes)
        for row, height in enumerate(heights_of(boxes)):
            oracle = KalmanFilter(dim_x=model.size, dim_z=4)
            oracle.x, oracle.P, oracle.H = before[0][row, :, None].copy(), before[1][row].copy(), np.eye(4, model.size)
            oracle.update(measured(model, boxes[row])[:, None], R=matrices.measurement_noise(height))
            assert_close(mean[row], oracle.x[:, 0])
            assert_close(covariance[row], oracle.P)
        heights = heights_of(boxes)
    assert (np.abs(covariance[:, 0, 1]) > 0).all()
    assert_positive_definite(covariance)


@every_model
@pytest.mark.parametrize("turned", [False, True])
def test_gated_pairs_are_those_of_the_matrix(model: MotionModel, turned: bool) -> None:
    rng = np.random.default_rng(6)
    mean, covariance, heights = warm(model, 40, seed=7)
    if turned:
        mean, covariance = kalman.warp(model, mean, covariance, np.array([[0.9, -0.4, 300], [0.4, 0.9, 0]]))
    boxes = np.concatenate([kalman.to_boxes(model, mean)] * 3) + rng.normal(0, 8, (120, 4))
    matrix = kalman.squared_mahalanobis(model, mean, covariance, boxes, heights)
    for gate in (0.5, kalman.GATE_95, 1e9):
        rows, columns, distances = kalman.gated_pairs(model, mean, covariance, boxes, heights, gate=gate)
        assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == set(
            zip(*np.nonzero(matrix <= gate), strict=True)
        )
        np.testing.assert_allclose(distances, matrix[rows, columns], rtol=1e-9)
        assert 0 < len(rows) <= matrix.size


@every_model
def test_covariance_settles_when_one_box_is_measured_forever(model: MotionModel) -> None:
    box = np.array([[0.0, 0, 10_000, 1]])
    mean, covariance = kalman.initiate(model, box)
    for _ in range(3000):
        mean, covariance = kalman.predict(model, mean, covariance, 1e-3, heights_of(box))
        mean, covariance = kalman.update(model, mean, covariance, box)
    assert_positive_definite(covariance)
    np.testing.assert_allclose(kalman.to_boxes(model, mean), box, atol=1e-6)


@every_model
def test_mahalanobis_distance_pair_by_pair(model: MotionModel) -> None:
    mean, covariance, heights = warm(model)
    boxes = random_boxes(np.random.default_rng(3), 4)
    distances = kalman.squared_mahalanobis(model, mean, covariance, boxes, heights)
    matrices = Matrices(model)
    h = matrices.observation
    assert distances.shape == (5, 4)
    for i, height in enumerate(heights):
        inverse = inv(h @ covariance[i] @ h.T + matrices.measurement_noise(height))
        for j, box in enumerate(boxes):
            innovation = measured(model, box) - h @ mean[i]
            assert distances[i, j] == pytest.approx(innovation @ inverse @ innovation, rel=1e-9)


def test_mahalanobis_distance_by_hand() -> None:
    # A new 100 px high object: its position has std 10, a measurement 8, so S = 164. 41 px aside: 41^2 / 164 = 10.25.
    box = np.array([[0.0, 0, 100, 100]])
    mean, covariance = kalman.initiate(kalman.XYWH8, box)
    aside = box + np.array([41, 0, 41, 0])
    assert kalman.squared_mahalanobis(kalman.XYWH8, mean, covariance, aside, np.array([100.0])) == pytest.approx(10.25)
    assert kalman.squared_mahalanobis(kalman.XYWH8, mean, covariance, box, np.array([100.0])) == pytest.approx(0)


def test_what_was_not_known_at_all_is_known_as_well_as_it_is_measured() -> None:
    """Also where a camera has turned and zoomed, so that everything is coupled a little."""
    turned = np.array([[1.1, -0.3, 50], [0.3, 1.2, -20]])
    mean, covariance = kalman.initiate(kalman.XYWH8, np.array([[-1e9, -1e9, 1e9, 1e9]]))
    mean, covariance = kalman.predict(kalman.XYWH8, mean, covariance, 1e4, np.array([2e9]))
    mean, covariance = kalman.warp(kalman.XYWH8, mean, covariance, turned)
    mean, covariance = kalman.update(kalman.XYWH8, mean, covariance, np.array([[0.0, 0, 40, 100]]))
    np.testing.assert_allclose(mean[0, :4], [20, 50, 40, 100], atol=1e-3)
    np.testing.assert_allclose(np.diagonal(covariance[0])[:4], 8**2, rtol=1e-3)


def test_gate_is_the_quantile_of_chi_square() -> None:
    assert pytest.approx(chi2.ppf(0.95, 4), rel=1e-14) == kalman.GATE_95


@every_model
@given(boxes=scenes.boxes())
def test_boxes_to_measurements_and_back(model: MotionModel, boxes: FloatArray) -> None:
    back = kalman.to_boxes(model, kalman.to_measurements(model, boxes))
    np.testing.assert_allclose(back, boxes, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize(
    ("model", "expected"),
    [(kalman.XYAH8, [20, 40, 0.5, 40]), (kalman.XYWH8, [20, 40, 20, 40]), (kalman.XYSR7, [20, 40, 800, 0.5])],
)
def test_measurements_by_hand(model: MotionModel, expected: list[float]) -> None:
    assert kalman.to_measurements(model, np.array([[10, 20, 30, 60]], np.float32)).tolist() == [expected]


@pytest.mark.parametrize(
    ("model", "state", "expected"),
    [
        pytest.param(kalman.XYWH8, [5, 5, -2, 4], [5, 3, 5, 7], id="negative width"),
        pytest.param(kalman.XYAH8, [5, 5, 0.5, -4], [5, 5, 5, 5], id="negative height"),
        pytest.param(kalman.XYSR7, [5, 5, -8, 0.5], [5, 5, 5, 5], id="negative area"),
        pytest.param(kalman.XYSR7, [5, 5, 0, 0.5], [5, 5, 5, 5], id="no area"),
    ],
)
def test_sides_predicted_below_zero_are_zero(model: MotionModel, state: list[float], expected: list[float]) -> None:
    mean = np.zeros((1, model.size))
    mean[0, :4] = state
    assert kalman.to_boxes(model, mean).tolist() == [expected]


@every_model
def test_warp_by_nothing_changes_nothing(model: MotionModel) -> None:
    mean, covariance, _ = warm(model)
    moved, spread = kalman.warp(model, mean, covariance, IDENTITY)
    np.testing.assert_array_equal(moved, mean)
    np.testing.assert_array_equal(spread, covariance)


@every_model
def test_warp_by_a_shift_moves_the_centre_alone(model: MotionModel) -> None:
    mean, covariance, _ = warm(model)
    moved, spread = kalman.warp(model, mean, covariance, np.array([[1.0, 0, 30], [0, 1, -20]]))
    expected = mean.copy()
    expected[:, :2] += [30, -20]
    np.testing.assert_allclose(moved, expected)
    np.testing.assert_allclose(spread, covariance)


@every_model
def test_warp_by_a_zoom_scales_every_length(model: MotionModel) -> None:
    mean, covariance, _ = warm(model)
    moved, spread = kalman.warp(model, mean, covariance, 2 * IDENTITY)
    np.testing.assert_allclose(kalman.to_boxes(model, moved), 2 * kalman.to_boxes(model, mean))
    np.testing.assert_allclose(moved[:, 4:6], 2 * mean[:, 4:6])
    powers = 2.0 ** np.array([*model.units, *model.units[: model.velocities]])
    np.testing.assert_allclose(spread, covariance * np.outer(powers, powers))


@every_model
def test_warp_by_a_quarter_turn_turns_position_and_velocity(model: MotionModel) -> None:
    mean, covariance, _ = warm(model)
    moved, spread = kalman.warp(model, mean, covariance, np.array([[0.0, -1, 0], [1, 0, 0]]))
    for start in (0, 4):
        np.testing.assert_allclose(moved[:, start], -mean[:, start + 1])
        np.testing.assert_allclose(moved[:, start + 1], mean[:, start])
    rest = [2, 3, *range(6, model.size)]
    np.testing.assert_allclose(moved[:, rest], mean[:, rest])  # an upright box stays one of its size
    np.testing.assert_allclose(spread[:, 0, 0], covariance[:, 1, 1])
    np.testing.assert_allclose(det(spread), det(covariance), rtol=1e-6)


@every_model
def test_warp_and_its_inverse_cancel(model: MotionModel) -> None:
    mean, covariance, _ = warm(model)
    affine = np.array([[1.1, 0.2, 30], [-0.1, 0.9, 5]])
    back = inv(np.vstack([affine, [0, 0, 1]]))[:2]
    moved, spread = kalman.warp(model, *kalman.warp(model, mean, covariance, affine), back)
    for row in range(len(mean)):
        assert_close(moved[row], mean[row])
        assert_close(spread[row], covariance[row])


@every_model
def test_no_object_at_all(model: MotionModel) -> None:
    none, three = np.zeros((0, 4)), np.array([[0.0, 0, 1, 1]] * 3)
    mean, covariance = kalman.initiate(model, none)
    assert mean.shape == (0, model.size)
    assert covariance.shape == (0, model.size, model.size)
    for after in (
        kalman.predict(model, mean, covariance, 0.1, np.zeros(0)),
        kalman.update(model, mean, covariance, none),
        kalman.warp(model, mean, covariance, IDENTITY),
    ):
        assert after[0].shape == mean.shape
        assert after[1].shape == covariance.shape
    assert kalman.to_boxes(model, mean).shape == (0, 4)
    assert kalman.to_measurements(model, none).shape == (0, 4)
    assert kalman.squared_mahalanobis(model, mean, covariance, none, np.zeros(0)).shape == (0, 0)
    assert kalman.squared_mahalanobis(model, mean, covariance, three, np.zeros(0)).shape == (0, 3)
    one, spread = kalman.initiate(model, np.array([[0.0, 0, 1, 1]]))
    assert kalman.squared_mahalanobis(model, one, spread, none, np.ones(1)).shape == (1, 0)
    assert [len(found) for found in kalman.gated_pairs(model, one, spread, none, np.ones(1))] == [0, 0, 0]
    assert [len(found) for found in kalman.gated_pairs(model, mean, covariance, three, np.zeros(0))] == [0, 0, 0]


@every_model
def test_single_precision_boxes_give_double_precision_states(model: MotionModel) -> None:
    boxes = np.array([[0.1, 0.2, 10.3, 20.4]], np.float32)
    mean, covariance = kalman.initiate(model, boxes)
    assert kalman.update(model, mean, covariance, boxes)[0].dtype == np.float64
    np.testing.assert_allclose(kalman.to_boxes(model, mean), boxes, rtol=1e-6)
