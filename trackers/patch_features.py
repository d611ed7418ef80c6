"""What correlation filters see of a patch: histograms of gradients and colours, one value a cell and channel."""

from __future__ import annotations

import cv2
import numpy as np

from trackers.structures import FloatArray, ImageArray

CELL = 4  # pixels; sides of patches are multiples
SIGNED, UNSIGNED = 18, 9  # directions that gradients are counted in
HOG_CHANNELS = SIGNED + UNSIGNED + 4
_TERMS = np.array(  # red, green, blue of black, blue, brown, grey, green, orange, pink, purple, red, white, yellow
    [
        *([0, 0, 0], [0, 0, 255], [128, 64, 0], [128, 128, 128], [0, 192, 0], [255, 128, 0]),
        *([255, 128, 192], [128, 0, 128], [255, 0, 0], [255, 255, 255], [255, 255, 0]),
    ],
    np.uint8,
)
_TERMS.setflags(write=False)
_LEVELS = 32  # of each of blue, green and red, for which shares are computed beforehand
_COARSE = 256 // _LEVELS
_CLIP = 0.2  # a normalised gradient counts for no more
_FAINT = 1e-4  # keeps cells without any gradient from a division by 0
_TEXTURE = 0.2357  # of Felzenszwalb et al. 2010: 1 / sqrt(18), makes the texture channels as large as the others


class GradientsAndColours:
    """Gradients and colours of each cell: patches (n, height, width, 3) BGR -> (n, 42, height / 4, width / 4) float32.

    A cell's colour is how much it belongs to each of the eleven colours that languages have basic terms for (Berlin &
    Kay 1969): shares that fall with the squared distance from the term's colour in CIE L*a*b*, and sum to 1; their mean
    over the patch is taken off. That they tell targets apart where gradients do not is from Danelljan et al. 2014
    (Adaptive color attributes), whose shares were learned from pictures; these are computed.
    """

    def __init__(self, *, sharpness: float = 20.0, weight: float = 0.4) -> None:
        """`sharpness`: distance in L*a*b* (L* of 0..100) at which a share has fallen to exp(-1/2).

        `weight`: of colours beside gradients.
        """
        self._shares = _colour_shares(sharpness) * np.float32(weight)

    def __call__(self, patches: ImageArray) -> FloatArray:
        count, height, width = patches.shape[:3]
        across, down = width // CELL, height // CELL
        if count == 0:
            return np.zeros((0, HOG_CHANNELS + len(_TERMS), down, across), np.float32)
        # All patches as one tall picture: as many calls for twenty targets as for one.
        tall = patches.reshape(count * height, width, 3)
        cells = cv2.resize(tall, (across, count * down), interpolation=cv2.INTER_AREA).astype(np.int32)
        blue, green, red = np.moveaxis(cells // _COARSE, -1, 0)
        shares = self._shares[(blue * _LEVELS + green) * _LEVELS + red].reshape(count, down, across, len(_TERMS))
        colours = np.moveaxis(shares - shares.mean(axis=(1, 2), keepdims=True), -1, 1)
        return np.concatenate([gradients(patches), colours], axis=1)


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
    before = np.floor(place)  # the direction before the gradient's, 0 .. SIGNED, where SIGNED is 0 again
    further = size * (place - before)  # what the next direction gets of it
    half = CELL // 2
    rows, columns = np.arange(count * height) // half, np.arange(width) // half
    planes = count * (height // half) * (width // half)
    bins = before.astype(np.int64)
    bins *= planes
    bins += rows[:, None] * (width // half) + columns
    given = np.bincount(bins.ravel(), further.ravel(), (SIGNED + 1) * planes).reshape(SIGNED + 1, planes)
    counted = np.bincount(bins.ravel(), size.ravel(), (SIGNED + 1) * planes).reshape(SIGNED + 1, planes)
    counted -= given
    counted[1:] += given[:-1]
    counted[0] += counted[SIGNED]
    fine = counted[:SIGNED].astype(np.float32).reshape(SIGNED * count, height // half, width // half)
    cells = _triangle(height // CELL) @ (fine @ _triangle(width // CELL).T)
    return _normalised(cells.reshape(SIGNED, count, height // CELL, width // CELL))


def _triangle(cells: int) -> FloatArray:
    """Half cells -> cells: one counts its own two halves by 3/4, its neighbours' nearest by 1/4, (cells, 2 cells)."""
    halves, middles = np.arange(2 * cells), 2 * np.arange(cells)[:, None] + 0.5
    shares = np.maximum(1 - np.abs(halves - middles) / 2, 0)
    shares[[0, -1], [0, -1]] = 1  # beyond the border it is as at the border
    return shares.astype(np.float32)


def _normalised(cells: FloatArray) -> FloatArray:
    """Signed histograms (18, n, h, w) -> all channels (n, 31, h, w)."""
    _, count, height, width = cells.shape
    unsigned = cells[:UNSIGNED] + cells[UNSIGNED:]
    energy = np.pad((unsigned**2).sum(axis=0), ((0, 0), (1, 1), (1, 1)), mode="edge")
    blocks = energy[:, :-1, :-1] + energy[:, 1:, :-1] + energy[:, :-1, 1:] + energy[:, 1:, 1:]
    norms = 1 / np.sqrt(blocks + np.float32(_FAINT))
    both = np.concatenate([cells, unsigned])
    out = np.zeros((HOG_CHANNELS, count, height, width), np.float32)
    directions, clipped = out[: SIGNED + UNSIGNED], np.empty_like(both)
    for block, (row, column) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        norm = np.ascontiguousarray(norms[:, row : row + height, column : column + width])
        np.multiply(both, norm, out=clipped)
        np.minimum(clipped, np.float32(_CLIP), out=clipped)
        directions += clipped
        np.sum(clipped[:SIGNED], axis=0, out=out[SIGNED + UNSIGNED + block])
    directions *= np.float32(0.5)
    out[SIGNED + UNSIGNED :] *= np.float32(_TEXTURE)
    return np.ascontiguousarray(np.moveaxis(out, 0, 1))


def _colour_shares(sharpness: float) -> FloatArray:
    """Shares of the terms in every colour (32 * 32 * 32, 11) float32, by blue, green and red."""
    level = (np.arange(_LEVELS, dtype=np.float32) * _COARSE + _COARSE // 2) / 255
    every = np.stack(np.meshgrid(level, level, level, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    colours = cv2.cvtColor(every, cv2.COLOR_BGR2Lab)
    terms = cv2.cvtColor(_TERMS[None].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    away = ((colours - terms) ** 2).sum(axis=-1)
    shares = np.exp((away.min(axis=1, keepdims=True) - away) / (2 * sharpness**2))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)
