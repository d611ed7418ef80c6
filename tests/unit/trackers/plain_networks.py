"""Siamese networks without any learning: mean colours of cells, and their normalised cross-correlation."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from trackers.siamese_networks import SiameseNetworks
from trackers.structures import FloatArray, ImageArray

CELL = 4  # pixels of a crop per cell
CROP, REGION = 64, 128  # pixels: sides of the crops, in the first of which a square has half the side


def colours(crops: ImageArray) -> FloatArray:
    """Mean colour of each cell (n, 3, rows, columns)."""
    count, side = crops.shape[:2]
    cells = crops.reshape(count, side // CELL, CELL, side // CELL, CELL, 3)
    return np.asarray(cells.mean(axis=(2, 4)).transpose(0, 3, 1, 2), np.float32)


def correlation(templates: FloatArray, maps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Normalised cross-correlation of the middle of the templates; boxes always have half the template's side."""
    quarter = templates.shape[2] // 4
    middle = templates[:, :, quarter:-quarter, quarter:-quarter]
    near = quarter, quarter - 1
    padded = np.pad(maps, ((0, 0), (0, 0), near, near), mode="edge")
    windows = sliding_window_view(padded, middle.shape[2:], axis=(2, 3)).transpose(0, 2, 3, 1, 4, 5)
    seen = windows.reshape(*windows.shape[:3], -1).astype(np.float64)
    known = middle.reshape(len(middle), 1, 1, -1).astype(np.float64)
    seen, known = (part - part.mean(axis=-1, keepdims=True) for part in (seen, known))
    lengths = np.linalg.norm(seen, axis=-1) * np.linalg.norm(known, axis=-1)
    scores = (seen * known).sum(axis=-1) / np.maximum(lengths, 1e-9)
    return np.maximum(scores, 0), np.full((len(maps), 4, *scores.shape[1:]), CROP / 4)


PLAIN = SiameseNetworks(
    template=colours, search=colours, compare=correlation, template_size=CROP, search_size=REGION, stride=CELL
)
