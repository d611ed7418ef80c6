"""What stands on the plaza: pillars and poster columns that hide people, trees, benches, lamp posts, flower tubs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.synthetic.camera import Camera
from pipeline.synthetic.looks import Colour
from pipeline.synthetic.pen import Pen, disc, front, level, loop, round_shade, stand, tinted
from pipeline.synthetic.raster import Drawing
from trackers.structures import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Prop:
    """One thing that stands still."""

    x: float  # metres, centre of its foot
    z: float
    radius: float  # metres around the foot where nobody walks
    half_width: float  # metres to each side of x behind which a walker may be hidden; 0: hides nobody
    drawing: Drawing
    shadows: list[FloatArray]  # (n, 3) metres each: bodies whose convex shadow falls on the ground


def place_props(camera: Camera, rng: np.random.Generator) -> list[Prop]:
    """Everything on the plaza. The layout is always the same; leaves, flowers and posters come from `rng`."""
    pillars = [_pillar(camera, x, z) for x, z in ((-5.6, 16.2), (6.4, 17.4))]
    columns = [_poster_column(camera, x, z, rng) for x, z in ((0.9, 15.6), (-2.4, 27.6))]
    trees = [_tree(camera, x, z, rng) for x, z in ((-13.8, 27.2), (-5.2, 28.6), (4.2, 28.8), (12.6, 27.4))]
    benches = [_bench(camera, x, z) for x, z in ((-9.4, 28.2), (-0.6, 28.6), (8.4, 28.4))]
    lamps = [_lamp(camera, x, z) for x, z in ((-7.6, 21.5), (5.3, 22.8), (-11.0, 29.5), (14.5, 29.5))]
    tubs = [_tub(camera, x, z, rng) for x, z in ((-7.3, 28.7), (2.1, 28.8), (6.5, 28.9), (-2.9, 11.2))]
    return pillars + columns + trees + benches + lamps + tubs


_STONE: Colour = (158, 180, 196)
_IRON: Colour = (58, 60, 56)
_WOOD: Colour = (62, 98, 146)


def _pillar(camera: Camera, x: float, z: float) -> Prop:
    pen, half = Pen(camera), 0.52
    pen.block((x - 0.66, x + 0.66), (0.0, 0.35), (z - 0.66, z + 0.66), tinted(_STONE, 0.86))
    pen.block((x - half, x + half), (0.35, 3.8), (z - half, z + half), _STONE)
    for low in np.arange(0.9, 3.7, 0.55):  # courses of stone
        pen.face(front((x - half, x + half), (low, low + 0.035), z - half), _STONE, 0.8)
    pen.face(front((x - 0.3, x + 0.3), (1.3, 3.3), z - half - 0.01), (92, 44, 44))
    pen.face(front((x - 0.3, x + 0.3), (1.45, 1.6), z - half - 0.02), (70, 190, 226))
    pen.face(disc(x, 2.55, z - half - 0.02, 0.24), (70, 190, 226))
    pen.block((x - 0.7, x + 0.7), (3.8, 4.15), (z - 0.7, z + 0.7), tinted(_STONE, 1.06))
    return Prop(x, z, 1.0, half, pen.drawing, [stand(x, z, 0.82, 4.15)])


def _poster_column(camera: Camera, x: float, z: float, rng: np.random.Generator) -> Prop:
    pen, radius = Pen(camera), 0.56
    pen.turned(x, z, [(0.0, 0.64), (0.5, 0.64)], (84, 84, 78))
    pen.turned(x, z, [(0.5, radius), (3.4, radius)], (206, 214, 216))
    inks: list[Colour] = [(52, 92, 214), (176, 122, 40), (60, 168, 224), (96, 62, 150), (92, 140, 60), (40, 44, 52)]
    rng.shuffle(inks)
    edges = np.arctan2(-z, -x) + np.linspace(-0.46, 0.46, 4) * np.pi
    for i, (low, high) in enumerate(((0.65, 1.95), (2.05, 3.3))):
        for j, (a, b) in enumerate(pairwise(edges)):
            ink = inks[(3 * i + j) % len(inks)]
            _poster(pen, (x, z, radius + 0.005), (a + 0.03, b - 0.03), (low, high), ink)
    pen.turned(x, z, [(3.4, 0.7), (3.62, 0.7)], (86, 104, 62))
    pen.turned(x, z, [(3.62, 0.66), (3.95, 0.5), (4.15, 0.28), (4.35, 0.05)], (92, 122, 74))
    return Prop(x, z, 1.0, radius, pen.drawing, [stand(x, z, 0.6, 3.7)])


def _poster(
    pen: Pen, place: tuple[float, float, float], turn: tuple[float, float], y: tuple[float, float], ink: Colour
) -> None:
    x, z, radius = place
    low, high = y
    paper: Colour = (236, 240, 240)
    parts = [(0.0, 1.0, ink), (0.12, 0.2, paper), (0.26, 0.3, paper), (0.5, 0.86, tinted(ink, 1.5))]
    steps = np.linspace(*turn, 6)
    for start, end, colour in parts:
        for a, b in pairwise(steps):
            span = (low + (high - low) * start, low + (high - low) * end)
            points = [(x + radius * np.cos(t), v, z + radius * np.sin(t)) for t, v in loop((a, b), span)]
            pen.face(np.array(points), colour, round_shade((a + b) / 2))


def _tree(camera: Camera, x: float, z: float, rng: np.random.Generator) -> Prop:
    pen = Pen(camera)
    pen.block((x - 0.8, x + 0.8), (0.0, 0.12), (z - 0.8, z + 0.8), (120, 132, 138))
    pen.face(level((x - 0.66, x + 0.66), 0.13, (z - 0.66, z + 0.66)), (46, 66, 84))
    pen.rod((x, 0.0, z), (x, 2.9, z), (0.17, 0.11), (54, 78, 100))
    for side in (-1, 1):
        pen.rod((x, 2.4, z), (x + 0.8 * side, 3.4, z), (0.08, 0.05), (54, 78, 100))
    count, centre = 260, np.array([x, 4.4, z])
    away = rng.normal(size=(count, 3))
    away *= (rng.random((count, 1)) ** 0.35) / np.linalg.norm(away, axis=1, keepdims=True)
    away = away[np.argsort(away @ (0.5, -0.6, 0.6))[::-1]]  # dark lower leaves first, sunlit upper left ones last
    light = 0.72 + 0.34 * away @ (-0.6, 0.8, -0.2) + rng.uniform(-0.1, 0.1, count)
    green = np.array([52, 124, 88]) * light[:, None] + rng.uniform(-8, 8, (count, 3))
    pen.dots(centre + away * (1.9, 1.5, 1.9), rng.uniform(0.14, 0.34, count), green)
    ball = centre + away * (1.8, 1.4, 1.8)
    return Prop(x, z, 0.9, 0.0, pen.drawing, [ball, np.array([(x - 0.15, 0, z), (x + 0.15, 0, z), (x, 3.2, z)])])


def _bench(camera: Camera, x: float, z: float) -> Prop:
    pen = Pen(camera)
    for y in (0.56, 0.7, 0.84):
        pen.block((x - 0.9, x + 0.9), (y, y + 0.09), (z + 0.22, z + 0.26), _WOOD)
    for side in (-0.75, 0.75):
        pen.block((x + side - 0.04, x + side + 0.04), (0.0, 0.45), (z - 0.2, z + 0.2), _IRON)
    for near in (0.08, -0.08, -0.24):
        pen.block((x - 0.9, x + 0.9), (0.42, 0.47), (z + near - 0.02, z + near + 0.11), _WOOD)
    return Prop(x, z, 1.2, 0.0, pen.drawing, [stand(x, z, 0.3, 0.45, 0.9)])


def _lamp(camera: Camera, x: float, z: float) -> Prop:
    pen = Pen(camera)
    pen.rod((x, 0.0, z), (x, 0.55, z), (0.13, 0.1), _IRON)
    pen.rod((x, 0.5, z), (x, 4.4, z), (0.055, 0.045), _IRON)
    pen.rod((x, 4.4, z), (x, 4.75, z), (0.12, 0.2), (206, 232, 240))
    pen.rod((x, 4.8, z), (x, 4.95, z), (0.24, 0.06), _IRON)
    return Prop(x, z, 0.4, 0.0, pen.drawing, [np.array([(x - 0.06, 0, z), (x + 0.06, 0, z), (x, 4.4, z)])])


def _tub(camera: Camera, x: float, z: float, rng: np.random.Generator) -> Prop:
    pen, count = Pen(camera), 90
    pen.turned(x, z, [(0.0, 0.36), (0.5, 0.48)], (96, 118, 150))
    spread = rng.uniform(-1, 1, (count, 3)) * (0.46, 0.14, 0.4) + (x, 0.62, z)
    spread = spread[np.argsort(-spread[:, 2])]
    blooms = np.array([(70, 90, 226), (80, 190, 240), (190, 120, 220), (48, 120, 70), (60, 140, 84), (52, 128, 78)])
    pen.dots(spread, rng.uniform(0.05, 0.1, count), blooms[rng.integers(0, len(blooms), count)])
    return Prop(x, z, 0.6, 0.0, pen.drawing, [stand(x, z, 0.36, 0.6)])
