"""Draws solid things in metres: faces, blocks, round bars, solids of revolution, leaves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from pipeline.synthetic.camera import HEIGHT, Camera
from pipeline.synthetic.looks import Colour
from pipeline.synthetic.raster import CORNERS, Drawing, capsules, padded
from trackers.structures import FloatArray

Span = tuple[float, float]
Point = tuple[float, float, float]


class Pen:
    """Collects polygons of one prop from far to near."""

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._polygons: list[FloatArray] = []
        self._colours: list[FloatArray] = []

    @property
    def drawing(self) -> Drawing:
        return Drawing(np.stack(self._polygons), np.stack(self._colours))

    def face(self, points: FloatArray, colour: Colour, shade: float = 1.0) -> None:
        """(k, 3) metres, convex."""
        self._polygons.append(padded(self._camera.project(points)))
        self._colours.append(np.clip(np.asarray(colour) * shade, 0, 255))

    def rod(self, start: Point, end: Point, radii: Span, colour: Colour) -> None:
        """A round bar between two points (metres), lit from the left."""
        ends = np.array([start, end], float)
        pixels, scale = self._camera.project(ends), self._camera.scale(ends)
        for offset, share, shade in ((0.0, 1.0, 0.8), (-0.25, 0.6, 1.0), (-0.45, 0.25, 1.15)):
            wide = np.array(radii) * scale
            moved = pixels + np.stack([offset * wide, np.zeros(2)], axis=-1)
            bar = capsules(moved[:1], moved[1:], wide[:1] * share, wide[1:] * share)[0]
            self._polygons.append(bar)
            self._colours.append(np.clip(np.asarray(colour) * shade, 0, 255))

    def block(self, x: Span, y: Span, z: Span, colour: Colour) -> None:
        """An upright cuboid: its top, the side that faces the axis, its front."""
        (left, right), (_, high), (near, far) = x, y, z
        if high < HEIGHT:
            self.face(level(x, high, (near, far)), colour, 1.12)
        if right < 0:
            self.face(_side(right, y, z), colour, 0.74)
        elif left > 0:
            self.face(_side(left, y, z), colour, 1.05)
        self.face(front(x, y, near), colour)

    def turned(self, x: float, z: float, profile: list[Span], colour: Colour) -> None:
        """A solid of revolution: (height, radius) from the bottom up, shaded around by strips."""
        angles = np.arctan2(-z, -x) + np.linspace(-np.pi / 2, np.pi / 2, 15)  # the half that faces the camera
        for (low, r_low), (high, r_high) in pairwise(profile):
            self.face(ring(x, high, z, r_high), colour, 1.1)
            for a, b in pairwise(angles):
                corners = [(low, r_low, a), (low, r_low, b), (high, r_high, b), (high, r_high, a)]
                points = np.array([(x + r * np.cos(t), y, z + r * np.sin(t)) for y, r, t in corners])
                self.face(points, colour, round_shade((a + b) / 2))

    def dots(self, centres: FloatArray, radii: FloatArray, colours: FloatArray) -> None:
        """(n, 3) metres, (n,) metres, (n, 3): leaves and flowers."""
        pixels = self._camera.project(centres)
        wide = radii * self._camera.scale(centres)
        self._polygons.extend(capsules(pixels, pixels + np.array([0.01, 0.0]), wide, wide * 0.9))
        self._colours.extend(np.clip(colours, 0, 255))


def front(x: Span, y: Span, z: float) -> FloatArray:
    """(4, 3): an upright rectangle that faces the camera."""
    return np.array([(a, b, z) for a, b in loop(x, y)])


def level(x: Span, y: float, z: Span) -> FloatArray:
    """(4, 3): a rectangle parallel to the ground."""
    return np.array([(a, y, b) for a, b in loop(x, z)])


def disc(x: float, y: float, z: float, radius: float) -> FloatArray:
    """(CORNERS, 3): an upright disc that faces the camera."""
    turn = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
    return np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn), np.full(CORNERS, z)], axis=-1)


def ring(x: float, y: float, z: float, radius: float) -> FloatArray:
    """(CORNERS, 3): a disc parallel to the ground."""
    return disc(x, z, y, radius)[:, [0, 2, 1]]


def stand(x: float, z: float, half: float, height: float, half_width: float | None = None) -> FloatArray:
    """(8, 3): the corners of an upright cuboid on the ground."""
    wide = half if half_width is None else half_width
    spots = loop((x - wide, x + wide), (z - half, z + half))
    return np.array([(a, y, b) for y in (0.0, height) for a, b in spots])


def _side(x: float, y: Span, z: Span) -> FloatArray:
    return np.array([(x, a, b) for a, b in loop(y, z)])


def loop(a: Span, b: Span) -> list[Span]:
    """The four corners of a rectangle, one after the other."""
    return [(a[0], b[0]), (a[1], b[0]), (a[1], b[1]), (a[0], b[1])]


def tinted(colour: Colour, factor: float) -> Colour:
    """Darker (factor < 1) or lighter."""
    blue, green, red = (min(255.0, c * factor) for c in colour)
    return blue, green, red


def round_shade(angle: float) -> float:
    """Brightness of an upright surface whose normal points along `angle` in the X Z plane; the sun stands left."""
    return 0.86 + 0.24 * float(np.cos(angle - np.pi * 1.15))
