"""The empty plaza: pavement with a mosaic, a row of houses behind it, the props and their shadows."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

from pipeline.synthetic.camera import HEIGHT, Camera
from pipeline.synthetic.figure import on_ground
from pipeline.synthetic.props import Prop
from pipeline.synthetic.raster import Layer, Window
from trackers.structures import FloatArray, ImageArray

SHADOW = 0.36  # share of the light that a shadow takes away

_WALL = 33.0  # metres from the camera to the houses
_KERB = 30.6  # metres to the edge of the footpath in front of them
_MOSAIC = (0.6, 18.6, 4.6)  # X, Z, radius in metres


def paint_plaza(camera: Camera, props: list[Prop], layers: list[Layer], rng: np.random.Generator) -> ImageArray:
    """(height, width, 3): everything that stands still. `layers[i]` is `props[i]` as pixels."""
    rays = camera.rays(step=0.5)
    ground_reach = np.where(rays[..., 1] < 0, -HEIGHT / np.minimum(rays[..., 1], -1e-6), np.inf)
    on_pavement = ground_reach * rays[..., 2] < _WALL
    pavement = _pavement(rays[on_pavement] * ground_reach[on_pavement][:, None], rng)
    wall_reach = _WALL / rays[~on_pavement][:, 2:]
    houses = _houses(rays[~on_pavement] * wall_reach + (0.0, HEIGHT, 0.0), rng)
    fine = np.empty(rays.shape, np.float32)
    fine[on_pavement], fine[~on_pavement] = pavement, houses
    plaza = cv2.resize(fine, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    plaza *= (1 - SHADOW * _shadows(camera, props))[..., None]
    image: ImageArray = np.clip(np.rint(plaza), 0, 255).astype(np.uint8)
    for i in np.argsort([-prop.z for prop in props], kind="stable"):
        layers[i].over(image)
    return image


def open_ground(camera: Camera, layers: list[Layer]) -> ImageArray:
    """(height, width) 0..255: how much of each pixel no prop covers. Walkers' shadows fall there."""
    ground = np.full((camera.height, camera.width), 255, np.uint8)
    frame = Window(0, 0, camera.width, camera.height)
    for layer in layers:
        part = layer.window & frame
        if not part.empty:
            free = cv2.bitwise_not(layer.coverage[part.slices(layer.window)])
            ground[part.slices(frame)] = cv2.min(ground[part.slices(frame)], free)
    return ground


def _pavement(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(n, 3) metres on the ground -> (n, 3) colours."""
    x, z = points[:, 0], points[:, 2]
    row = np.floor(z / 0.6)
    along = x / 0.9 + 0.5 * (row % 2)
    column = np.floor(along)
    tints = rng.normal(0, 4.5, (64, 64, 1)) + rng.normal(0, 1.5, (64, 64, 3))
    colour: FloatArray = np.array([168.0, 183.0, 193.0]) + tints[row.astype(int) % 64, column.astype(int) % 64]
    gap = np.minimum(np.abs(along - np.rint(along)) * 0.9, np.abs(z / 0.6 - np.rint(z / 0.6)) * 0.6)
    colour -= np.where(gap < 0.016, 24.0, 0.0)[:, None]
    _lay_mosaic(colour, x, z)
    path = z > _KERB
    colour[path] = colour[path] * 0.35 + np.array([150.0, 152.0, 152.0]) * 0.65
    colour[(z > _KERB - 0.3) & ~path] = (176, 184, 188)
    stains = gaussian_filter(rng.normal(0, 1, (128, 128)), 3, mode="wrap")
    stains *= 3.0 / stains.std()
    colour += stains[(z * 4).astype(int) % 128, (x * 4).astype(int) % 128][:, None]
    return colour


def _lay_mosaic(colour: FloatArray, x: FloatArray, z: FloatArray) -> None:
    """A compass rose of coloured stone, in place."""
    centre_x, centre_z, radius = _MOSAIC
    distance = np.hypot(x - centre_x, z - centre_z) / radius
    turn = np.arctan2(z - centre_z, x - centre_x)
    spike = np.abs((turn * 8 / (2 * np.pi)) % 1 - 0.5) * 2  # 1 on the axis of a ray, 0 between two rays
    warm, cool, pale = (138.0, 160.0, 188.0), (168.0, 168.0, 158.0), (190.0, 200.0, 206.0)
    for inside, tone in (
        (distance < 1.0, warm),
        (distance < 0.95, pale),
        (distance < 0.9, cool),
        (distance < 0.3 + 0.55 * spike**2, pale),
        (distance < 0.24 + 0.5 * np.clip(spike * 1.3 - 0.3, 0, 1) ** 2, warm),
        (distance < 0.22, pale),
        (distance < 0.17, warm),
    ):
        colour[inside] = colour[inside] * 0.35 + np.array(tone) * 0.65


def _houses(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(n, 3) metres on the front -> (n, 3) colours."""
    x, y = points[:, 0], points[:, 1]
    house = np.floor((x + 4.0) / 9.0).astype(int)
    plaster = np.array([[150, 192, 214], [176, 186, 198], [140, 160, 200], [168, 196, 192], [184, 190, 176]], float)
    colour: FloatArray = plaster[house % len(plaster)] + rng.normal(0, 2.0, (len(x), 1))
    _cut_windows(colour, x, y)
    _fit_shops(colour, x, y, house)
    within = (x + 4.0) % 9.0
    colour[(within < 0.12) | (within > 8.88)] *= 0.8
    colour[(y > 3.55) & (y < 3.8)] = (196, 206, 210)
    colour[(y > 3.5) & (y <= 3.55)] *= 0.7
    return colour


def _cut_windows(colour: FloatArray, x: FloatArray, y: FloatArray) -> None:
    across, up = (x + 4.0) % 2.25 - 1.125, (y - 4.2) % 3.1
    upper = y > 4.0
    frame = upper & (np.abs(across) < 0.62) & (up < 1.9)
    glass = upper & (np.abs(across) < 0.5) & (up > 0.1) & (up < 1.8) & (np.abs(across) > 0.03)
    shutter = upper & (np.abs(across) >= 0.62) & (np.abs(across) < 0.95) & (up < 1.9)
    colour[shutter] = np.array([96, 112, 84]) * np.where((up[shutter] * 9) % 1 < 0.2, 0.8, 1.0)[:, None]
    colour[frame] = (214, 222, 226)
    colour[glass] = np.array([150, 130, 108]) + 22 * np.sin(x[glass] * 1.7 + up[glass] * 1.3)[:, None]


def _fit_shops(colour: FloatArray, x: FloatArray, y: FloatArray, house: FloatArray) -> None:
    bay = (x + 4.0) % 4.5 - 2.25
    shop = np.floor((x + 4.0) / 4.5).astype(int)
    glass = (np.abs(bay) < 1.8) & (y > 0.5) & (y < 2.9)
    reflection = np.clip(1 - np.abs(bay[glass] - 0.5 * y[glass] + 0.4), 0, 1)
    colour[glass] = np.array([104, 88, 72]) + 46 * reflection[:, None] + 10 * y[glass][:, None]
    door = (np.abs(bay - 1.1) < 0.55) & (y < 2.5)
    colour[door] = np.array([62, 70, 84]) + 24 * (np.abs(bay[door] - 1.1) < 0.4)[:, None]
    colour[(np.abs(bay) < 1.8) & (np.abs(bay) > 1.72) & (y < 2.9)] = (70, 76, 80)
    colour[(np.abs(bay) < 1.8) & (y <= 0.5) & ~door] = (110, 120, 128)
    fabrics = np.array([[70, 70, 196], [120, 130, 46], [60, 150, 220], [150, 96, 60]], float)
    awning = (np.abs(bay) < 2.0) & (y > 2.45) & (y < 3.2)
    striped = np.floor(bay[awning] / 0.4).astype(int) % 2 == 0
    sunlit = (0.78 + 0.3 * (y[awning] - 2.45) / 0.75)[:, None]
    colour[awning] = np.where(striped[:, None], fabrics[(shop[awning] + house[awning]) % 4], (232, 238, 240)) * sunlit


def _shadows(camera: Camera, props: list[Prop]) -> FloatArray:
    """(height, width) 0..1: how much of the sun the props take from each pixel."""
    mask = np.zeros((camera.height, camera.width), np.float32)
    for prop in props:
        for body in prop.shadows:
            hull = cv2.convexHull(camera.project(on_ground(body)).astype(np.float32))
            cv2.fillConvexPoly(mask, np.rint(hull * 16 - 8).astype(np.int32), 1.0, cv2.LINE_8, 4)
    soft: FloatArray = cv2.GaussianBlur(mask, (0, 0), max(0.8, camera.width / 450))
    return soft
