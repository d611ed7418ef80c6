"""What both engines do with a frame between detector and sinks: outline, describe, track, watch zones and lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from pipeline.events import Analyst, Events
from pipeline.models.base import Embedder, Segmenter
from trackers.doubts import DoubtfulTracker, Doubts
from trackers.partial import features_among, masks_among
from trackers.structures import BoolArray, Detections, Frame, Masks, MultiObjectTracker, State, Tracks

ANALYTICS = "analytics."  # prefix of the analyst's arrays in a stream's state

_Item = TypeVar("_Item")


class Follower:
    """Follows the objects of one stream: its tracker, then what watches its zones and lines.

    `analyst` may be exchanged at any time, from any thread; the new one takes over with the next frame.
    """

    def __init__(self, tracker: MultiObjectTracker, analyst: Analyst | None = None) -> None:
        self.analyst = self._watching = analyst
        self._tracker = tracker
        self._doubtful = tracker if isinstance(tracker, DoubtfulTracker) else None
        self._size: tuple[int, int] | None = None  # height and width of the picture before

    def doubts(self, frame: Frame, detections: Detections) -> Doubts | None:
        """What the tracker is unsure of in the frame that `update` is given next; None where it cannot say."""
        if self._doubtful is None:
            return None
        return self._doubtful.doubts(detections, frame.time, gap=self._gap(frame))

    def update(self, frame: Frame, detections: Detections | None) -> tuple[Tracks, Events]:
        """Take a frame; None where no detector looked at it."""
        tracks = self.track(frame, detections)
        return tracks, self.watch(frame, tracks)

    def track(self, frame: Frame, detections: Detections | None) -> Tracks:
        """The tracker's part of `update`.

        After a change of the picture's size no track goes on: its boxes would mean something else.
        """
        gap = self._gap(frame)
        self._size = frame.height, frame.width
        if detections is None:
            return self._tracker.carry(frame.time, image=frame.image, gap=gap)
        return self._tracker.update(detections, frame.time, image=frame.image, gap=gap)

    def breaks(self, frame: Frame) -> bool:
        """Whether something is missing between the frame that was tracked last and this one."""
        return self._gap(frame) > 0

    def watch(self, frame: Frame, tracks: Tracks) -> Events:
        """The other part of `update`: what the tracks did at zones and lines. Every frame, in order."""
        earlier, wanted = self._watching, self.analyst
        if wanted is not earlier:
            if wanted is not None and earlier is not None:
                wanted.take_over(earlier)
            self._watching = wanted
        return Events.empty() if wanted is None else wanted.update(frame, tracks)

    def to_arrays(self) -> State:
        """Everything needed to go on from here: the tracker's arrays, and the analyst's after ANALYTICS."""
        watched = {} if self._watching is None else self._watching.to_arrays()
        return self._tracker.to_arrays() | {ANALYTICS + name: array for name, array in watched.items()}

    def _gap(self, frame: Frame) -> float:
        """Seconds without pictures before a frame, see MultiObjectTracker."""
        if self._size not in (None, (frame.height, frame.width)):
            return np.inf
        return 0.0 if frame.gap is None else max(0.0, frame.gap.seconds)


def outline(
    segmenter: Segmenter | None,
    frames: Sequence[Frame],
    detections: Sequence[Detections],
    rows: Sequence[BoolArray] | None = None,
) -> list[Detections]:
    """The detections (one a frame) with their masks; as they are without a segmenter.

    `rows`: those (m,) of each frame that it looks at; None for all.
    Where it sees nothing of a box, or does not look, the mask that the detector gave stays.
    """
    if segmenter is None or not frames:
        return [*detections]
    masks = segmenter.segment(frames, _parts(detections, rows))
    if rows is not None:
        masks = [masks_among(some, asked, len(asked)) for some, asked in zip(masks, rows, strict=True)]
    return [replace(found, masks=_either(some, found.masks)) for found, some in zip(detections, masks, strict=True)]


def describe(
    embedder: Embedder | None,
    frames: Sequence[Frame],
    detections: Sequence[Detections],
    rows: Sequence[BoolArray] | None = None,
) -> list[Detections]:
    """The detections (one a frame) with their features; as they are without an embedder. `rows`: as for `outline`."""
    if embedder is None or not frames:
        return [*detections]
    features = embedder.embed(frames, _parts(detections, rows))
    if rows is not None:
        features = [features_among(some, asked, len(asked)) for some, asked in zip(features, rows, strict=True)]
    return [replace(found, features=some) for found, some in zip(detections, features, strict=True)]


def rounds(items: Sequence[_Item], stream: Callable[[_Item], int]) -> Iterator[list[_Item]]:
    """The items in order, in groups in which no stream comes twice."""
    group: dict[int, _Item] = {}
    for item in items:
        if stream(item) in group:
            yield [*group.values()]
            group = {}
        group[stream(item)] = item
    if group:
        yield [*group.values()]


def _parts(detections: Sequence[Detections], rows: Sequence[BoolArray] | None) -> Sequence[Detections]:
    return detections if rows is None else [found[some] for found, some in zip(detections, rows, strict=True)]


def _either(masks: Masks, others: Masks | None) -> Masks:
    if others is None:
        return masks
    seen = np.array([bool(crop.any()) for crop in masks.crops], bool)
    origins = np.where(seen[:, None], masks.origins, others.origins)
    pairs = zip(seen.tolist(), masks.crops, others.crops, strict=True)
    return Masks(origins, tuple(own if here else other for here, own, other in pairs))
