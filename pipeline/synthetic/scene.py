"""A rendered plaza with people walking over it, and what is truly in every frame.

Any frame can be asked for at any time: what it shows depends on its time alone.

>>> scene = Scene(seconds=2.0, size=(320, 180), fps=10.0, seed=1)
>>> picture = scene.frame(19)
>>> picture.image.shape, picture.truth.time
((180, 320, 3), 1.9)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.errors import ConfigError
from pipeline.synthetic.body import Pose
from pipeline.synthetic.camera import Camera
from pipeline.synthetic.counts import SceneCounts, count
from pipeline.synthetic.figure import Figure, View
from pipeline.synthetic.looks import draw_looks
from pipeline.synthetic.plaza import SHADOW, open_ground, paint_plaza
from pipeline.synthetic.props import place_props
from pipeline.synthetic.raster import Layer, Window, cover, paint
from pipeline.synthetic.script import Script
from pipeline.synthetic.truth import Body, Truth, measure
from pipeline.synthetic.visits import plan_visits
from trackers.structures import Frame, ImageArray

_NOISE = 2.2  # standard deviation of the sensor's noise, grey levels
_NOISE_PLATES = 4  # noise is cut at random places from so many plates
_DRIFT = 0.02  # share by which the light rises and falls over half a minute
_SMALLEST, _LARGEST = 32, 8192  # pixels a side


@dataclass(frozen=True, slots=True, eq=False)
class SceneFrame:
    """One picture and what is truly in it."""

    image: ImageArray  # (height, width, 3) blue green red
    truth: Truth


class Scene:
    """A fixed camera over a plaza. The same arguments give the same pixels, on one machine."""

    def __init__(
        self,
        seconds: float = 60.0,
        *,
        size: tuple[int, int] = (1280, 720),
        fps: float = 25.0,
        walkers: int = 20,
        seed: int = 7,
        script: Script | None = None,
    ) -> None:
        """`size`: width, height in pixels. `walkers`: identities that may come; a short scene shows fewer of them.

        The plaza is empty for the first 1.5 s, so that background models can learn it. With a `script` people and
        things are its own, and `walkers` counts for nothing. ConfigError for values that no
        scene can have.
        """
        _check(seconds, size, fps, walkers, seed)
        self.seconds, self.size, self.fps, self.walkers, self.seed = float(seconds), size, float(fps), walkers, seed
        self._camera = Camera(*size)
        self._window = Window(0, 0, *size)
        looks, plans, self._plaza_seed, self._light_seed = np.random.SeedSequence(seed).spawn(4)
        if script is None:
            script = self._drawn(looks, plans)
        self._props, self._visits = list(script.props), list(script.visits)
        self._prop_layers = [paint(prop.drawing, prop.drawing.polygons) for prop in self._props]
        self._figures = [Figure(look, self._camera) for look in script.looks]
        self._open_ground = open_ground(self._camera, self._prop_layers)
        self._backdrop: ImageArray | None = None
        self._noise: list[ImageArray] = []

    def __len__(self) -> int:
        """Frames; at least one."""
        return max(1, round(self.seconds * self.fps))

    def frame(self, index: int) -> SceneFrame:
        """Picture and truth of one frame. IndexError outside 0 .. len - 1."""
        present = self._present(index)
        layers = [
            (walker, pose, view, paint(self._figures[walker].drawing(view), view.outline))
            for walker, pose, view in present
        ]
        image = self.backdrop.copy()
        for walker, pose, view, _ in layers:
            self._lay_shadow(image, *cover(self._figures[walker].shadow(pose, view)))
        for _, pose, _, layer in sorted(layers, key=lambda one: one[1].z, reverse=True):
            self._lay_figure(image, layer, pose.z)
        bodies = [Body(walker, pose.z, layer.window, layer.coverage) for walker, pose, _, layer in layers]
        return SceneFrame(self._expose(image, index), self._measure(index, bodies))

    def truth(self, index: int) -> Truth:
        """What `frame` would say, several times faster. IndexError outside 0 .. len - 1."""
        present = self._present(index)
        return self._measure(index, [Body(walker, pose.z, *cover(view.outline)) for walker, pose, view in present])

    def truths(self) -> Iterator[Truth]:
        """The truth of every frame, in order."""
        return (self.truth(index) for index in range(len(self)))

    def statistics(self) -> SceneCounts:
        """Crossings, occlusions and more, counted over all frames; takes a few seconds for a minute of scene."""
        return count(self.truths(), width=self.size[0], height=self.size[1])

    @property
    def backdrop(self) -> ImageArray:
        """(height, width, 3): the empty plaza without noise; not a copy."""
        if self._backdrop is None:
            rng = np.random.default_rng(self._plaza_seed)
            self._backdrop = paint_plaza(self._camera, self._props, self._prop_layers, rng)
        return self._backdrop

    def _drawn(self, looks: np.random.SeedSequence, plans: np.random.SeedSequence) -> Script:
        """People and things as chance has them."""
        props = place_props(self._camera, np.random.default_rng(self._plaza_seed))
        visits = plan_visits(self.seconds, self.walkers, props, np.random.default_rng(plans))
        return Script(draw_looks(self.walkers, np.random.default_rng(looks)), visits, props)

    def _present(self, index: int) -> list[tuple[int, Pose, View]]:
        """Walker, pose and polygons of everyone on the way at this time, in or near the frame."""
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of a scene of {len(self)} frames")
        time = index / self.fps
        here = [visit for visit in self._visits if visit.start <= time <= visit.end]
        poses = [(visit.walker, visit.pose(time, self._figures[visit.walker].look)) for visit in here]
        return [(walker, pose, self._figures[walker].view(pose)) for walker, pose in poses]

    def _measure(self, index: int, bodies: list[Body]) -> Truth:
        props = [(prop.z, layer) for prop, layer in zip(self._props, self._prop_layers, strict=True)]
        return measure(index, index / self.fps, bodies, props, self._window)

    def _lay_figure(self, image: ImageArray, layer: Layer, distance: float) -> None:
        """Draw one walker, less what the props in front hide, in place."""
        for prop, prop_layer in zip(self._props, self._prop_layers, strict=True):
            if prop.z < distance:
                layer = layer.behind(prop_layer)
        layer.over(image)

    def _lay_shadow(self, image: ImageArray, window: Window, mask: ImageArray) -> None:
        """Darken the ground softly, in place. `mask`: (height, width) of the window, 255 in the shadow."""
        soft = max(1, self.size[0] // 400)
        rim = 2 * soft
        spread = Window(window.x1 - rim, window.y1 - rim, window.x2 + rim, window.y2 + rim)
        part = spread & self._window
        if part.empty:
            return
        wide = cv2.GaussianBlur(cv2.copyMakeBorder(mask, rim, rim, rim, rim, cv2.BORDER_CONSTANT), (0, 0), soft)
        seen = cv2.min(wide[part.slices(spread)], self._open_ground[part.slices(self._window)])
        light = cv2.convertScaleAbs(seen, alpha=-SHADOW, beta=255)
        ground = image[part.slices(self._window)]
        ground[:] = cv2.multiply(ground, cv2.cvtColor(light, cv2.COLOR_GRAY2BGR), scale=1 / 255)

    def _expose(self, image: ImageArray, index: int) -> ImageArray:
        """The sensor's noise and the light of the moment."""
        width, height = self.size
        if not self._noise:
            self._noise = _noise_plates(width, height, np.random.default_rng(self._light_seed))
        rng = np.random.default_rng((self.seed, index))
        plate = self._noise[int(rng.integers(_NOISE_PLATES))]
        x, y = (int(at) for at in rng.integers(0, _PLATE_MARGIN, 2))
        time = index / self.fps
        light = 1 + _DRIFT * np.sin(2 * np.pi * time / 31) * np.cos(2 * np.pi * time / 12.7)
        exposed: ImageArray = cv2.addWeighted(image, light, plate[y : y + height, x : x + width], 1.0, -_GREY)
        return exposed


def frames(scene: Scene, *, stream: int = 0) -> Iterator[Frame]:
    """The pictures as a source gives them; the time of capture counts from 1970."""
    for index in range(len(scene)):
        time = index / scene.fps
        yield Frame(scene.frame(index).image, index, time, round(time * 1e6), stream)


_PLATE_MARGIN = 64  # pixels by which a plate exceeds the picture, so that it can be cut at many places
_GREY = 128  # no noise


def _noise_plates(width: int, height: int, rng: np.random.Generator) -> list[ImageArray]:
    shape = (height + _PLATE_MARGIN, width + _PLATE_MARGIN, 3)
    scaled = (rng.standard_normal(shape, np.float32) * _NOISE + _GREY for _ in range(_NOISE_PLATES))
    return [np.clip(np.rint(plate), 0, 255).astype(np.uint8) for plate in scaled]


def _check(seconds: float, size: tuple[int, int], fps: float, walkers: int, seed: int) -> None:
    if not (np.isfinite(seconds) and seconds > 0):
        raise ConfigError(f"a scene of {seconds} s cannot be rendered; seconds must be a positive number")
    if not (np.isfinite(fps) and fps > 0):
        raise ConfigError(f"{fps} frames a second cannot be rendered; fps must be a positive number")
    if len(size) != 2 or not all(_SMALLEST <= side <= _LARGEST for side in size):
        raise ConfigError(f"size {size}: width and height must be {_SMALLEST} to {_LARGEST} pixels")
    if walkers < 0:
        raise ConfigError(f"{walkers} walkers: must be 0 or more")
    if seed < 0:
        raise ConfigError(f"seed {seed}: must be 0 or more")
