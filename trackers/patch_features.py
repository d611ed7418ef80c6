"""What correlation filters see of a patch: histograms of gradients and colours, one value a cell and channel."""

from __future__ import annotations

import cv2
import numpy as np

from trackers.structures import FloatArray, ImageArray

CELL = 4  # pixels; sides of patches are multiples
SIGNED, UNSIGNED = 18, 9  # directions that gradients are counted in
HOG_CHANNELS = SIGNED + UNSIGNED + 4
COLOURS = 3
_CLIP = 0.2  # a normalised gradient counts for no more
_FAINT = 1e-4  # squared; keeps noise in flat cells from being blown up
_TEXTURE = 0.2357  # of Felzenszwalb et al. 2010: 1 / sqrt(18), makes the texture channels as large as the others


def gradients_and_colour(patches: ImageArray) -> FloatArray:
    """Gradients and colour of each cell: (n, 34, height / 4, width / 4) float32 of (n, height, width, 3) pixels BGR."""
    count, height, width = patches.shape[:3]
    if count == 0:
        return np.zeros((0, HOG_CHANNELS + COLOURS, height // CELL, width // CELL), np.float32)
    # All patches as one tall picture: as many calls for twenty targets as for one.
    lab = cv2.cvtColor(patches.reshape(count * height, width, 3), cv2.COLOR_BGR2Lab)
    size = (width // CELL, count * height // CELL)
    colour = cv2.resize(lab, size, interpolation=cv2.INTER_AREA).reshape(count, height // CELL, width // CELL, 3)
    edges = hog(np.ascontiguousarray(lab[:, :, 0]).reshape(count, height, width))
    return np.concatenate([edges, np.moveaxis(colour, -1, 1).astype(np.float32) / 255 - 0.5], axis=1)


def gradients(patches: ImageArray) -> FloatArray:
    """Gradients of each cell: (n, 31, height / 4, width / 4) float32 of (n, height, width, 3) pixels BGR."""
    count, height, width = patches.shape[:3]
    if count == 0:
        return np.zeros((0, HOG_CHANNELS, height // CELL, width // CELL), np.float32)
    grey = cv2.cvtColor(patches.reshape(count * height, width, 3), cv2.COLOR_BGR2GRAY)
    return hog(grey.reshape(count, height, width))


def hog(patches: ImageArray) -> FloatArray:
    """Histograms of oriented gradients (Felzenszwalb et al. 2010, sec. 6), (n, 31, height / 4, width / 4) float32.

    Of grey patches (n, height, width): 18 signed and 9 unsigned directions, each normalised by the gradients of four
    blocks of 2x2 cells and clipped, and the four normalisations' sums. A gradient goes in shares to the two nearest
    directions, and to the nearest cells by the half cell it lies in, in place of the paper's exact bilinear shares.
    """
    count, height, width = patches.shape
    if count == 0:
        return np.zeros((0, HOG_CHANNELS, height // CELL, width // CELL), np.float32)
    tall = patches.reshape(count * height, width)
    along = cv2.Sobel(tall, cv2.CV_32F, 1, 0, ksize=1)
    down = cv2.Sobel(tall, cv2.CV_32F, 0, 1, ksize=1)
    down.reshape(count, height, width)[:, [0, -1]] = 0  # these reach into the neighbour in the pile
    size, angle = cv2.cartToPolar(along, down)
    place = angle * np.float32(SIGNED / (2 * np.pi))
    low = place.astype(np.int32)
    second = size * (place - low)
    half = CELL // 2
    rows, columns = np.arange(count * height) // half, np.arange(width) // half
    cells = rows[:, None] * (width // half) + columns
    planes = count * (height // half) * (width // half)
    low %= SIGNED
    high = (low + 1) % SIGNED
    counted = np.bincount((low * planes + cells).ravel(), (size - second).ravel(), SIGNED * planes)
    counted += np.bincount((high * planes + cells).ravel(), second.ravel(), SIGNED * planes)
    fine = counted.astype(np.float32).reshape(SIGNED, count, height // half, width // half)
    return _normalised(_triangle(_triangle(fine, axis=2), axis=3))


def _triangle(fine: FloatArray, *, axis: int) -> FloatArray:
    """Half cells -> cells along an axis: a cell counts its own two halves by 3/4, its neighbours' nearest by 1/4."""
    halves = np.moveaxis(fine, axis, 0)
    before = np.concatenate([halves[:1], halves[1:-1:2]])
    after = np.concatenate([halves[2::2], halves[-1:]])
    own = halves[::2] + halves[1::2]
    return np.moveaxis(np.float32(0.75) * own + np.float32(0.25) * (before + after), 0, axis)


def _normalised(cells: FloatArray) -> FloatArray:
    """Signed histograms (18, n, h, w) -> all channels (n, 31, h, w)."""
    unsigned = cells[:UNSIGNED] + cells[UNSIGNED:]
    energy = np.pad((unsigned**2).sum(axis=0), ((0, 0), (1, 1), (1, 1)), mode="edge")
    blocks = energy[:, :-1, :-1] + energy[:, 1:, :-1] + energy[:, :-1, 1:] + energy[:, 1:, 1:]
    norms = 1 / np.sqrt(blocks + np.float32(_FAINT))
    out = np.zeros((HOG_CHANNELS, *cells.shape[1:]), np.float32)
    for block, (row, column) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        norm = norms[:, row : row + cells.shape[2], column : column + cells.shape[3]]
        clipped = np.minimum(cells * norm, np.float32(_CLIP))
        out[:SIGNED] += clipped
        out[SIGNED : SIGNED + UNSIGNED] += np.minimum(unsigned * norm, np.float32(_CLIP))
        out[SIGNED + UNSIGNED + block] = _TEXTURE * clipped.sum(axis=0)
    out[: SIGNED + UNSIGNED] *= np.float32(0.5)
    return np.ascontiguousarray(np.moveaxis(out, 0, 1))
