"""The levels of a Mask R-CNN's feature pyramid."""

from __future__ import annotations

LEVELS = ("0", "1", "2")  # names of the maps that it is built on, as torchvision counts them
STRIDES = (8, 16, 32)  # pixels a cell of each; a fourth one, of 64, is a quarter of the last one's cells
