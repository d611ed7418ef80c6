"""The data that flows through Sightline: Frame, Detections, Tracks, and what a tracker is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from typing import Any, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]
ComplexArray = npt.NDArray[np.complexfloating[Any]]
BoolArray = npt.NDArray[np.bool_]
ImageArray = npt.NDArray[np.uint8]
Index = BoolArray | IntArray | slice
State = dict[str, npt.NDArray[Any]]  # what to_arrays() returns and from_arrays() takes

FARTHEST = 1e9  # pixels; no image is wider, and areas up to here fit into float32


class Stage(IntEnum):
    """Where a track is in its life."""

    TENTATIVE = 0  # seen, not yet long enough to be believed
    CONFIRMED = 1  # believed and located in this frame
    LOST = 2  # believed, not located in this frame
    ENDED = 3  # gone for good; reported once


# As plain numbers: comparing a column with a member of an enumeration takes numpy several times longer.
TENTATIVE, CONFIRMED = int(Stage.TENTATIVE), int(Stage.CONFIRMED)
LOST, ENDED = int(Stage.LOST), int(Stage.ENDED)


class Evidence(IntEnum):
    """Why a track's box in this frame is where it is."""

    DETECTED = 0  # a detection was matched
    FLOW = 1  # carried by optical flow
    TARGET = 2  # carried by a target tracker
    SHADOWED = 3  # predicted while another track covers it
    PREDICTED = 4  # predicted by the motion model alone
    INTERPOLATED = 5  # on the line between where the track was before and where it is after


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without pictures: a camera was away, or a file is damaged. Never filled with invented frames."""

    from_at: int  # microseconds since 1970-01-01 UTC: the last picture before, or when one was first asked for
    to_at: int  # the first picture after
    reason: str  # in words, free of secrets

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.to_at - self.from_at) / 1e6


class Undeveloped(Protocol):
    """A picture that is made when somebody looks at it; of many frames nobody does."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and 3, as it will be."""

    @property
    def image(self) -> ImageArray:
        """The picture; made once, safe in any thread."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded picture and when it was taken."""

    picture: ImageArray | Undeveloped  # as the source gives it; `image` is what it shows
    index: int  # position in the source, from 0; skips what could not be decoded. Of a camera: frames taken so far
    time: float  # seconds since the source's first frame, strictly increasing within (run, source)
    at: int  # time of capture, microseconds since 1970-01-01 UTC
    stream: int = 0  # which of the run's streams
    session: int = 0  # counts the connections of a stream; always 0 for a file
    pts: int | None = None  # presentation time stamp as the container had it, in units of time_base
    time_base: Fraction | None = None  # seconds per unit of pts
    gap: Gap | None = None  # what is missing between the frame before and this one

    @property
    def image(self) -> ImageArray:
        """(height, width, 3) blue green red; upright (rotation metadata already applied)."""
        return self.picture if isinstance(self.picture, np.ndarray) else self.picture.image

    @property
    def height(self) -> int:
        """Pixels."""
        return int(self.picture.shape[0])

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.picture.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """Binary masks as crops, never as full frames. Row i of both fields is the same object."""

    origins: IntArray  # (n, 2) x y of each crop's top left corner, pixels
    crops: tuple[BoolArray, ...]  # n arrays of (height_i, width_i)

    def __post_init__(self) -> None:
        if self.origins.shape != (len(self.crops), 2):
            raise ValueError(f"origins must be ({len(self.crops)}, 2), got {self.origins.shape}")

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, index: Index) -> Self:
        rows = np.arange(len(self.crops))[index]
        return type(self)(self.origins[rows], tuple(self.crops[row] for row in rows))

    def full(self, height: int, width: int) -> BoolArray:
        """Paste into (n, height, width). For drawing and tests: n full frames are large."""
        canvas = np.zeros((len(self), height, width), dtype=bool)
        for plane, (x, y), crop in zip(canvas, self.origins, self.crops, strict=True):
            top, left = max(0, -y), max(0, -x)
            visible = crop[top : max(0, height - y), left : max(0, width - x)]
            plane[y + top : y + top + visible.shape[0], x + left : x + left + visible.shape[1]] = visible
        return canvas


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Objects seen in one frame. Row i of every column is the same object."""

    boxes: FloatArray  # (n, 4) float32 x1 y1 x2 y2, pixels
    scores: FloatArray  # (n,) float32 0..1
    labels: IntArray  # (n,) int64 index into the model's class names
    features: FloatArray | None = None  # (n, d) float32, unit length; a row of NaN where the object is not described
    masks: Masks | None = None

    def __post_init__(self) -> None:
        _check_columns(self)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Index) -> Self:
        return _select(self, index)

    @property
    def usable(self) -> BoolArray:
        """Rows that describe something: finite numbers, positive area, within what an image could be (n,)."""
        finite = (np.abs(self.boxes) <= FARTHEST).all(axis=1) & np.isfinite(self.scores)
        return np.asarray(finite & (self.boxes[:, 2:] > self.boxes[:, :2]).all(axis=1))

    @classmethod
    def empty(cls, *, dimension: int | None = None) -> Self:
        """No object. `dimension`: length of the (absent) feature vectors, None for no feature column."""
        features = None if dimension is None else np.zeros((0, dimension), np.float32)
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), features)


@dataclass(frozen=True, slots=True, eq=False)
class Tracks:
    """The tracker's view of one frame. Row i of every column is the same track; an id occurs at most once."""

    boxes: FloatArray  # (n, 4) float32 x1 y1 x2 y2, pixels
    scores: FloatArray  # (n,) float32 0..1, score of the last matched detection
    labels: IntArray  # (n,) int64 index into the model's class names
    ids: IntArray  # (n,) int64 from 1, unique within (run, source), never reused
    stages: IntArray  # (n,) int8 Stage
    evidence: IntArray  # (n,) int8 Evidence
    rows: IntArray  # (n,) int64 row of the matched detection in this frame, -1 if none

    def __post_init__(self) -> None:
        _check_columns(self)

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: Index) -> Self:
        return _select(self, index)

    @property
    def confirmed(self) -> Self:
        """The tracks that are believed and located in this frame: what users see and sinks store."""
        return self[self.stages == CONFIRMED]

    @classmethod
    def empty(cls) -> Self:
        """No track."""
        return cls(
            boxes=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            labels=np.zeros(0, np.int64),
            ids=np.zeros(0, np.int64),
            stages=np.zeros(0, np.int8),
            evidence=np.zeros(0, np.int8),
            rows=np.zeros(0, np.int64),
        )


class MultiObjectTracker(Protocol):
    """Gives the objects of one stream lasting ids. One instance a stream; frames in order."""

    def update(
        self,
        detections: Detections,
        seconds: float,
        *,
        image: ImageArray | None = None,
        camera_motion: FloatArray | None = None,
        gap: float = 0.0,
    ) -> Tracks:
        """Take one frame's detections.

        `seconds`: the frame's time, strictly increasing. `image`: the frame, for trackers that look at it.
        `camera_motion`: (2, 3) affine map of pixel positions in the previous frame to this one. `gap`: seconds without
        pictures just before this frame, infinite where the frame before shows something else (another size); a track
        that is unseen for longer than the tracker waits for one ends with it, as if there had been frames meanwhile.
        Returns every living track and, once, each one that ended.
        """

    def carry(
        self,
        seconds: float,
        *,
        image: ImageArray | None = None,
        camera_motion: FloatArray | None = None,
        gap: float = 0.0,
    ) -> Tracks:
        """Take a frame that no detector looked at: located tracks stay located, where they are seen or predicted.

        Everything else as in `update`; nothing begins, and only what a gap outlasts ends.
        """

    def to_arrays(self) -> State:
        """Everything needed to go on from here, as arrays."""

    def from_arrays(self, state: State) -> None:
        """Go on from a state saved by `to_arrays`."""


def joined(parts: Mapping[str, State]) -> State:
    """The states of several parts of a tracker as one, in which each array's name begins with its part's."""
    return {f"{name}.{key}": array for name, state in parts.items() for key, array in state.items()}


def part_of(state: State, name: str) -> State:
    """The state of one part; the inverse of `joined`."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): array for key, array in state.items() if key.startswith(prefix)}


def _check_columns(table: Detections | Tracks) -> None:
    count = len(table.boxes)
    if table.boxes.shape != (count, 4):
        raise ValueError(f"boxes must be (n, 4), got {table.boxes.shape}")
    for name in table.__dataclass_fields__:
        column = getattr(table, name)
        if column is not None and len(column) != count:
            raise ValueError(f"{name} has {len(column)} rows, boxes {count}")


_Table = TypeVar("_Table", bound=Detections | Tracks)


def _select(table: _Table, index: Index) -> _Table:
    columns: dict[str, Any] = {}
    for name in table.__dataclass_fields__:
        column: Any = getattr(table, name)
        columns[name] = None if column is None else column[index]
    return type(table)(**columns)
