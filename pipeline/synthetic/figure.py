"""One walker as a camera sees it: polygons of the body, its clothes and its shadow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.synthetic.body import Limbs, Pose, garments, limbs
from pipeline.synthetic.camera import Camera
from pipeline.synthetic.looks import Look, Pattern
from pipeline.synthetic.raster import CORNERS, Drawing, capsules
from trackers.structures import FloatArray

SUN = np.array([0.42, 0.0, 0.1])  # metres along X and Z that a shadow reaches for every metre of height

_FAR_SIDE = 0.03  # body heights behind the upright axis from which a limb lies in the body's own shade
_NEXT = 1e-6  # puts a trim directly over the polygon it belongs to


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A figure's polygons in one pose. Row i of every column is the same polygon: limbs first, then garments."""

    limbs: Limbs
    starts: FloatArray  # (limbs, 2) pixels
    ends: FloatArray  # (limbs, 2) pixels
    radii: FloatArray  # (limbs, 2) pixels
    outline: FloatArray  # (n, CORNERS, 2) pixels
    distance: FloatArray  # (n,) body heights behind the upright axis: larger is painted earlier


class Figure:
    """Draws one walker."""

    def __init__(self, look: Look, camera: Camera) -> None:
        self.look = look
        self._camera = camera
        self._garments = garments(look)

    def view(self, pose: Pose) -> View:
        """The polygons that decide the silhouette, and what `drawing` and `shadow` need to know."""
        parts = limbs(self.look, pose)
        starts, ends = self._world(pose, parts.starts), self._world(pose, parts.ends)
        radii = parts.radii * self._pixels_a_height(pose)
        first, second = self._camera.project(starts), self._camera.project(ends)
        bodies = capsules(first, second, radii[:, 0], radii[:, 1])
        worn = np.stack([self._worn(pose, sections) for sections, _, _ in self._garments])
        middle = (parts.starts + parts.ends) / 2
        behind = middle[:, 0] * np.sin(pose.heading) + middle[:, 1] * np.cos(pose.heading) + parts.bias
        distance = np.concatenate([behind, [bias for _, _, bias in self._garments]])
        return View(parts, first, second, radii, np.concatenate([bodies, worn]), distance)

    def drawing(self, view: View) -> Drawing:
        """The whole figure from far to near: limbs with a stripe of sunlight, garments with pattern and shade."""
        count = len(view.limbs.starts)
        shade = np.where(view.distance[:count] > _FAR_SIDE, 0.8, 0.95)[:, None]
        limb_colours = view.limbs.colours * shade
        towards_sun = view.radii.max(axis=1)[:, None] * (-0.32, -0.18)
        lit = capsules(
            view.starts + towards_sun, view.ends + towards_sun, view.radii[:, 0] * 0.5, view.radii[:, 1] * 0.5
        )
        polygons = [view.outline, lit]
        worn_colours = np.array([colour for _, colour, _ in self._garments])
        colours = [limb_colours, worn_colours, np.clip(limb_colours * 1.13 + 8, 0, 255)]
        distance = [view.distance, view.distance[:count] - _NEXT]
        for i, (_, colour, bias) in enumerate(self._garments):
            trims, trim_colours = self._trims(view.outline[count + i], np.array(colour), top=i == 0)
            polygons.append(trims)
            colours.append(trim_colours)
            distance.append(bias - _NEXT * np.arange(1, len(trims) + 1))
        order = np.argsort(-np.concatenate(distance), kind="stable")
        return Drawing(np.concatenate(polygons)[order], np.concatenate(colours)[order])

    def shadow(self, pose: Pose, view: View) -> FloatArray:
        """(n, CORNERS, 2) pixels: limbs and trunk as the sun lays them on the ground."""
        trunk = np.array([[0.0, 0.0, 0.8], [0.0, 0.0, 0.5]])
        starts = self._world(pose, np.concatenate([view.limbs.starts, trunk[:1]]))
        ends = self._world(pose, np.concatenate([view.limbs.ends, trunk[1:]]))
        radii = np.concatenate([view.limbs.radii, [[0.1, 0.1]]]) * self._pixels_a_height(pose)
        first, second = self._camera.project(on_ground(starts)), self._camera.project(on_ground(ends))
        return capsules(first, second, radii[:, 0], radii[:, 1])

    def _trims(self, body: FloatArray, colour: FloatArray, *, top: bool) -> tuple[FloatArray, FloatArray]:
        """Pattern, then the shaded half, of a garment's (CORNERS, 2) polygon."""
        second = np.array(self.look.second)
        bands: list[tuple[float, float]] = []
        if top and self.look.pattern is Pattern.STRIPES:
            bands = [(0.2, 0.3), (0.42, 0.52), (0.64, 0.74), (0.86, 0.96)]
        elif top and self.look.pattern is Pattern.BLOCK:
            bands = [(0.55, 1.0)]
        half = CORNERS // 2
        left, right = body[:half], body[half:][::-1]
        middle = left * 0.4 + right * 0.6
        polygons = [_band(left, right, *band) for band in bands]
        shaded = [_band(middle, right, 0.05, 1.0), *(_band(middle, right, *band) for band in bands)]
        colours = [second] * len(bands) + [colour * 0.86] + [second * 0.86] * len(bands)
        return np.stack(polygons + shaded), np.stack(colours)

    def _worn(self, pose: Pose, sections: FloatArray) -> FloatArray:
        """(CORNERS / 2, 3) sections -> (CORNERS, 2) pixels: left edge downwards, right edge upwards."""
        axis = np.zeros((len(sections), 3))
        axis[:, 2] = sections[:, 0]
        centres = self._camera.project(self._world(pose, axis))
        half = np.hypot(sections[:, 1] * np.cos(pose.heading), sections[:, 2] * np.sin(pose.heading))
        offset = np.zeros_like(centres)
        offset[:, 0] = half * self._pixels_a_height(pose)
        return np.concatenate([centres - offset, (centres + offset)[::-1]])

    def _pixels_a_height(self, pose: Pose) -> float:
        return float(self._camera.scale(np.array([pose.x, self.look.height / 2, pose.z]))) * self.look.height

    def _world(self, pose: Pose, points: FloatArray) -> FloatArray:
        """(n, 3) forward left up in body heights -> (n, 3) metres."""
        cos, sin = np.cos(pose.heading), np.sin(pose.heading)
        turn = np.array([[cos, 0.0, sin], [-sin, 0.0, cos], [0.0, 1.0, 0.0]])
        world: FloatArray = points @ (turn * self.look.height) + (pose.x, 0.0, pose.z)
        return world


def on_ground(points: FloatArray) -> FloatArray:
    """(..., 3) metres -> where the sun throws their shadow, (..., 3) metres with Y = 0."""
    shadow: FloatArray = points + points[..., 1:2] * SUN
    shadow[..., 1] = 0.0
    return shadow


def _band(left: FloatArray, right: FloatArray, start: float, end: float) -> FloatArray:
    """The part of a garment between two shares of its length, from its two edges of (CORNERS / 2, 2)."""
    at = np.linspace(start, end, CORNERS // 2) * (len(left) - 1)
    knots = np.arange(len(left))
    edges = [np.stack([np.interp(at, knots, edge[:, axis]) for axis in (0, 1)], axis=-1) for edge in (left, right)]
    return np.concatenate([edges[0], edges[1][::-1]])
