"""Seen: where an object was in one source, and which part of that a clip shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.clips.outlines import outlines
from pipeline.errors import SourceError
from pipeline.store.footage_queries import FootageRow
from pipeline.store.rows import ObservationTable
from trackers.structures import Evidence, FloatArray, IntArray, Masks, Stage, Tracks

MARGIN = 1_000_000  # microseconds shown before the first and after the last observation of a clip
SAME = 1_000  # microseconds; a frame's time may differ by so much from an observation's
SAME_RECORDED = 15_000  # a stamp of a camera that was repaired is as it came in the recording
NEAR_RECORDED = 100_000  # a picture is looked for so far around an observation of a camera


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Where an object was in one source, in order of time. Row i of every column is the same observation."""

    footage: FootageRow
    name: str  # of the object, as written on pictures
    at: IntArray  # (n,) int64 microseconds UTC
    frames: IntArray  # (n,) int64
    boxes: FloatArray  # (n, 4) float32 x1 y1 x2 y2, pixels
    scores: FloatArray  # (n,) float32
    evidence: IntArray  # (n,) int8 Evidence
    local_ids: IntArray  # (n,) int64
    masks: tuple[bytes | None, ...]  # n, for store.mask_rle.decode; all None where nobody draws them

    def __len__(self) -> int:
        return len(self.at)

    def near(self, at: int) -> int:
        """The observation nearest to a moment."""
        return int(np.abs(self.at - at).argmin())

    def around(self, row: int) -> tuple[int, int]:
        """From when to when the picture of an observation is looked for, microseconds UTC."""
        reach = NEAR_RECORDED if self.footage.is_camera else SAME
        return int(self.at[row]) - reach, int(self.at[row]) + reach

    def at_frame(self, at: int, *, scale: float) -> tuple[Tracks, Masks, list[int]]:
        """What is drawn on the frame of a moment, the masks by `Tracks.rows`, and the observations whose mask is
        damaged and thus left out.

        `scale`: of the picture; boxes and masks become as large.
        """
        same = SAME_RECORDED if self.footage.is_camera else SAME
        first, end = np.searchsorted(self.at, (at - same, at + same + 1)).tolist()
        _, once = np.unique(self.local_ids[first:end], return_index=True)
        rows = first + once
        count = len(rows)
        masks, damaged = outlines([self.masks[row] for row in rows.tolist()], scale=scale)
        tracks = Tracks(
            boxes=(self.boxes[rows] * scale).astype(np.float32),
            scores=self.scores[rows],
            labels=np.zeros(count, np.int64),
            ids=self.local_ids[rows],
            stages=np.full(count, Stage.CONFIRMED, np.int8),
            evidence=self.evidence[rows],
            rows=np.arange(count),
        )
        return tracks, masks, rows[damaged].tolist()


def seen_in(
    footage: FootageRow,
    table: ObservationTable,
    *,
    name: str,
    local_ids: dict[int, int],
    masks: Sequence[bytes | None] | None = None,
) -> Seen:
    """The rows of one source. `local_ids`: the numbers of the tracks by their rows. `masks`: of the table's rows."""
    rows = table.run_source_ids == footage.run_source_id
    return Seen(
        footage=footage,
        name=name,
        at=table.at[rows],
        frames=table.frames[rows],
        boxes=table.boxes[rows],
        scores=table.scores[rows],
        evidence=table.evidence[rows],
        local_ids=np.array([local_ids.get(track, 0) for track in table.track_ids[rows].tolist()], np.int64),
        masks=tuple(None if masks is None else masks[row] for row in np.flatnonzero(rows).tolist()),
    )


def row_to_show(table: ObservationTable, sources: Collection[int], at: int | None) -> int | None:
    """The observation in one of some sources (their run_source_id) that is nearest to a moment; None without any.

    `at`: microseconds UTC; None for the detection with the highest score.
    """
    allowed = np.flatnonzero(np.isin(table.run_source_ids, list(sources)))
    if not len(allowed):
        return None
    if at is not None:
        return int(allowed[np.abs(table.at[allowed] - at).argmin()])
    detected = table.evidence[allowed] == Evidence.DETECTED
    return int(allowed[(table.scores[allowed] + detected).argmax()])


def window(
    seen: Seen, best: int, *, most: int, from_at: int | None = None, to_at: int | None = None
) -> tuple[int, int]:
    """From when to when a clip goes, microseconds UTC.

    All that was seen, with a margin. Of what is longer than `most` microseconds the part around the moment `best`
    with the most observations. `from_at`, `to_at`: wanted by the caller. Raises SourceError for a span that is none,
    or is too long.
    """
    if from_at is not None or to_at is not None:
        return _wanted(seen, from_at, to_at, most)
    first, last = int(seen.at[0]), int(seen.at[-1])
    if last - first > most:
        starts = seen.at[(seen.at >= best - most) & (seen.at <= best)]
        counts = np.searchsorted(seen.at, starts + most, side="right") - np.searchsorted(seen.at, starts)
        off_centre = np.abs(starts + most // 2 - best)
        first = int(starts[np.lexsort((off_centre, -counts))[0]])
        last = first + most
    return first - MARGIN, last + MARGIN


def _wanted(seen: Seen, from_at: int | None, to_at: int | None, most: int) -> tuple[int, int]:
    start = int(seen.at[0]) - MARGIN if from_at is None else from_at
    end = int(seen.at[-1]) + MARGIN if to_at is None else to_at
    if end <= start:
        raise SourceError("the clip would end before it begins; give from < to, in microseconds")
    if end - start > most + 2 * MARGIN:
        raise SourceError(f"a clip has at most {most / 1e6:g} s; give from and to that lie closer together")
    return start, end
