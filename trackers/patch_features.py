"""What correlation filters see of a patch: histograms of gradients and colours, one value a cell and channel."""

from __future__ import annotations

import cv2
import numpy as np

from trackers.structures import FloatArray, ImageArray

CELL = 4  # pixels along the side of a cell, unless told otherwise
DIRECTIONS = 18  # signed ones that gradients are counted in, unless told otherwise
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


class GradientsAndColours:
    """Gradients and colours of each cell: patches (n, h, w, 3) BGR -> (n, channels, h / cell, w / cell) float32.

    Channels are those of `hog` and eleven colours. A cell's colour is how much it belongs to each of the eleven colours
    that languages have basic terms for (Berlin & Kay 1969): shares that fall with the squared distance from the term's
    colour in CIE L*a*b*, and sum to 1; their mean over the patch is taken off. That they tell targets apart where
    gradients do not is from Danelljan et al. 2014 (Adaptive color attributes), whose shares were learned from pictures;
    these are computed.
    """

    def __init__(
        self, *, cell: int = CELL, directions: int = DIRECTIONS, sharpness: float = 20.0, weight: float = 0.4
    ) -> None:
        """`cell`, `directions`: see `hog`. `sharpness`: distance in L*a*b* at which a share has fallen to exp(-1/2).

        `weight`: of colours beside gradients.
        """
        self._cell, self._directions = cell, directions
        self._shares = _colour_shares(sharpness) * np.float32(weight)

    def __call__(self, patches: ImageArray) -> FloatArray:
        return np.concatenate(
            [gradients(patches, cell=self._cell, directions=self._directions), self._colours(patches)], axis=1
        )

    def _colours(self, patches: ImageArray) -> FloatArray:
        """Shares of the terms in each cell's mean colour, without their mean: (n, 11, h / cell, w / cell)."""
        count, height, width = patches.shape[:3]
        across, down = width // self._cell, height // self._cell
        if count == 0:
            return np.zeros((0, len(_TERMS), down, across), np.float32)
        # All patches as one tall picture: as many calls for twenty targets as for one.
        tall = patches.reshape(count * height, width, 3)
        cells = (cv2.resize(tall, (across, count * down), interpolation=cv2.INTER_AREA) // _COARSE).astype(np.int32)
        blue, green, red = np.moveaxis(cells, -1, 0)
        shares = self._shares[(blue * _LEVELS + green) * _LEVELS + red].reshape(count, down, across, len(_TERMS))
        return np.asarray(np.moveaxis(shares - shares.mean(axis=(1, 2), keepdims=True), -1, 1))


def gradients(patches: ImageArray, *, cell: int = CELL, directions: int = DIRECTIONS) -> FloatArray:
    """Gradients of each cell of (n, height, width, 3) pixels BGR; see `hog`."""
    count, height, width = patches.shape[:3]
    grey = np.zeros((0, width), np.uint8)
    if count:
        grey = np.asarray(cv2.cvtColor(patches.reshape(count * height, width, 3), cv2.COLOR_BGR2GRAY), np.uint8)
    return hog(grey.reshape(count, height, width), cell=cell, directions=directions)


def hog(patches: ImageArray, *, cell: int = CELL, directions: int = DIRECTIONS) -> FloatArray:
    """Histograms of oriented gradients (Felzenszwalb et al. 2010, sec. 6), (n, channels, h / cell, w / cell) float32.

    Of grey patches (n, h, w) whose sides are multiples of `cell`, an even number of pixels: an even number of signed
    `directions` (18 in the paper) and half as many unsigned ones, each normalised by the gradients of four blocks of
    2x2 cells and clipped, and the four normalisations' sums. A gradient goes in shares to the two nearest directions,
    and to the nearest cells by the half cell it lies in, in place of the paper's exact bilinear shares.
    """
    count, height, width = patches.shape
    if count == 0:
        return np.zeros((0, directions + directions // 2 + 4, height // cell, width // cell), np.float32)
    tall = patches.reshape(count * height, width)
    along = cv2.Sobel(tall, cv2.CV_32F, 1, 0, ksize=1)
    down = cv2.Sobel(tall, cv2.CV_32F, 0, 1, ksize=1)
    down.reshape(count, height, width)[:, [0, -1]] = 0  # these reach into the neighbour in the pile
    fine = _counted(along, down, half=cell // 2, directions=directions)
    halves = fine.reshape(directions * count, 2 * height // cell, 2 * width // cell)
    cells = _triangle(height // cell) @ (halves @ _triangle(width // cell).T)
    return _normalised(cells.reshape(directions, count, height // cell, width // cell))


def _counted(along: FloatArray, down: FloatArray, *, half: int, directions: int) -> FloatArray:
    """Gradients (h, w) by direction in squares of `half` x `half` pixels: (directions, squares) float32."""
    size, angle = cv2.cartToPolar(along, down)
    place = angle * np.float32(directions / (2 * np.pi))
    before = np.floor(place)  # the direction before the gradient's, 0 .. directions, of which the last is 0 again
    further = size * (place - before)  # what the next direction gets of it
    rows, columns = np.arange(along.shape[0]) // half, np.arange(along.shape[1]) // half
    squares = (rows[-1] + 1) * (columns[-1] + 1)
    bins = before.astype(np.int64)
    bins *= squares
    bins += rows[:, None] * (columns[-1] + 1) + columns
    counted = np.zeros((directions + 2, squares), np.float32)
    flat = counted.reshape(-1)
    if half == 1:  # one gradient a square: nothing to sum
        flat[bins] = size - further
        flat[bins + squares] = further
    else:
        given = np.bincount(bins.ravel(), further.ravel(), (directions + 1) * squares)
        flat[:-squares] = np.bincount(bins.ravel(), size.ravel(), (directions + 1) * squares)
        flat[:-squares] -= given
        flat[squares:] += given
    counted[:2] += counted[directions:]
    return counted[:directions]


def _triangle(cells: int) -> FloatArray:
    """Half cells -> cells: one counts its own two halves by 3/4, its neighbours' nearest by 1/4, (cells, 2 cells)."""
    halves, middles = np.arange(2 * cells), 2 * np.arange(cells)[:, None] + 0.5
    shares = np.maximum(1 - np.abs(halves - middles) / 2, 0)
    shares[[0, -1], [0, -1]] = 1  # beyond the border it is as at the border
    return shares.astype(np.float32)


def _normalised(cells: FloatArray) -> FloatArray:
    """Signed histograms (directions, n, h, w) -> all channels (n, directions + directions / 2 + 4, h, w)."""
    signed, count, height, width = cells.shape
    both = np.concatenate([cells, cells[: signed // 2] + cells[signed // 2 :]])
    energy = np.pad((both[signed:] ** 2).sum(axis=0), ((0, 0), (1, 1), (1, 1)), mode="edge")
    blocks = energy[:, :-1, :-1] + energy[:, 1:, :-1] + energy[:, :-1, 1:] + energy[:, 1:, 1:]
    norms = 1 / np.sqrt(blocks + np.float32(_FAINT))
    out = np.zeros((len(both) + 4, count, height, width), np.float32)
    clipped = np.empty_like(both)
    for block, (row, column) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        norm = np.ascontiguousarray(norms[:, row : row + height, column : column + width])
        np.multiply(both, norm, out=clipped)
        np.minimum(clipped, np.float32(_CLIP), out=clipped)
        out[: len(both)] += clipped
        np.sum(clipped[:signed], axis=0, out=out[len(both) + block])
    out[: len(both)] *= np.float32(0.5)
    out[len(both) :] *= np.float32(1 / np.sqrt(signed))  # as large as the others, by the paper's 0.2357 for 18
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
