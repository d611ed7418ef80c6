"""Crops of the walkers of a rendered plaza, with who they are."""

from __future__ import annotations

import numpy as np

from pipeline.synthetic.scene import Scene
from pipeline.training.crop_set import CropSet, cut_crop

LEAST_VISIBLE = 0.6


def walker_crops(size: tuple[int, int], *, seed: int, frames: int = 40, walkers: int = 16) -> CropSet:
    """Whoever is seen well in frames half a second apart. `size`: height, width of boxes."""
    scene = Scene(seconds=frames / 2 + 2, size=(640, 360), fps=2.0, walkers=walkers, seed=seed)
    pictures, identities, times = [], [], []
    for index in range(4, len(scene)):
        frame = scene.frame(index)
        for row in np.flatnonzero(frame.truth.visibility >= LEAST_VISIBLE):
            pictures.append(cut_crop(frame.image, frame.truth.visible_boxes[row], size))
            identities.append(int(frame.truth.ids[row]))
            times.append(frame.truth.time)
    return CropSet(
        np.stack(pictures), np.array(identities), np.zeros(len(identities), np.int64), np.array(times, np.float64)
    )
