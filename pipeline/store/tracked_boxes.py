"""TrackedBoxes: where the tracks of one source were, as columns; what exports, text files and comparisons read."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from trackers.structures import FloatArray, Index, IntArray


@dataclass(frozen=True, slots=True, eq=False)
class TrackedBoxes:
    """Confirmed tracks of some frames. Row i of every column is the same box; an id occurs once in a frame."""

    frames: IntArray  # (n,) int64 Frame.index, from 0
    seconds: FloatArray  # (n,) float64 since the source's first frame, exact to the microsecond
    at: IntArray  # (n,) int64 microseconds UTC
    ids: IntArray  # (n,) int64 from 1
    labels: IntArray  # (n,) int64 index into the names that come with the table
    scores: FloatArray  # (n,) float32 0..1
    evidence: IntArray  # (n,) int8 Evidence
    boxes: FloatArray  # (n, 4) float32 x1 y1 x2 y2, pixels
    det_rows: IntArray  # (n,) int64 row of the frame's detections, -1 if none
    masks: tuple[bytes | None, ...]  # n, for store.mask_rle.decode

    def __post_init__(self) -> None:
        if self.boxes.shape != (len(self.frames), 4):
            raise ValueError(f"boxes must be ({len(self.frames)}, 4), got {self.boxes.shape}")
        for field in fields(self):
            if len(getattr(self, field.name)) != len(self.frames):
                raise ValueError(f"{field.name} has {len(getattr(self, field.name))} rows, frames {len(self.frames)}")

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: Index) -> Self:
        rows = np.arange(len(self))[index]
        columns = {field.name: getattr(self, field.name)[rows] for field in fields(self) if field.name != "masks"}
        return type(self)(**columns, masks=tuple(self.masks[row] for row in rows))

    @classmethod
    def empty(cls) -> Self:
        """No box."""
        none, real = np.zeros(0, np.int64), np.zeros(0, np.float32)
        evidence = np.zeros(0, np.int8)
        return cls(none, np.zeros(0), none, none, none, real, evidence, np.zeros((0, 4), np.float32), none, ())


def name_of(names: tuple[str, ...], label: int) -> str:
    """What a label is called; one beyond the names goes by its number."""
    return names[label] if 0 <= label < len(names) else str(label)
