"""Optical flow of points from one picture to another, and the motion of boxes that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from trackers.structures import BoolArray, FloatArray, ImageArray
from trackers.targets import checked_image

WINDOW = 15  # pixels; side of the square that is matched around a point
LEVELS = 4  # times a whole picture is halved
FARTHEST_RETURN = 1.0  # pixels; a point that comes back further from where it started was not followed
LEAST_LIKENESS = 0.6  # correlation; a point whose surroundings look less like before was not followed
_PATCH = 11  # pixels; side of the square that is compared around a point
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.03)
_LEAST_POINTS = 4  # fewer tell nothing of size
_APART = 0.1  # of a box's side; points that are further from where the box's motion takes them do not move with it
_ROWS = 16_384  # of a raster that OpenCV samples at once; it takes up to 32767
_SCALES = (0.8, 1.25)  # nothing grows or shrinks faster from one picture to the next


@dataclass(frozen=True, slots=True, eq=False)
class Followed:
    """Where points are in the next picture. All columns have the shape of the points asked about."""

    points: FloatArray  # (..., 2) float32 x y, pixels; NaN where a point was lost
    returns: FloatArray  # (...) float32 pixels between a point and where it comes back to; infinite where lost
    likeness: FloatArray  # (...) float32 -1..1 correlation of its surroundings before and after; -1 where lost

    @property
    def sure(self) -> BoolArray:
        """Points that came back and look as before (...)."""
        return np.asarray((self.returns <= FARTHEST_RETURN) & (self.likeness >= LEAST_LIKENESS))


@dataclass(frozen=True, slots=True, eq=False)
class BoxMotion:
    """How boxes moved from one picture to the next. Row i of every column is the same box."""

    boxes: FloatArray  # (n, 4) float64 x1 y1 x2 y2, pixels, in the next picture; as they were where nothing is known
    shifts: FloatArray  # (n, 2) float64 of their middles, pixels
    scales: FloatArray  # (n,) float64 of their sides
    confidences: FloatArray  # (n,) float64 0..1, share of the points that moved with the box; falls when it is covered


def grey_picture(image: ImageArray) -> ImageArray:
    """A picture (height, width, 3) BGR, or one that is grey already, as (height, width). Raises ValueError."""
    if image.ndim == 2 and image.dtype == np.uint8 and image.size:
        return image
    return np.asarray(cv2.cvtColor(checked_image(image), cv2.COLOR_BGR2GRAY), np.uint8)


def require_same_size(before: ImageArray, after: ImageArray) -> None:
    """Raise ValueError where two pictures cannot show the same points."""
    if before.shape != after.shape:
        raise ValueError(f"pictures of {before.shape} and {after.shape} do not show the same points; give one size")


def follow(
    before: ImageArray,
    after: ImageArray,
    points: FloatArray,
    *,
    guesses: FloatArray | None = None,
    levels: int = LEVELS,
) -> Followed:
    """Points (..., 2) of the grey picture `before` found in `after`; a NaN is lost from the start.

    Pyramidal Lucas-Kanade (Bouguet 2000), there and back: the distance from a point to where it comes back to is the
    forward-backward error (Kalal et al. 2010). `guesses`: (..., 2) where to begin to look. `levels`: how often the
    pictures are halved; motion up to about WINDOW / 2 * 2**levels pixels is found, but what is smaller than
    WINDOW * 2**levels pixels may be taken along by what is around it. All points go through OpenCV at once; its
    Python form takes no ready pyramids, so that it makes them anew. ValueError for pictures of two sizes.
    """
    require_same_size(before, after)
    asked = np.asarray(np.isfinite(points).all(axis=-1))
    if guesses is not None:
        asked &= np.isfinite(guesses).all(axis=-1)
    start = points[asked].astype(np.float32)
    if len(start) == 0:
        return judged(before, after, points, asked=asked, end=start, back=start)
    hint = np.zeros_like(start) if guesses is None else guesses[asked].astype(np.float32) - start
    end, found = _lucas_kanade(before, after, start, start + hint, levels=levels)
    back, returned = _lucas_kanade(after, before, end, end - hint, levels=levels)
    back[~(found & returned)] = np.nan
    return judged(before, after, points, asked=asked, end=end, back=back)


def judged(
    before: ImageArray, after: ImageArray, points: FloatArray, *, asked: BoolArray, end: FloatArray, back: FloatArray
) -> Followed:
    """What to think of points (...) of which those `asked` (...), m of them, seem to be at `end` (m, 2).

    `back`: (m, 2) where those come back to, NaN for one that is lost; so is one that leaves the picture.
    """
    places = np.full(points.shape, np.nan, np.float32)
    returns = np.full(points.shape[:-1], np.inf, np.float32)
    likeness = np.full(points.shape[:-1], -1, np.float32)
    height, width = after.shape
    found = np.asarray(np.isfinite(back).all(axis=1) & ((end >= 0) & (end <= [width, height])).all(axis=1))
    rows = tuple(column[found] for column in asked.nonzero())
    start, end = points[rows].astype(np.float32), end[found]
    places[rows] = end
    returns[rows] = np.linalg.norm(back[found] - start, axis=1)
    likeness[rows] = correlation(_surroundings(before, start), _surroundings(after, end))
    return Followed(places, returns, likeness)


def box_motion(boxes: FloatArray, points: FloatArray, followed: Followed) -> BoxMotion:
    """Median flow of boxes (n, 4) whose points (n, p, 2) were followed (Kalal et al. 2010, "Median Flow").

    The scale is the median, over all pairs of points, of how much their distance grew; the shift the median of the
    points' shifts once the scale is taken out. All points that were followed surely count, where the paper takes the
    better half.
    """
    kept = followed.sure
    scales = _growth(points, followed.points, kept)
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    unscaled = followed.points - (points - middles[:, None]) * scales[:, None, None]  # where each has the middle go
    moved = np.stack([_medians(unscaled[:, :, axis], kept) for axis in range(2)], axis=1)
    known = np.asarray(kept.any(axis=1))
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scales[:, None]
    placed = np.where(known[:, None], np.concatenate([moved - half, moved + half], axis=1), boxes).astype(np.float64)
    apart = np.maximum(_APART * np.sqrt((2 * half).prod(axis=1)), FARTHEST_RETURN)
    with np.errstate(invalid="ignore"):
        agree = kept & (np.linalg.norm(unscaled - moved[:, None], axis=2) <= apart[:, None])
    asked = np.isfinite(points).all(axis=2).sum(axis=1)
    return BoxMotion(
        boxes=placed,
        shifts=np.where(known[:, None], moved - middles, 0),
        scales=scales,
        confidences=agree.sum(axis=1) / np.maximum(asked, 1),
    )


def correlation(a: FloatArray, b: FloatArray) -> FloatArray:
    """Normalised correlation of each row of `a` (m, d) and of `b` (m,), -1..1; 0 where one of them is all alike."""
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    product = np.einsum("md,md->m", a, b)
    length = np.sqrt(np.einsum("md,md->m", a, a) * np.einsum("md,md->m", b, b))
    return np.asarray(np.divide(product, length, out=np.zeros_like(product), where=length > 0))


def _lucas_kanade(
    before: ImageArray, after: ImageArray, points: FloatArray, guesses: FloatArray, *, levels: int
) -> tuple[FloatArray, BoolArray]:
    """Where the points (m, 2) are in `after`, looked for from the guesses (m, 2), and which were found (m,)."""
    centre = np.float32(0.5)  # OpenCV counts from the middle of the first pixel
    found, status, _ = cv2.calcOpticalFlowPyrLK(
        before,
        after,
        points[:, None] - centre,
        guesses[:, None] - centre,
        winSize=(WINDOW, WINDOW),
        maxLevel=levels,
        criteria=_STEPS,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return found[:, 0] + centre, status[:, 0] > 0


def _surroundings(grey: ImageArray, points: FloatArray) -> FloatArray:
    """The square around each point (m, _PATCH * _PATCH) float32, between pixels (bilinear)."""
    offsets = np.indices((_PATCH, _PATCH), np.float32).reshape(2, -1) - _PATCH // 2 - np.float32(0.5)
    seen = np.empty((len(points), _PATCH * _PATCH), np.float32)
    for first in range(0, len(points), _ROWS):
        x, y = (points[first : first + _ROWS, axis, None] + offsets[1 - axis] for axis in range(2))
        seen[first : first + _ROWS] = cv2.remap(grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return seen


def _growth(before: FloatArray, after: FloatArray, kept: BoolArray) -> FloatArray:
    """Median ratio of the distances between the points (n, p, 2) of a box, after to before (n,); 1 where unknown."""
    first, second = np.triu_indices(kept.shape[1], 1)
    old = np.linalg.norm(before[:, first] - before[:, second], axis=2)
    new = np.linalg.norm(after[:, first] - after[:, second], axis=2)
    usable = kept[:, first] & kept[:, second] & (old > 0)
    ratios = np.divide(new, old, out=np.ones_like(new), where=usable)
    growth = np.clip(_medians(ratios, usable), *_SCALES)
    return np.where(kept.sum(axis=1) >= _LEAST_POINTS, np.nan_to_num(growth, nan=1.0), 1.0)


def _medians(values: FloatArray, counted: BoolArray) -> FloatArray:
    """Median of those of each row of `values` (n, k) that are `counted` (n, k): (n,) float64, NaN where none is."""
    counts = counted.sum(axis=1)
    if values.shape[1] == 0 or len(values) == 0:
        return np.full(len(values), np.nan)
    ordered = np.sort(np.where(counted, values, np.inf).astype(np.float64), axis=1)
    row = np.arange(len(values))
    middle = (
        ordered[row, np.maximum(counts - 1, 0) // 2] + ordered[row, np.minimum(counts // 2, values.shape[1] - 1)]
    ) / 2
    return np.where(counts > 0, middle, np.nan)
