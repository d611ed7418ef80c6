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


def _colour_shares(sharpness: float) -> FloatArray:
    """Shares of the terms in every colour (32 * 32 * 32, 11) float32, by blue, green and red."""
    level = (np.arange(_LEVELS, dtype=np.float32) * _COARSE + _COARSE // 2) / 255
    every = np.stack(np.meshgrid(level, level, level, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    colours = cv2.cvtColor(every, cv2.COLOR_BGR2Lab)
    terms = cv2.cvtColor(_TERMS[None].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    away = ((colours - terms) ** 2).sum(axis=-1)
    shares = np.exp((away.min(axis=1, keepdims=True) - away) / (2 * sharpness**2))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)
