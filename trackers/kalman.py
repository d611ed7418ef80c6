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

from trackers.structures import FloatArray

MEASURED = 4  # components of a measurement
GATE_95 = 9.487729036781154  # 0.95 quantile of chi-square with 4 degrees of freedom (Wojke et al. 2017, sec. 2.2)
_ROUNDING = 1e-12  # share of its variance that a component never shares with others; see `update`


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
XYWH8 = MotionModel(
    form=BoxForm.XYWH,
    units=(1, 1, 1, 1),
    velocities=4,
    measurement_std=(0.05, 0.05, 0.05, 0.05),
    drift_std=(0.274, 0.274, 0.274, 0.274),
    acceleration_std=(0.5, 0.5, 0.5, 0.5),
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
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    match model.form:
        case BoxForm.XYAH:
            return np.column_stack([x, y, width / height, height])
        case BoxForm.XYWH:
            return np.column_stack([x, y, width, height])
        case BoxForm.XYSR:
            return np.column_stack([x, y, width * height, width / height])


def to_boxes(model: MotionModel, mean: FloatArray) -> FloatArray:
    """The boxes (n, 4) that states (n, >= 4) stand for. A side that was predicted below zero is taken as zero."""
    x, y, third, fourth = mean[:, :MEASURED].T
    match model.form:
        case BoxForm.XYAH:
            width, height = third * fourth, fourth
        case BoxForm.XYWH:
            width, height = third, fourth
        case BoxForm.XYSR:
            width = np.sqrt(np.maximum(third * fourth, 0))
            height = np.divide(third, width, out=np.zeros_like(third), where=width > 0)
    half_width, half_height = np.maximum(width, 0) / 2, np.maximum(height, 0) / 2
    return np.column_stack([x - half_width, y - half_height, x + half_width, y + half_height])


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
    step = np.broadcast_to(np.asarray(seconds, np.float64), (len(mean),))[:, None]
    mean, covariance = mean.copy(), covariance.copy()
    mean[:, :k] += step * mean[:, MEASURED:]
    covariance[:, :k, :] += step[:, :, None] * covariance[:, MEASURED:, :]  # F P
    covariance[:, :, :k] += step[:, :, None] * covariance[:, :, MEASURED:]  # F P F^T
    variance = model.scales(heights) ** 2
    drift = variance * np.square(model.drift_std)
    acceleration = (variance * np.square(model.acceleration_std))[:, :k]
    _diagonal(covariance[:, :MEASURED, :MEASURED])[...] += drift * step
    _diagonal(covariance[:, :k, :k])[...] += acceleration * step**3 / 3
    _diagonal(covariance[:, :k, MEASURED:])[...] += acceleration * step**2 / 2
    _diagonal(covariance[:, MEASURED:, :k])[...] += acceleration * step**2 / 2
    _diagonal(covariance[:, MEASURED:, MEASURED:])[...] += acceleration * step
    return mean, covariance


def measurement_variance(model: MotionModel, heights: FloatArray) -> FloatArray:
    """Diagonal of R for boxes of these heights (n, 4)."""
    return np.asarray((model.scales(heights) * model.measurement_std) ** 2)


def update(
    model: MotionModel, mean: FloatArray, covariance: FloatArray, boxes: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Correct states (n, d) by their measured boxes (n, 4).

    K = P H^T S^-1, x' = x + K (z - H x), P' = (I - K H) P (I - K H)^T + K R K^T. The last is Joseph's form, which
    stays positive definite under rounding as long as no two components of P are wholly correlated, as position and
    velocity become when a box shrinks from thousands of pixels to one. Hence each variance grows by 1e-12 of itself.
    """
    noise = measurement_variance(model, _heights(boxes))
    identity = np.eye(model.size)
    covariance = covariance * (1 + _ROUNDING * identity)
    innovation = to_measurements(model, boxes) - mean[:, :MEASURED]
    innovation_covariance = _innovation_covariance(covariance, noise)
    gain = np.linalg.solve(innovation_covariance, covariance[:, :MEASURED, :]).transpose(0, 2, 1)
    mean = mean + np.einsum("nij,nj->ni", gain, innovation)
    keep = np.repeat(identity[None], len(mean), axis=0)
    keep[:, :, :MEASURED] -= gain
    covariance = keep @ covariance @ keep.transpose(0, 2, 1) + (gain * noise[:, None, :]) @ gain.transpose(0, 2, 1)
    return mean, (covariance + covariance.transpose(0, 2, 1)) / 2


def squared_mahalanobis(
    model: MotionModel, mean: FloatArray, covariance: FloatArray, boxes: FloatArray, heights: FloatArray
) -> FloatArray:
    """d1(i, j) = (z_j - H x_i)^T S_i^-1 (z_j - H x_i) of track i and box j (n, m) (Wojke et al. 2017, eq. 1).

    `heights` (n,): box height at each track's last measurement, which scales R.
    """
    covariances = _innovation_covariance(covariance, measurement_variance(model, heights))
    differences = to_measurements(model, boxes)[None, :, :] - mean[:, None, :MEASURED]
    whitened = differences @ np.linalg.inv(covariances)
    return np.asarray((whitened * differences).sum(axis=2))


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
    return mean, full @ covariance @ full.T


def _heights(boxes: FloatArray) -> FloatArray:
    return np.asarray(boxes[:, 3] - boxes[:, 1], np.float64)


def _innovation_covariance(covariance: FloatArray, noise: FloatArray) -> FloatArray:
    """S = H P H^T + R (n, 4, 4)."""
    covariances = covariance[:, :MEASURED, :MEASURED].copy()
    _diagonal(covariances)[...] += noise
    return covariances


def _diagonal(matrices: FloatArray) -> FloatArray:
    """A view of the diagonals (n, k) of matrices (n, k, k), through which they can be changed."""
    view: FloatArray = np.einsum("nii->ni", matrices)
    return view
