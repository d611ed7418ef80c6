"""Tracks that walk through a picture of 1000x1000 pixels: what the tests of zones and lines look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from pipeline.analytics.analyst import RuleAnalyst
from pipeline.events import Events
from trackers.structures import Frame, Stage, Tracks

SIDE = 1000  # pixels
START = 1_700_000_000_000_000  # microseconds UTC of time 0
WIDTH, HEIGHT = 20.0, 40.0  # of every box
Place = tuple[float, float]


def frame(time: float, *, width: int = SIDE, height: int = SIDE) -> Frame:
    """A picture without memory, `time` seconds after the start."""
    image = np.broadcast_to(np.zeros((), np.uint8), (height, width, 3))
    return Frame(image, round(time * 1e3), time, START + round(time * 1e6))


def seen(
    feet: Mapping[int, Place],
    *,
    ended: Iterable[int] = (),
    lost: Iterable[int] = (),
    tentative: Iterable[int] = (),
    labels: Mapping[int, int] | None = None,
    size: Place = (WIDTH, HEIGHT),
) -> Tracks:
    """Tracks with the middle of their lower edge at these pixels, by id; others that ended or were lost."""
    gone = {**dict.fromkeys(ended, Stage.ENDED), **dict.fromkeys(lost, Stage.LOST)}
    ids = [*feet, *gone]
    stages = [Stage.TENTATIVE if one in tentative else Stage.CONFIRMED for one in feet] + list(gone.values())
    places = [*feet.values(), *[(0.0, 0.0)] * len(gone)]
    count = len(ids)
    x, y = np.array(places, np.float32).reshape(-1, 2).T
    return Tracks(
        boxes=np.stack([x - size[0] / 2, y - size[1], x + size[0] / 2, y], axis=1).astype(np.float32),
        scores=np.full(count, 0.9, np.float32),
        labels=np.array([(labels or {}).get(one, 0) for one in ids], np.int64),
        ids=np.array(ids, np.int64),
        stages=np.array(stages, np.int8),
        evidence=np.zeros(count, np.int8),
        rows=np.arange(count),
    )


def walk(analyst: RuleAnalyst, path: Sequence[Place], *, step: float = 0.1, begin: float = 0.0, id: int = 1) -> Events:
    """One track along a path, one place every `step` seconds."""
    return Events.concatenate(
        [Events.empty(), *(analyst.update(frame(begin + k * step), seen({id: place})) for k, place in enumerate(path))]
    )


def told(events: Events) -> list[tuple[float, int, str, str, str]]:
    """Seconds since the start, track, rule, kind and direction of each event."""
    columns = (events.at.tolist(), events.ids.tolist(), events.rules, events.kinds, events.directions)
    return [
        ((at - START) / 1e6, track, rule, kind.value, way) for at, track, rule, kind, way in zip(*columns, strict=True)
    ]


def same(one: Events, other: Events) -> bool:
    """Whether two lists of events are equal, NaN to NaN."""
    arrays = ("at", "ids", "labels", "values", "points")
    words = ("rules", "kinds", "directions")
    return all(np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in arrays) and all(
        getattr(one, name) == getattr(other, name) for name in words
    )
