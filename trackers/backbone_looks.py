"""What boxes show, told by the backbone of a Siamese tracker: the looks by which a follower knows its targets again."""

from __future__ import annotations

import cv2
import numpy as np

from trackers.geometry import centres
from trackers.patches import boxes_around, patches
from trackers.siamese_looks import context_sides, looks_at
from trackers.siamese_networks import SiameseNetworks
from trackers.structures import BoolArray, FloatArray, ImageArray

_LEAST_CONTRAST = 2.0  # grey levels, standard deviation; with less there is nothing to be seen
_SPARSE = 4  # every so many pixels are enough to tell
_CONTEXT = 0.5  # p of `context_sides`, as in Bertinetto et al. 2016, eq. 7


class BackboneLooks:
    """Describes boxes by how their middles stand out from what is around them.

    The backbone sees a search region around each box; what it says of the middle, less what it says of the region on
    the average, is the look. Without that the looks of all things are alike: over nine targets, the cosine with what is
    one to four sides away has a median of 0.15 so, and of 0.4 for the crop of a template as it is.
    """

    def __init__(self, networks: SiameseNetworks) -> None:
        self._networks = networks

    def __call__(self, image: ImageArray, boxes: FloatArray) -> FloatArray:
        """Looks (n, d) of unit length of what the boxes (n, 4) show; zeros where there is nothing to be told."""
        size = self._networks.search_size
        sides = context_sides(boxes[:, 2:] - boxes[:, :2], _CONTEXT)[:, None] * (size / self._networks.template_size)
        fill = np.array(cv2.mean(image)[:3])
        crops = patches(image, boxes_around(centres(boxes), sides), width=size, height=size, fill=fill)
        if len(crops) == 0:
            return np.zeros((0, 0))
        maps = self._networks.search(crops)
        middle = np.tile(np.array(maps.shape[:1:-1]) // 2, (len(boxes), 1)).astype(np.float64)
        looks = looks_at(maps, middle, maps.mean(axis=(2, 3), dtype=np.float64))
        looks[_plain(crops)] = 0  # what a network makes of its border is much the same for all of them
        return looks


def _plain(crops: ImageArray) -> BoolArray:
    """Which crops (n, height, width, 3) are of one colour, but for noise (n,)."""
    colours = crops[:, ::_SPARSE, ::_SPARSE].reshape(len(crops), -1, crops.shape[-1])
    return np.asarray((colours.std(axis=1) < _LEAST_CONTRAST).all(axis=1))
