"""What a Siamese tracker asks of its networks, whichever library runs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trackers.structures import FloatArray, ImageArray


@dataclass(frozen=True, slots=True)
class SiameseNetworks:
    """The networks, and the crops they were trained on. Crops are (n, side, side, 3) blue green red of 8 bits."""

    template: Callable[[ImageArray], FloatArray]  # crops of targets -> maps (n, c, k, k)
    search: Callable[[ImageArray], FloatArray]  # crops of search regions -> maps (n, c, rows, columns)
    # Both maps -> scores 0..1 (n, rows, columns) that the target is there, and how far left, up, right and down of
    # the cell its sides are (n, 4, rows, columns), pixels of the search crop
    compare: Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
    template_size: int = 127  # pixels, side of a target's crop
    search_size: int = 255  # pixels, side of a search region's crop, at the same scale
    stride: int = 16  # pixels of the crop per cell of its map


def cell_middles(rows: int, columns: int, *, size: int, stride: int) -> FloatArray:
    """Where the cells of a map look (rows, columns, 2) x y, pixels of a crop of side `size`; n // 2 is its middle."""
    x = (np.arange(columns) - columns // 2) * stride + size // 2
    y = (np.arange(rows) - rows // 2) * stride + size // 2
    return np.stack(np.meshgrid(x, y), axis=-1).astype(np.float64)
