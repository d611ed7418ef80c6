"""Scenes: pictures whose objects are all known, opened when a composite needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.errors import TrainingError
from pipeline.synthetic.scene import Scene
from pipeline.training.labelled import LabelledPicture
from trackers.structures import FloatArray, ImageArray, IntArray

_SECONDS = 60.0  # of a rendered scene
_LEAST_VISIBLE = 0.3  # share of a walker; with less he is no label


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A picture and the objects in it."""

    image: ImageArray  # (h, w, 3) blue green red
    boxes: FloatArray  # (n, 4) float32 x1 y1 x2 y2, pixels, clipped to the picture
    labels: IntArray  # (n,) index into the class names


Opened = Callable[[], Labelled]


def opened(picture: LabelledPicture) -> Labelled:
    """A checked picture of a data set. Raises TrainingError where it can no longer be read."""
    image = cv2.imread(str(picture.path))
    if image is None:
        raise TrainingError(f"picture {picture.path} can no longer be read; check the data set")
    centres, sides = picture.boxes[:, :2], picture.boxes[:, 2:]
    corners = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1)
    return Labelled(image, (corners * np.tile([picture.width, picture.height], 2)).astype(np.float32), picture.labels)


class RenderedScenes:
    """Moments of rendered scenes, each with other walkers, all of them labelled as people."""

    def __init__(self, seeds: Sequence[int], label: int) -> None:
        """`seeds`: one a scene. `label`: of people."""
        self._seeds = seeds
        self._scenes: dict[int, Scene] = {}  # by seed, those that were asked for
        self._label = label

    def __call__(self, index: int) -> Labelled:
        """A moment; the same index gives the same."""
        random = np.random.default_rng((self._seeds[0], index))
        seed = self._seeds[int(random.integers(len(self._seeds)))]
        if seed not in self._scenes:
            self._scenes[seed] = Scene(_SECONDS, seed=seed)
        scene = self._scenes[seed]
        frame = scene.frame(int(random.integers(len(scene))))
        height, width = frame.image.shape[:2]
        seen = frame.truth.visibility >= _LEAST_VISIBLE
        boxes = np.clip(frame.truth.boxes[seen], 0, np.array([width, height] * 2, np.float32))
        return Labelled(frame.image, boxes, np.full(len(boxes), self._label, np.int64))
