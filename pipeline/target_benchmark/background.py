"""What is behind a target: taken from other pictures of the clip, or else from beside it, and fitted in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from trackers.camera_motion import CameraMotion
from trackers.geometry import warp_boxes
from trackers.structures import BoolArray, FloatArray, ImageArray

_REACH = 90  # frames before and after, from which a background may be taken
_STEP = 3  # frames between those that are looked at
_TRIED = 5  # of them for a picture: the nearest in time
_SEARCH = 3  # pixels by which what the camera's motion says is put right
_RING = 8  # pixels around what is hidden, by which a background is judged
_BLOCKS = 4  # parts of each side of it
_FITS = 10.0  # grey values: a picture of another time that is off by no more around the target shows what is behind it
_MIRRORED = 2.0  # so many times better must a mirror image fit than another place
_STRANGER = 40.0  # grey values; where two pictures differ by more, one shows a thing that the other does not
_FEATHER = 3  # pixels


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of whole pixels; right and bottom are not counted."""

    left: int
    top: int
    right: int
    bottom: int

    def grown(self, by: int) -> Region:
        """With a margin on all sides."""
        return Region(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def moved(self, right: int, down: int) -> Region:
        """Elsewhere."""
        return Region(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def within(self, width: int, height: int) -> bool:
        """Whether all of it is in the picture."""
        return self.left >= 0 and self.top >= 0 and self.right <= width and self.bottom <= height

    def meets(self, other: Region) -> bool:
        """Whether they share a pixel."""
        across = min(self.right, other.right) > max(self.left, other.left)
        return across and min(self.bottom, other.bottom) > max(self.top, other.top)

    def mask(self, width: int, height: int) -> BoolArray:
        """(height, width), True inside."""
        inside = np.zeros((height, width), bool)
        inside[max(self.top, 0) : max(self.bottom, 0), max(self.left, 0) : max(self.right, 0)] = True
        return inside


class Backgrounds:
    """Takes a target out of the pictures of a clip."""

    def __init__(self, pictures: Sequence[ImageArray], regions: Sequence[Region]) -> None:
        """`regions`: what the target takes up in each picture, its shadow too."""
        self._pictures, self._regions = pictures, regions
        self._height, self._width = pictures[0].shape[:2]
        self._known: dict[int, tuple[tuple[slice, slice], FloatArray]] = {}  # see `_surroundings`

    def without(self, frames: range) -> Iterator[ImageArray]:
        """The pictures of these frames without the target."""
        way = self._way(frames)
        shift = self._best_shift(sorted({frames[0], frames[len(frames) // 2], frames[-1]}))
        for frame in frames:
            beside = None if shift is None else self._beside(frame, shift)
            yield self._fitted(frame, self._earlier(frame, way), self._mirrored(frame) if beside is None else beside)

    def _way(self, frames: range) -> dict[int, FloatArray]:
        """Maps (3, 3) of positions in pictures around these to the first of them, as far as the camera is known."""
        first, last = max(0, frames[0] - _REACH), min(len(self._pictures), frames[-1] + 1 + _REACH)
        camera = CameraMotion(model="affine")
        steps: dict[int, FloatArray | None] = {}  # from the picture before
        for frame in range(first, last):
            region = self._regions[frame]
            box = np.array([[region.left, region.top, region.right, region.bottom]], np.float64)
            moved = np.concatenate([camera.update(self._pictures[frame], box), [[0, 0, 1]]])
            steps[frame] = moved if camera.known else None
        way: dict[int, FloatArray] = {frames[0]: np.eye(3)}
        for frame in range(frames[0] + 1, last):
            step = steps[frame]
            if step is None:
                break
            way[frame] = way[frame - 1] @ np.linalg.inv(step)
        for frame in range(frames[0] - 1, first - 1, -1):
            step = steps[frame + 1]
            if step is None:
                break
            way[frame] = way[frame + 1] @ step
        return way

    def _earlier(self, frame: int, way: Mapping[int, FloatArray]) -> list[ImageArray]:
        """What pictures of other times show behind the target, as the camera of this one would see it."""
        if frame not in way:
            return []
        near = sorted((one for one in way if one % _STEP == 0), key=lambda one: abs(one - frame))
        found: list[ImageArray] = []
        for source in near:
            affine = (np.linalg.inv(way[frame]) @ way[source])[:2]
            if len(found) < _TRIED and self._shows(source, frame, affine):
                found.append(self._warped(source, frame, affine))
        return found

    def _shows(self, source: int, frame: int, affine: FloatArray) -> bool:
        """Whether a picture shows what is behind the target of another, and the target not there."""
        wanted, moved = self._regions[frame], self._regions[source]
        size = np.array([[wanted.left, wanted.top, wanted.right, wanted.bottom]], np.float64)
        needed = np.clip(size, 0, np.tile([self._width, self._height], 2))
        there = warp_boxes(needed, np.linalg.inv(np.concatenate([affine, [[0, 0, 1]]]))[:2])[0]
        there += np.array([-1, -1, 1, 1]) * (_RING + _SEARCH)
        inner = np.clip(there, 0, np.tile([self._width, self._height], 2))
        outside = float(np.abs(there - inner).max())
        place = Region(*(int(value) for value in there))
        return outside <= _RING + _SEARCH + 1 and not place.meets(moved)

    def _warped(self, source: int, frame: int, affine: FloatArray) -> ImageArray:
        """A picture as the camera of another would see it, put right by whole pixels around what is hidden."""
        size = (self._width, self._height)
        pixels = affine.copy()  # positions of pixels: the middle of the first one is 0, 0
        pixels[:, 2] += affine[:, :2] @ [0.5, 0.5] - 0.5
        ring, picture = self._ring(frame), self._pictures[frame]
        rows, columns = np.nonzero(ring)
        true = picture[rows, columns].astype(np.int16)
        warped = np.asarray(cv2.warpAffine(self._pictures[source], pixels, size, borderMode=cv2.BORDER_REPLICATE))
        best, least = (0, 0), np.inf
        for down in range(-_SEARCH, _SEARCH + 1):
            for right in range(-_SEARCH, _SEARCH + 1):
                at = np.clip(rows + down, 0, self._height - 1), np.clip(columns + right, 0, self._width - 1)
                error = float(np.minimum(np.abs(true - warped[at]), _STRANGER).mean())
                if error < least:
                    best, least = (down, right), error
        pixels[:, 2] -= best[::-1]
        return np.asarray(
            cv2.warpAffine(
                self._pictures[source], pixels, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
            ),
            np.uint8,
        )

    def _best_shift(self, keys: Sequence[int]) -> tuple[int, int] | None:
        """The shift by which what is beside the target fits best; None where none fits as well as a mirror image."""
        region = self._regions[keys[0]]
        wide, high = region.right - region.left, region.bottom - region.top
        mirrored = [self._strangeness(key, self._mirrored(key)) for key in keys]
        best, least = None, _MIRRORED * float(np.mean(mirrored))
        for down in np.linspace(-2.5, 2.5, 21) * high:
            for right in np.linspace(-2.5, 2.5, 21) * wide:
                shift = round(right), round(down)
                errors = []
                for key in keys:
                    beside = self._beside(key, shift)
                    if beside is None:
                        break
                    errors.append(self._strangeness(key, beside))
                if len(errors) == len(keys) and np.mean(errors) < least:
                    best, least = shift, float(np.mean(errors))
        return best

    def _beside(self, frame: int, shift: tuple[int, int]) -> ImageArray | None:
        """The picture shifted; None where that shows the target or what is outside of the picture."""
        region = self._regions[frame]
        place = region.grown(_RING).moved(*shift)
        clipped = Region(
            max(region.left - _RING, 0) + shift[0],
            max(region.top - _RING, 0) + shift[1],
            min(region.right + _RING, self._width) + shift[0],
            min(region.bottom + _RING, self._height) + shift[1],
        )
        if place.meets(region) or not clipped.within(self._width, self._height):
            return None
        affine = np.array([[1, 0, -shift[0]], [0, 1, -shift[1]]], np.float64)
        return np.asarray(cv2.warpAffine(self._pictures[frame], affine, (self._width, self._height)), np.uint8)

    def _mirrored(self, frame: int) -> ImageArray:
        """What is left and right of the target, mirrored at its sides; in its middle one goes over into the other."""
        picture, region = self._pictures[frame], self._regions[frame]
        left, right = max(region.left, 0), min(region.right, self._width)
        columns = np.arange(left, right)
        at_left, at_right = 2 * left - 1 - columns, 2 * right - columns
        share = np.clip((columns - left + 0.5) / max(1, right - left) * 3 - 1, 0, 1)  # over the middle third
        share = np.where(at_left < 0, 1.0, share)
        share = np.where(at_right >= self._width, np.where(at_left < 0, share, 0.0), share)[None, :, None]
        made = picture.astype(np.float32)
        mirrored = (1 - share) * made[:, np.maximum(at_left, 0)]
        mirrored += share * made[:, np.minimum(at_right, self._width - 1)]
        made[:, left:right] = mirrored
        return np.asarray(made.round(), np.uint8)

    def _ring(self, frame: int) -> BoolArray:
        region = self._regions[frame]
        size = (self._width, self._height)
        return np.asarray(region.grown(_RING).mask(*size) & ~region.mask(*size))

    def _error(self, frame: int, background: ImageArray) -> float:
        """How badly a background fits around what is hidden, grey values: by mean and spread of each part of the ring.

        Not pixel by pixel: leaves beside leaves fit, though no smooth patch differs from leaves as much.
        """
        region = self._regions[frame].grown(_RING)
        ring = self._ring(frame)
        rows = np.linspace(max(region.top, 0), min(region.bottom, self._height), _BLOCKS + 1).astype(int)
        columns = np.linspace(max(region.left, 0), min(region.right, self._width), _BLOCKS + 1).astype(int)
        errors = []
        for top, bottom in itertools.pairwise(rows):
            for left, right in itertools.pairwise(columns):
                part = slice(top, bottom), slice(left, right)
                if ring[part].any():
                    true, other = self._pictures[frame][part][ring[part]], background[part][ring[part]]
                    errors.append(np.abs(true.mean(axis=0) - other.mean(axis=0)).mean())
                    errors.append(np.abs(true.std(axis=0) - other.std(axis=0)).mean())
        return float(np.mean(errors))

    def _strangeness(self, frame: int, background: ImageArray) -> float:
        """How badly what is not behind the target would stand for it: does it fit, and are there other things in it."""
        part, known = self._surroundings(frame)
        other = cv2.resize(background[part].astype(np.float32), (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)
        return 2 * self._error(frame, background) + float(np.abs(known - other).mean())

    def _surroundings(self, frame: int) -> tuple[tuple[slice, slice], FloatArray]:
        """Where the target is, and what is around it spread over that: means of parts, so leaves are no things."""
        if frame not in self._known:
            region = self._regions[frame]
            inside = region.mask(self._width, self._height)
            smooth = _spread(self._pictures[frame].astype(np.float32), self._ring(frame), inside)
            rows = slice(max(region.top, 0), min(region.bottom, self._height))
            columns = slice(max(region.left, 0), min(region.right, self._width))
            means = cv2.resize(smooth[rows, columns], (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)
            self._known[frame] = (rows, columns), np.asarray(means)
        return self._known[frame]

    def _fitted(self, frame: int, earlier: Sequence[ImageArray], beside: ImageArray) -> ImageArray:
        """The picture with what fits best in place of the target."""
        picture = self._pictures[frame]
        fitting = [one for one in earlier if self._error(frame, one) <= _FITS]  # what is really there, if there is any
        options = fitting or [*earlier, beside]
        chosen = min(options, key=lambda one: self._strangeness(frame, one))
        size = (self._width, self._height)
        inside = self._regions[frame].mask(*size)
        background = chosen.astype(np.float32)
        difference = picture.astype(np.float32) - background
        alike = self._ring(frame) & (np.abs(difference).max(axis=2) < _STRANGER)
        if alike.any():
            background += _spread(difference, alike, inside)
        share = cv2.blur(inside.astype(np.float32), (2 * _FEATHER + 1,) * 2)[..., None]
        share = np.where(inside[..., None], 1.0, share)  # nothing of the target shines through
        mixed = share * background + (1 - share) * picture
        return np.asarray(np.clip(mixed, 0, 255).round(), np.uint8)


def _spread(values: FloatArray, ring: BoolArray, inside: BoolArray) -> FloatArray:
    """Values (height, width, 3) of the ring spread smoothly over the inside.

    A mean weighted by nearness (normalised convolution, Knutsson & Westin 1993), in place of Poisson's equation
    (Pérez et al. 2003), which asks that the region lie within the picture.
    """
    rows, columns = np.nonzero(inside)
    sigma = max(2.0, 0.25 * min(np.ptp(rows) + 1, np.ptp(columns) + 1))
    part = (
        slice(max(0, rows.min() - _RING), rows.max() + 1 + _RING),
        slice(max(0, columns.min() - _RING), columns.max() + 1 + _RING),
    )
    weights = ring[part].astype(np.float32)
    least = 1e-6  # far from the ring, weights come to nothing
    border = cv2.BORDER_CONSTANT
    known = cv2.GaussianBlur(values[part] * weights[..., None], (0, 0), sigma, borderType=border)
    total = cv2.GaussianBlur(weights, (0, 0), sigma, borderType=border)
    mean = values[ring].mean(axis=0)
    spread = np.zeros_like(values)
    spread[part] = (known + least * mean) / (total[..., None] + least)
    return spread
