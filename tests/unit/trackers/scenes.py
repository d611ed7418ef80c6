"""Small scenes for trackers: detections written in one line, and walkers on straight paths."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from hypothesis import strategies as st

from trackers.structures import Detections, FloatArray, MultiObjectTracker, Tracks

Box = tuple[float, float, float, float]  # x1 y1 x2 y2


def see(
    *boxes: Box,
    scores: float | Sequence[float] = 0.9,
    labels: int | Sequence[int] = 0,
    features: Sequence[Sequence[float]] | None = None,
) -> Detections:
    """Detections of these boxes."""
    count = len(boxes)
    return Detections(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.broadcast_to(np.asarray(scores, np.float32), (count,)).copy(),
        labels=np.broadcast_to(np.asarray(labels, np.int64), (count,)).copy(),
        features=None if features is None else np.array(features, np.float32).reshape(count, -1),
    )


def person(x: float, y: float = 100.0, *, width: float = 40.0, height: float = 100.0) -> Box:
    """A standing person's box around the point x, y."""
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def watch(tracker: MultiObjectTracker, frames: Sequence[Detections], *, fps: float, start: float = 0.0) -> list[Tracks]:
    """What a tracker says of each frame."""
    return [tracker.update(frame, start + index / fps) for index, frame in enumerate(frames)]


def random_walk(seed: int, frames: int, *, objects: int = 6, dimension: int | None = None) -> Iterator[Detections]:
    """Walkers on straight paths, seen with noise, with varied scores and gaps, among a few false boxes."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform((100, 100), (900, 500), (objects, 2))
    velocity = rng.normal(0, 4, (objects, 2))
    size = rng.uniform((30, 70), (60, 160), (objects, 2))
    looks = _unit(rng.normal(size=(objects, dimension or 1)))
    for _ in range(frames):
        centre = centre + velocity
        seen = rng.random(objects) < 0.85
        false = int(rng.integers(0, 3))
        middle = np.concatenate([centre[seen] + rng.normal(0, 1.5, (seen.sum(), 2)), rng.uniform(0, 900, (false, 2))])
        sides = np.concatenate([size[seen] * rng.normal(1, 0.02, (seen.sum(), 2)), rng.uniform(20, 90, (false, 2))])
        near = looks[seen] + rng.normal(0, 0.1, (seen.sum(), looks.shape[1]))
        features = _unit(np.concatenate([near, rng.normal(size=(false, looks.shape[1]))]))
        yield Detections(
            boxes=np.concatenate([middle - sides / 2, middle + sides / 2], axis=1).astype(np.float32),
            scores=rng.uniform(0.05, 1, len(middle)).astype(np.float32),
            labels=np.zeros(len(middle), np.int64),
            features=features.astype(np.float32) if dimension else None,
        )


def assert_same(ours: Tracks, theirs: Tracks) -> None:
    """Equal to the last bit, in every column."""
    for name in ("boxes", "scores", "labels", "ids", "stages", "evidence", "rows"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


def _unit(vectors: FloatArray) -> FloatArray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


@st.composite
def boxes(draw: st.DrawFn, *, least: int = 0, most: int = 6) -> FloatArray:
    """Up to `most` boxes (n, 4) float64 with sides of 1 to 200 px, on quarters of pixels so that sums are exact."""
    quarter = st.integers(-4000, 4000).map(lambda number: number / 4)
    side = st.integers(4, 800).map(lambda number: number / 4)
    rows = draw(st.lists(st.tuples(quarter, quarter, side, side), min_size=least, max_size=most))
    return np.array([(x, y, x + width, y + height) for x, y, width, height in rows], np.float64).reshape(-1, 4)
