"""The fixed camera that looks down on the plaza: metres on the ground to pixels, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trackers.structures import FloatArray

HEIGHT = 6.5  # metres above the ground
PITCH = np.deg2rad(18.0)  # how far the optical axis points below the horizon
FOCAL = 0.95  # focal length in picture widths: about 56 degrees from left to right


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole without distortion. World axes: X right, Y up, Z away from the camera; the ground is Y = 0."""

    width: int  # pixels
    height: int  # pixels

    @property
    def focal(self) -> float:
        """Pixels."""
        return FOCAL * self.width

    def depth(self, points: FloatArray) -> FloatArray:
        """(..., 3) metres -> (...) metres along the optical axis."""
        depth: FloatArray = (HEIGHT - points[..., 1]) * np.sin(PITCH) + points[..., 2] * np.cos(PITCH)
        return depth

    def project(self, points: FloatArray) -> FloatArray:
        """(..., 3) metres -> (..., 2) x y in pixels; 0 0 is the picture's corner, not a pixel's centre."""
        up = (points[..., 1] - HEIGHT) * np.cos(PITCH) + points[..., 2] * np.sin(PITCH)
        scale = self.focal / self.depth(points)
        pixels = np.empty((*points.shape[:-1], 2))
        pixels[..., 0] = self.width / 2 + points[..., 0] * scale
        pixels[..., 1] = self.height / 2 - up * scale
        return pixels

    def scale(self, points: FloatArray) -> FloatArray:
        """(..., 3) metres -> (...) pixels a metre at that point."""
        scale: FloatArray = self.focal / self.depth(points)
        return scale

    def rays(self, *, step: float = 1.0) -> FloatArray:
        """(height / step, width / step, 3) float32: the direction each pixel looks in, one metre long along the axis.

        `step`: pixels between two rays; 0.5 gives four rays a pixel.
        """
        x = (np.arange(0.5, self.width / step) * step - self.width / 2) / self.focal
        up = (self.height / 2 - np.arange(0.5, self.height / step) * step) / self.focal
        rays = np.empty((len(up), len(x), 3), np.float32)
        rays[..., 0] = x
        rays[..., 1] = (np.cos(PITCH) * up - np.sin(PITCH))[:, None]
        rays[..., 2] = (np.sin(PITCH) * up + np.cos(PITCH))[:, None]
        return rays


def half_width(z: float) -> float:
    """How many metres to each side of X = 0 the picture shows at breast height and distance z."""
    return float(Camera(1, 1).depth(np.array([0.0, 1.0, z]))) / (2 * FOCAL)
