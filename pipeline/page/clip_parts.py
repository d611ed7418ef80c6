"""ClipParts: which clips show a track, and why there may be none."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.store.footage_queries import FootageRow
from pipeline.store.rows import ObservationTable
from trackers.structures import IntArray

LONGEST = 60_000_000  # microseconds of a part, without its margins
MARGIN = 1_000_000  # microseconds shown before the first and after the last observation
_SAME = 1_000  # microseconds by which a frame's time may differ from an observation's


@dataclass(frozen=True, slots=True)
class ClipPart:
    """A clip of a track in one source. Its first frame is the first one from `from_at` on."""

    from_at: int  # microseconds UTC
    to_at: int


def clip_parts(table: ObservationTable, footage: Mapping[int, FootageRow]) -> list[ClipPart]:
    """The clips that show a track, in order of time: one for each source it was seen in, several where that is long.

    `footage`: by run_source_id; sources that are not in it have no clip.
    """
    parts: list[ClipPart] = []
    for key in np.unique(table.run_source_ids).tolist():
        if key in footage:
            at = table.at[table.run_source_ids == key]
            parts += _parts(at, begin=_beginning(at, footage[key]))
    return sorted(parts, key=lambda part: part.from_at)


def why_gone(footage: Mapping[int, FootageRow], recorded: Collection[int] = ()) -> str | None:
    """Why none of the sources can be looked at again; None where one can be tried.

    `recorded`: run_source_ids of cameras that were recorded at the time that is wanted.
    """
    reasons = [_why_gone(row) for row in footage.values() if row.run_source_id not in recorded]
    reasons += [None for key in footage if key in recorded]
    if not reasons:
        return "Its source was deleted from the store."
    told = [reason for reason in reasons if reason is not None]
    return told[0] if len(told) == len(reasons) else None


def as_json(parts: Sequence[ClipPart]) -> list[list[Any]]:
    """For the script: [from_at, to_at] of each."""
    return [[part.from_at, part.to_at] for part in parts]


def _parts(at: IntArray, *, begin: int) -> list[ClipPart]:
    """`at`: rising. `begin`: of the first part."""
    parts = []
    first = 0
    while first < len(at):
        end = int(np.searchsorted(at, at[first] + LONGEST, side="right"))
        margin = MARGIN if end == len(at) else 0
        parts.append(ClipPart(begin if first == 0 else int(at[first]) - _SAME, int(at[end - 1]) + margin))
        first = end
    return parts


def _beginning(at: IntArray, footage: FootageRow) -> int:
    """Just before the frame that comes a margin before the first observation, so that the clip begins with it.

    A script that knows the time of the first frame knows that of every moment of the clip.
    """
    step = int(np.median(np.diff(at))) if len(at) > 1 else 0
    before = min(MARGIN, int(at[0]) - (footage.start_at if footage.start_at is not None else int(at[0])))
    whole = before // step * step if step > 0 else 0
    return int(at[0]) - max(whole, 0) - _SAME


def _why_gone(row: FootageRow) -> str | None:
    if row.is_camera:
        return f"{row.name} is a camera, and nothing was recorded at that time, or it is gone by now."
    if row.start_at is None or not row.fingerprint:
        return f"{row.name} is a stream: what it showed was not kept."
    if not Path(row.path).exists():
        return f"{row.name} is no longer at {row.path}."
    return None
