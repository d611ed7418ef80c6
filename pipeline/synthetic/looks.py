"""What a walker looks like: body, hair, clothes and bag. A look stays with an identity for the whole scene."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from trackers.structures import FloatArray

Colour = tuple[float, float, float]  # blue green red 0..255


class Garment(Enum):
    """What is worn below the waist."""

    TROUSERS = "trousers"
    SHORTS = "shorts"
    DRESS = "dress"


class Pattern(Enum):
    """How the top is coloured."""

    PLAIN = "plain"
    STRIPES = "stripes"
    BLOCK = "block"  # the lower half in the second colour


class Bag(Enum):
    """What is carried."""

    NONE = "none"
    BACKPACK = "backpack"
    SHOULDER = "shoulder"


@dataclass(frozen=True, slots=True)
class Look:
    """One identity's appearance."""

    height: float  # metres
    girth: float  # 1 = average
    skin: Colour
    hair: Colour
    long_hair: bool
    top: Colour
    second: Colour  # of the pattern on the top
    pattern: Pattern
    long_sleeves: bool
    garment: Garment
    bottom: Colour
    shoes: Colour
    bag: Bag
    bag_colour: Colour


# The pavement is a light warm grey, so clothes are saturated, dark or white.
_TOPS: tuple[Colour, ...] = (
    (48, 38, 196),
    (150, 70, 24),
    (62, 118, 28),
    (36, 172, 232),
    (246, 244, 242),
    (36, 34, 34),
    (148, 138, 8),
    (140, 40, 190),
    (20, 104, 238),
    (150, 44, 92),
    (226, 158, 60),
    (40, 62, 108),
    (28, 88, 92),
    (176, 116, 240),
    (110, 24, 24),
    (120, 206, 120),
)
_BOTTOMS: tuple[Colour, ...] = (
    (92, 58, 38),
    (40, 36, 36),
    (128, 92, 60),
    (48, 66, 92),
    (72, 72, 70),
    (40, 28, 84),
    (236, 234, 232),
    (44, 70, 58),
)
_SKINS: tuple[Colour, ...] = ((168, 192, 236), (140, 172, 222), (108, 142, 196), (72, 104, 156), (46, 68, 110))
_HAIRS: tuple[Colour, ...] = ((30, 28, 30), (34, 48, 74), (48, 84, 128), (92, 156, 204), (36, 62, 142), (176, 176, 176))
_BAGS: tuple[Colour, ...] = ((32, 44, 96), (36, 36, 40), (40, 60, 196), (150, 96, 30), (52, 140, 180), (60, 100, 50))
_SHOES: tuple[Colour, ...] = ((30, 30, 32), (240, 240, 240), (36, 52, 88))


def draw_looks(count: int, rng: np.random.Generator) -> list[Look]:
    """`count` looks. The first sixteen have sixteen different tops; after that tops come again in other shades."""
    order = [int(i) for _ in range(count // len(_TOPS) + 1) for i in rng.permutation(len(_TOPS))]
    return [_draw_look(order[i], i >= len(_TOPS), rng) for i in range(count)]


def _draw_look(top: int, repeated: bool, rng: np.random.Generator) -> Look:
    garment = Garment(rng.choice(["trousers", "trousers", "trousers", "dress", "shorts"]))
    colour = _shifted(_TOPS[top], 30.0 if repeated else 8.0, rng)
    choices = [c for c in _TOPS if _distance(c, colour) > 120]
    bottoms = [c for c in _BOTTOMS if _distance(c, colour) > 60]
    return Look(
        height=float(np.clip(rng.normal(1.73, 0.08), 1.55, 1.92)),
        girth=float(rng.uniform(0.9, 1.15)),
        skin=_pick(_SKINS, rng),
        hair=_pick(_HAIRS, rng),
        long_hair=bool(rng.random() < (0.85 if garment is Garment.DRESS else 0.25)),
        top=colour,
        second=_pick(choices, rng),
        pattern=Pattern(rng.choice(["plain", "plain", "stripes", "block"])),
        long_sleeves=bool(rng.random() < 0.5),
        garment=garment,
        bottom=_shifted(_pick(bottoms, rng), 8.0, rng),
        shoes=_pick(_SHOES, rng),
        bag=Bag(rng.choice(["none", "none", "backpack", "shoulder"])),
        bag_colour=_pick(_BAGS, rng),
    )


def _pick(colours: tuple[Colour, ...] | list[Colour], rng: np.random.Generator) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _shifted(colour: Colour, spread: float, rng: np.random.Generator) -> Colour:
    blue, green, red = np.clip(np.asarray(colour) + rng.uniform(-spread, spread, 3), 12, 250).tolist()
    return blue, green, red


def _distance(a: Colour, b: Colour) -> float:
    return float(np.linalg.norm(np.subtract(a, b)))


def shaded(colours: FloatArray, factor: float) -> FloatArray:
    """(..., 3) made darker (factor < 1) or lighter (factor > 1)."""
    lit: FloatArray = np.clip(colours * factor, 0, 255)
    return lit
