"""Adaptive: the detector looks where motion nobody explains, or tracks in doubt ask for it; else flow carries them."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.schedule import CELLS, Verdict
from trackers.structures import BoolArray, Frame, ImageArray, State

FORMAT = 3  # version of to_arrays(), and of what the verdicts beside it tell
_SAMPLES = 2  # pixels of a cell that are looked at along each side, at least
_NOISE = 4  # cells that differ without anything moving
_NOBODY = 16.0  # cells of an object where no track tells how large objects are
_ROUNDING = 1e-6  # seconds; times of frames are rounded
_STATE = (
    "_looked_at",
    "_shape",
    "_seen",
    "_occupied",
)


class Adaptive:
    """Looks at the first frame, and then at one where

    - so much time has passed since the last look (`heartbeat_seconds`), whatever is seen, or pictures are missing;
    - the picture differs from that of the last look, beyond where tracks were then or are now, in at least the share
      `newcomer` of what a typical track covers: something new is there, or the camera moves;
    - something differs at all, and the tracks are a crowd, or the last look that is known of missed too many of them;
    - something differs at all, and the tracks' verdict, if it was given after the last look, says not to wait longer.

    But never sooner than `least_seconds` after the last look. Pictures are compared as CELLS x CELLS means. The state
    of the tracker is known with a fixed lag, so nothing depends on how threads run.
    """

    def __init__(self, *, heartbeat_seconds: float, least_seconds: float, difference: float, newcomer: float) -> None:
        """`difference`: of grey levels (0..255) from which on a cell has changed."""
        self._heartbeat, self._least = heartbeat_seconds, least_seconds
        self._difference, self._newcomer = difference, newcomer
        self._looked_at = np.array(-np.inf)  # seconds, of the last frame that was looked at
        self._shape = np.zeros(2, np.int64)  # height and width of its picture
        self._seen = np.zeros((CELLS, CELLS), np.uint8)  # its picture
        self._occupied = np.zeros((CELLS, CELLS), dtype=bool)  # where tracks were then

    def wants(self, frame: Frame, verdict: Verdict | None = None) -> bool:
        """See Schedule. Raises ValueError without a verdict."""
        if verdict is None:
            raise ValueError("an adaptive schedule needs the tracker's verdicts")
        cells = picture_cells(frame.image)
        changed = cv2.absdiff(cells, self._seen) >= self._difference
        wanted = self._due(frame) or self._asked(frame, verdict, changed)
        if wanted:
            self._looked_at, self._shape = np.array(frame.time), np.array(frame.image.shape[:2])
            self._seen, self._occupied = cells, verdict.occupied
        return wanted

    def to_arrays(self) -> State:
        """See Schedule."""
        return {name.strip("_"): getattr(self, name).copy() for name in _STATE} | {"format": np.array(FORMAT)}

    def from_arrays(self, state: State) -> None:
        """See Schedule."""
        if int(state.get("format", 0)) != FORMAT:
            raise ValueError("the frames so far were not chosen by this adaptive schedule; start the run again")
        for name in _STATE:
            setattr(self, name, state[name.strip("_")].copy())

    def _due(self, frame: Frame) -> bool:
        """Whether it looks, whatever is to be seen."""
        resized = frame.image.shape[:2] != tuple(self._shape.tolist())
        return self._since(frame) >= self._heartbeat or frame.gap is not None or resized

    def _since(self, frame: Frame) -> float:
        """Seconds since the last look."""
        return frame.time - float(self._looked_at) + _ROUNDING

    def _asked(self, frame: Frame, verdict: Verdict, changed: BoolArray) -> bool:
        """Whether the picture or the tracks ask for a look."""
        since = self._since(frame)
        if since < self._least:
            return False
        unexplained = changed & ~verdict.occupied & ~self._occupied
        if np.count_nonzero(unexplained) >= max(self._newcomer * (verdict.size or _NOBODY), _NOISE):
            return True
        moves = bool(np.count_nonzero(changed) >= _NOISE)
        if (verdict.crowd or verdict.missed) and moves:
            return True
        if verdict.time < self._looked_at or since < verdict.wait:  # the last look may have settled an older verdict
            return False
        return verdict.wait == 0 or moves


def picture_cells(image: ImageArray) -> ImageArray:
    """Mean greens of the cells (CELLS, CELLS) of a picture (height, width, 3); in large ones of some of the pixels."""
    step = max(1, min(image.shape[:2]) // (_SAMPLES * CELLS))
    green = np.ascontiguousarray(image[::step, ::step, 1])
    return np.asarray(cv2.resize(green, (CELLS, CELLS), interpolation=cv2.INTER_AREA), np.uint8)
