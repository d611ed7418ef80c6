"""A walking body in its own measures: joints from the gait, limbs and garments from the joints and the look.

Points are forward, left, up in body heights from the spot on the ground below the hips.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.synthetic.looks import Bag, Colour, Garment, Look
from trackers.structures import FloatArray

_STEP = 0.41  # radians the thigh swings to each side at full stride
_THIGH, _SHIN, _ANKLE, _FOOT = 0.245, 0.24, 0.035, 0.1
_UPPER_ARM, _FOREARM = 0.165, 0.14
_SIDES = np.array([1.0, -1.0])  # left, right

# Sections from the top down: up, half depth (forward), half width (left). The ground lies at 0, the crown at 1.
_TRUNK = np.array(
    [
        [0.845, 0.030, 0.035],
        [0.822, 0.048, 0.098],
        [0.785, 0.062, 0.112],
        [0.690, 0.062, 0.098],
        [0.610, 0.058, 0.086],
        [0.500, 0.066, 0.096],
    ]
)
_SKIRT = np.array(
    [
        [0.640, 0.056, 0.082],
        [0.590, 0.064, 0.094],
        [0.500, 0.080, 0.112],
        [0.420, 0.096, 0.126],
        [0.350, 0.106, 0.134],
        [0.290, 0.112, 0.140],
    ]
)


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a walker is and how the body is held."""

    x: float  # metres, world axes of Camera
    z: float
    heading: float  # radians: 0 walks along X (to the right), pi / 2 along Z (away from the camera)
    phase: float  # radians of the gait; one turn is two steps
    stride: float  # 0 stands .. 1 walks


@dataclass(frozen=True, slots=True, eq=False)
class Limbs:
    """Tapered limbs. Row i of every column is the same limb."""

    starts: FloatArray  # (n, 3)
    ends: FloatArray  # (n, 3)
    radii: FloatArray  # (n, 2) at start and end
    colours: FloatArray  # (n, 3) blue green red
    bias: FloatArray  # (n,) added to the distance from the camera when painting: smaller is painted later


def turn_length(height: float) -> float:
    """Metres walked in one turn of the gait, so that the standing foot does not slide."""
    return 4 * (_THIGH + _SHIN) * float(np.sin(_STEP)) * height


def limbs(look: Look, pose: Pose) -> Limbs:
    """Legs, arms, head, hair and bag."""
    rows = [*_legs(look, pose), *_arms(look, pose), *_head(look), *_bag(look)]
    return Limbs(
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows]),
        np.array([row[3] for row in rows]),
        np.array([row[4] for row in rows]),
    )


def garments(look: Look) -> list[tuple[FloatArray, Colour, float]]:
    """Solids of revolution around the upright axis: (6, 3) sections from the top down, colour, bias."""
    girth = np.array([1.0, look.girth, look.girth])
    worn = [(_TRUNK * girth, look.top, 0.0)]
    if look.garment is Garment.DRESS:
        worn.append((_SKIRT * girth, look.bottom, -0.01))
    return worn


_Point = tuple[float, float, float]
_Row = tuple[_Point, _Point, tuple[float, float], Colour, float]


def _legs(look: Look, pose: Pose) -> list[_Row]:
    phase = pose.phase + np.where(_SIDES > 0, 0.0, np.pi)
    thigh = _STEP * pose.stride * np.sin(phase)
    knee_bend = 0.04 + pose.stride * (0.08 + 0.8 * np.maximum(0.0, np.cos(phase + 0.5)) ** 2)
    shin = thigh - knee_bend
    reach = _THIGH * np.cos(thigh) + _SHIN * np.cos(shin)
    hip = float(reach.max()) + _ANKLE  # the longer leg stands on the ground
    upper = look.bottom if look.garment is not Garment.DRESS else look.skin
    lower = look.bottom if look.garment is Garment.TROUSERS else look.skin
    girth, rows = look.girth, list[_Row]()
    for side, t, s in zip(_SIDES.tolist(), thigh.tolist(), shin.tolist(), strict=True):
        left = 0.05 * side
        knee = (_THIGH * np.sin(t), left, hip - _THIGH * np.cos(t))
        ankle = (knee[0] + _SHIN * np.sin(s), left, knee[2] - _SHIN * np.cos(s))
        toe = (ankle[0] + _FOOT * np.cos(s * 0.6), left, ankle[2] + _FOOT * np.sin(s * 0.6) - 0.012)
        rows.append(((ankle[0] - 0.012, left, ankle[2] - 0.01), toe, (0.026, 0.018), look.shoes, 0.14))
        rows.append((knee, ankle, (0.04 * girth, 0.026), lower, 0.13))
        rows.append(((0.0, left, hip), knee, (0.058 * girth, 0.042 * girth), upper, 0.12))
    rows.append(((0.0, 0.035, hip), (0.0, -0.035, hip), (0.06 * girth, 0.06 * girth), upper, 0.11))
    return rows


def _arms(look: Look, pose: Pose) -> list[_Row]:
    phase = pose.phase + np.where(_SIDES > 0, np.pi, 0.0)
    swing = (0.42 * pose.stride * np.sin(phase)).tolist()
    bend = 0.18 + 0.3 * pose.stride
    lower = look.top if look.long_sleeves else look.skin
    rows = list[_Row]()
    for side, a in zip(_SIDES.tolist(), swing, strict=True):
        shoulder = (0.0, 0.108 * side * look.girth, 0.8)
        elbow = (_UPPER_ARM * np.sin(a), 0.128 * side * look.girth, shoulder[2] - _UPPER_ARM * np.cos(a))
        wrist = (elbow[0] + _FOREARM * np.sin(a + bend), elbow[1], elbow[2] - _FOREARM * np.cos(a + bend))
        hand = (wrist[0] + 0.03 * np.sin(a + bend), wrist[1], wrist[2] - 0.03)
        rows.append((wrist, hand, (0.02, 0.019), look.skin, 0.02))
        rows.append((elbow, wrist, (0.027, 0.022), lower, 0.01))
        rows.append((shoulder, elbow, (0.035, 0.029), look.top, 0.0))
    return rows


def _head(look: Look) -> list[_Row]:
    rows: list[_Row] = [
        ((0.0, 0.0, 0.82), (0.006, 0.0, 0.885), (0.032, 0.03), look.skin, -0.02),
        ((0.012, 0.0, 0.905), (0.008, 0.0, 0.94), (0.044, 0.05), look.skin, -0.08),
        ((-0.014, 0.0, 0.958), (-0.026, 0.0, 0.925), (0.05, 0.046), look.hair, -0.08),
        ((0.014, 0.0, 0.972), (-0.02, 0.0, 0.972), (0.036, 0.04), look.hair, -0.11),
    ]
    if look.long_hair:
        rows.append(((-0.03, 0.0, 0.93), (-0.05, 0.0, 0.81), (0.05, 0.045), look.hair, -0.05))
    return rows


def _bag(look: Look) -> list[_Row]:
    match look.bag:
        case Bag.BACKPACK:
            return [((-0.095, 0.0, 0.775), (-0.1, 0.0, 0.64), (0.05, 0.062), look.bag_colour, -0.02)]
        case Bag.SHOULDER:
            strap = ((0.02, -0.1, 0.82), (0.0, -0.15, 0.56), (0.008, 0.008), look.bag_colour, -0.01)
            return [strap, ((0.035, -0.15, 0.52), (-0.035, -0.15, 0.52), (0.045, 0.045), look.bag_colour, -0.01)]
        case Bag.NONE:
            return []
