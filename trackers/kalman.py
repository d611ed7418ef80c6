"""Kalman filters for all tracks at once: pure functions of (mean, covariance) and a MotionModel, in seconds.

Every model watches four numbers of a box and keeps the velocity of some of them. The state is
[p1 p2 p3 p4 v1 .. vk], the measurement [p1 p2 p3 p4], so H = [I 0] and F(t) = [[I, tE], [0, I]], where E is the
first k columns of the identity. Position and velocity are driven by independent white noise of spectral densities
d and a (continuous-time model; Bar-Shalom, Li & Kirubarajan 2001, ch. 6.2), which gives per component

    Q(t) = [[d t + a t^3/3, a t^2/2], [a t^2/2, a t]]

and makes prediction additive: predict(s) then predict(t) equals predict(s + t). For that to hold exactly the noise is
scaled by a height that stays fixed between measurements: the box height at a track's last measurement.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from trackers.geometry import meeting
from trackers.structures import FloatArray, IntArray

MEASURED = 4  # components of a measurement
GATE_95 = 9.487729036781154  # 0.95 quantile of chi-square with 4 degrees of freedom (Wojke et al. 2017, sec. 2.2)
_ROUNDING = 1e-12  # share of its variance that a component never shares with others; see `update`
_OTHERS = 1 - np.eye(MEASURED, 2 * MEASURED) - np.eye(MEASURED, 2 * MEASURED, MEASURED)  # not itself, not its velocity


class BoxForm(Enum):
    """Which four numbers of a box a model watches."""

    XYAH = "centre x, centre y, width / height, height"  # Wojke et al. 2017
    XYSR = "centre x, centre y, area, width / height"  # Bewley et al. 2016
    XYWH = "centre x, centre y, width, height"  # Aharon et al. 2022


@dataclass(frozen=True, slots=True)
class MotionModel:
    """How boxes move and how well they are measured.

    Each tuple has one number per watched component, to be multiplied by height ** unit of that component.
    """

    form: BoxForm
    units: tuple[int, int, int, int]  # power of the box height a component is measured in
    velocities: int  # how many leading components have a velocity: 3 or 4
    measurement_std: tuple[float, float, float, float]
    drift_std: tuple[float, float, float, float]  # sqrt(d), per sqrt(s)
    acceleration_std: tuple[float, float, float, float]  # sqrt(a), per s^1.5
    initial_std: tuple[float, float, float, float]
    initial_velocity_std: tuple[float, float, float, float]  # per s

    @property
    def size(self) -> int:
        """Length of the state."""
        return MEASURED + self.velocities

    def scales(self, heights: FloatArray) -> FloatArray:
        """What one unit of each component is for boxes of these heights (n, 4)."""
        return np.asarray(heights[:, None] ** np.asarray(self.units, np.float64))


# DeepSORT's released filter lets position wander by 1/20 and velocity by 1/160 of the height each frame. At 30 frames/s
# that is d = (1/20)^2 * 30 = 0.27^2 and a = (30/160)^2 * 30 = 1.03^2. Here sqrt(a) is 0.5: half of that gains about 3
# HOTA on PETS09-S2L1 at 7 frames/s with each of three detectors, and changes MOT15 and MOT17 at 10 to 30 by 0.1.
XYAH8 = MotionModel(
    form=BoxForm.XYAH,
    units=(1, 1, 0, 1),
    velocities=4,
    measurement_std=(0.05, 0.05, 0.1, 0.05),
    drift_std=(0.274, 0.274, 0.055, 0.274),
    acceleration_std=(0.5, 0.5, 0.001, 0.5),
    initial_std=(0.1, 0.1, 0.01, 0.1),
    initial_velocity_std=(1.875, 1.875, 0.0003, 1.875),
)
# People and cars hardly change their size, and detected boxes tremble: against XYAH8, sizes wander by a third, and a
# measurement is off by 8 % of the height. On four kinds of detectors that gains 1 HOTA and more (docs/tracking.md).
XYWH8 = MotionModel(
    form=BoxForm.XYWH,
    units=(1, 1, 1, 1),
    velocities=4,
    measurement_std=(0.08, 0.08, 0.08, 0.08),
    drift_std=(0.274, 0.274, 0.08, 0.08),
    acceleration_std=(0.5, 0.5, 0.2, 0.2),
    initial_std=(0.1, 0.1, 0.1, 0.1),
    initial_velocity_std=(1.875, 1.875, 1.875, 1.875),
)
XYSR7 = MotionModel(
    form=BoxForm.XYSR,
    units=(1, 1, 2, 0),
    velocities=3,
    measurement_std=(0.05, 0.05, 0.05, 0.05),
    drift_std=(0.274, 0.274, 0.137, 0.055),
    acceleration_std=(0.5, 0.5, 0.25, 0.0),
    initial_std=(0.1, 0.1, 0.1, 0.1),
    initial_velocity_std=(1.875, 1.875, 0.9, 0.0),
)


def to_measurements(model: MotionModel, boxes: FloatArray) -> FloatArray:
    """Boxes (n, 4) in the model's form (n, 4), float64."""
    boxes = np.asarray(boxes, np.float64)
    measured = np.empty((len(boxes), MEASURED))
    measured[:, :2] = (boxes[:, :2] + boxes[:, 2:]) / 2
    sides = boxes[:, 2:] - boxes[:, :2]
    width, height = sides[:, 0], sides[:, 1]
    match model.form:
        case BoxForm.XYAH:
            measured[:, 2], measured[:, 3] = width / height, height
        case BoxForm.XYWH:
            measured[:, 2:] = sides
        case BoxForm.XYSR:
            measured[:, 2], measured[:, 3] = width * height, width / height
    return measured


def to_boxes(model: MotionModel, mean: FloatArray) -> FloatArray:
    """The boxes (n, 4) that states (n, >= 4) stand for. A side that was predicted below zero is taken as zero."""
    centre, half = mean[:, :2], mean[:, 2:MEASURED] / 2
    match model.form:
        case BoxForm.XYAH:
            half[:, 0] *= mean[:, 3]
        case BoxForm.XYSR:
            area, aspect = mean[:, 2], mean[:, 3]
            width = np.sqrt(np.maximum(area * aspect, 0))
            half[:, 0] = width / 2
            half[:, 1] = np.divide(area, 2 * width, out=np.zeros_like(width), where=width > 0)
        case BoxForm.XYWH:
            pass
    half = np.maximum(half, 0)
    return np.concatenate([centre - half, centre + half], axis=1)


def initiate(model: MotionModel, boxes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """States of objects seen for the first time: mean (n, d), covariance (n, d, d)."""
    measured = to_measurements(model, boxes)
    mean = np.zeros((len(boxes), model.size))
    mean[:, :MEASURED] = measured
    scales = model.scales(_heights(boxes))
    position = scales * model.initial_std
    velocity = (scales * model.initial_velocity_std)[:, : model.velocities]
    covariance = np.zeros((len(boxes), model.size, model.size))
    diagonal = np.arange(model.size)
    covariance[:, diagonal, diagonal] = np.column_stack([position, velocity]) ** 2
    return mean, covariance


def predict(
    model: MotionModel, mean: FloatArray, covariance: FloatArray, seconds: float | FloatArray, heights: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Move states on by `seconds` (one number or (n,)): x' = F x, P' = F P F^T + Q.

    `heights` (n,): box height at each track's last measurement, pixels.
    """
    k = model.velocities
    step = np.asarray(seconds, np.float64).reshape(-1, 1)
    mean, covariance = mean.copy(), covariance.copy()
    mean[:, :k] += step * mean[:, MEASURED:]
    covariance[:, :k, :] += step[:, :, None] * covariance[:, MEASURED:, :]  # F P
    covariance[:, :, :k] += step[:, :, None] * covariance[:, :, MEASURED:]  # F P F^T
    variance = model.scales(heights) ** 2
    acceleration = np.square(model.acceleration_std[:k]) * step
    drift = np.square(model.drift_std) * step
    drift[:, :k] += acceleration * (step * step / 3)
    position, shared, mirrored, velocity = _bands(model, covariance)
    position += variance * drift
    gained = variance[:, :k] * acceleration
    velocity += gained
    gained *= step / 2
    shared += gained
    mirrored += gained
    return mean, covariance


def measurement_variance(model: MotionModel, heights: FloatArray) -> FloatArray:
    """Diagonal of R for boxes of these heights (n, 4)."""
    return np.asarray((model.scales(heights) * model.measurement_std) ** 2)


def update(
    model: MotionModel,
    mean: FloatArray,
    covariance: FloatArray,
    boxes: FloatArray,
    *,
    noise: FloatArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Correct states (n, d) by their measured boxes (n, 4).

    K = P H^T S^-1, x' = x + K (z - H x), P' = P - K S K^T, where S = H P H^T + R. `noise` (n,) or (n, 1), 0 or more:
    factor on R of each row, as in NSA, R (1 - c) for a detection of score c (Du et al. 2021, NSA Kalman filter).

    R is diagonal, so that the four numbers of a box may be taken in one after the other, each with a scalar S
    (Bar-Shalom, Li & Kirubarajan 2001, ch. 7). Subtracting stays positive definite under rounding as long as no two
    components of P are wholly correlated, as position and velocity become when a box shrinks from thousands of pixels
    to one. Hence each variance grows by 1e-12 of itself first, which is far more than rounding takes away.
    """
    variance = measurement_variance(model, _heights(boxes))
    if noise is not None:
        variance *= noise.reshape(-1, 1)
    measured = to_measurements(model, boxes)
    mean, covariance = mean.copy(), covariance.copy()
    position, _, _, velocity = _bands(model, covariance)
    position *= 1 + _ROUNDING
    velocity *= 1 + _ROUNDING
    correct = _correct_apart if _uncoupled(covariance) else _correct_in_turn
    correct(model, mean, covariance, measured, variance)
    return mean, covariance


def squared_mahalanobis(
    model: MotionModel, mean: FloatArray, covariance: FloatArray, boxes: FloatArray, heights: FloatArray
) -> FloatArray:
    """d1(i, j) = (z_j - H x_i)^T S_i^-1 (z_j - H x_i) of track i and box j (n, m) (Wojke et al. 2017, eq. 1).

    `heights` (n,): box height at each track's last measurement, which scales R.
    """
    system = _innovation_system(covariance, measurement_variance(model, heights))
    differences = to_measurements(model, boxes).T[:, None, :] - mean.T[:MEASURED, :, None]
    return _squared_lengths(differences, system[..., None])


def gated_pairs(
    model: MotionModel,
    mean: FloatArray,
    covariance: FloatArray,
    boxes: FloatArray,
    heights: FloatArray,
    *,
    gate: float = GATE_95,
) -> tuple[IntArray, IntArray, FloatArray]:
    """Rows i (p,) of states and j (p,) of boxes of all pairs with d1(i, j) <= `gate`, and d1 (p,).

    Exact, though it looks only at boxes with their centres near a track's: d1 is at least dx^2 / S_xx.
    """
    variance = measurement_variance(model, heights)
    measured = to_measurements(model, boxes)
    spread = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)[:, :2] + variance[:, :2])
    reach = spread * (np.sqrt(gate) * (1 + 1e-9))  # rounding
    centres = measured[:, :2]
    around = np.concatenate([mean[:, :2] - reach, mean[:, :2] + reach], axis=1)
    rows, columns = meeting(around, np.concatenate([centres, centres], axis=1))
    system = _innovation_system(covariance, variance)
    distances = _squared_lengths(measured.T[:, columns] - mean.T[:MEASURED, rows], system[:, :, rows])
    inside = (distances <= gate).nonzero()[0]
    return rows[inside], columns[inside], distances[inside]


def warp(
    model: MotionModel, mean: FloatArray, covariance: FloatArray, affine: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Carry states through a camera motion (2, 3): x' = L x + t, P' = L P L^T.

    Centre and its velocity go through the affine map; sizes grow with the square root of its determinant.
    """
    growth = np.sqrt(abs(np.linalg.det(affine[:, :2])))
    linear = np.diag(growth ** np.asarray(model.units, np.float64))
    linear[:2, :2] = affine[:, :2]
    full = np.zeros((model.size, model.size))
    full[:MEASURED, :MEASURED] = linear
    full[MEASURED:, MEASURED:] = linear[: model.velocities, : model.velocities]
    mean = mean @ full.T
    mean[:, :2] += affine[:, 2]
    for _ in range(2):  # (L (L P)^T)^T, each time as one product of all rows
        covariance = (covariance.reshape(-1, model.size) @ full.T).reshape(covariance.shape).transpose(0, 2, 1)
    return mean, np.ascontiguousarray(covariance)


def _correct_apart(
    model: MotionModel, mean: FloatArray, covariance: FloatArray, measured: FloatArray, variance: FloatArray
) -> None:
    """The update in place where components are uncoupled: all four at once."""
    k = model.velocities
    position, shared, mirrored, velocity = _bands(model, covariance)
    innovation_variance = position + variance
    weighted = (measured - mean[:, :MEASURED]) / innovation_variance
    mean[:, :MEASURED] += position * weighted
    mean[:, MEASURED:] += shared * weighted[:, :k]
    velocity -= shared * shared / innovation_variance[:, :k]
    left = variance / innovation_variance
    position *= left
    shared *= left[:, :k]
    mirrored[...] = shared


def _correct_in_turn(
    model: MotionModel,  # noqa: ARG001  as in _correct_apart
    mean: FloatArray,
    covariance: FloatArray,
    measured: FloatArray,
    variance: FloatArray,
) -> None:
    """The update in place whatever is coupled: one component after the other."""
    for component in range(MEASURED):
        shared = covariance[:, component, :].copy()  # P h^T
        innovation_variance = shared[:, component] + variance[:, component]
        innovation = measured[:, component] - mean[:, component]
        mean += shared * (innovation / innovation_variance)[:, None]
        left = shared * (variance[:, component] / innovation_variance)[:, None]  # of its own row, without subtracting
        shared /= np.sqrt(innovation_variance)[:, None]
        covariance -= shared[:, :, None] * shared[:, None, :]
        covariance[:, component, :] = covariance[:, :, component] = left
    covariance += covariance.transpose(0, 2, 1).copy()
    covariance /= 2


def _bands(model: MotionModel, covariance: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Views of what covariances (n, d, d) say of each component alone, through which they can be changed.

    Variances of the components (n, 4), covariances with their velocities (n, k), right of the diagonal and below it,
    and variances of the velocities (n, k).
    """
    size, k = model.size, model.velocities
    flat, down = covariance.reshape(len(covariance), size * size), size + 1  # `down`: one row down, one column right
    below = MEASURED * size
    return (
        flat[:, : MEASURED * down : down],
        flat[:, MEASURED : MEASURED + k * down : down],
        flat[:, below : below + k * down : down],
        flat[:, MEASURED * down :: down],
    )


def _uncoupled(covariance: FloatArray) -> bool:
    """Whether every watched component is correlated with its own velocity alone, as while no camera turns."""
    others = _OTHERS[:, : covariance.shape[2]]
    return not (np.abs(covariance[:, :MEASURED]).reshape(len(covariance), others.size) @ others.ravel()).any()


def _heights(boxes: FloatArray) -> FloatArray:
    return np.asarray(boxes[:, 3] - boxes[:, 1], np.float64)


def _innovation_system(covariance: FloatArray, variance: FloatArray) -> FloatArray:
    """S = H P H^T + R = L D L^T with D on the diagonal and L, whose diagonal is 1, below it (4, 4, n)."""
    system = covariance[:, :MEASURED, :MEASURED].transpose(1, 2, 0).copy()
    for i in range(MEASURED):
        system[i, i] += variance[:, i]
    for i in range(MEASURED - 1):
        below = slice(i + 1, MEASURED)
        system[below, i] /= system[i, i]
        system[below, below] -= system[below, i, None] * system[i, below]
    return system


def _squared_lengths(differences: FloatArray, system: FloatArray) -> FloatArray:
    """y^T S^-1 y of differences y (4, ...), which are used up, with S as in `_innovation_system` (4, 4, ...)."""
    total = np.zeros(differences.shape[1:])
    for i, component in enumerate(differences):
        for j in range(i):
            if system[i, j].any():
                component -= system[i, j] * differences[j]  # y' = L^-1 y
    for i, component in enumerate(differences):
        component *= component
        component /= system[i, i]
        total += component
    return total
