"""Which clips show a track."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import numpy as np

from pipeline.page.clip_parts import ClipPart, clip_parts, why_gone
from pipeline.store.footage_queries import FootageRow
from pipeline.store.rows import ObservationTable

SECOND = 1_000_000


def test_a_clip_begins_with_a_frame_a_second_before() -> None:
    """25 frames/s: the frame at 10.0 - 25 * 0.04 = 9.0 s is the first one from `from_at` on."""
    table = seen({1: np.arange(10 * SECOND, 12 * SECOND, 40_000)})
    assert clip_parts(table, {1: footage(1)}) == [ClipPart(9 * SECOND - 1000, 11_960_000 + SECOND)]


def test_a_clip_begins_where_its_source_does() -> None:
    table = seen({1: np.arange(300_000, 2 * SECOND, 40_000)})
    (part,) = clip_parts(table, {1: footage(1)})
    assert part.from_at == 300_000 - 7 * 40_000 - 1000


def test_a_long_track_has_several_clips_that_leave_nothing_out() -> None:
    at = np.arange(100 * SECOND, 260 * SECOND, 500_000)
    parts = clip_parts(seen({1: at}), {1: footage(1)})
    assert len(parts) == 3
    assert all(part.to_at - part.from_at <= 62 * SECOND for part in parts)
    assert all(any(part.from_at <= one <= part.to_at for part in parts) for one in at)


def test_each_source_has_its_own_clip_and_a_deleted_one_has_none() -> None:
    table = seen({2: np.array([5 * SECOND]), 1: np.array([20 * SECOND]), 3: np.array([40 * SECOND])})
    parts = clip_parts(table, {1: footage(1), 2: footage(2)})
    assert [part.from_at for part in parts] == [5 * SECOND - 1000, 20 * SECOND - 1000]
    assert clip_parts(seen({}), {}) == []


def test_why_there_is_no_clip(tmp_path: Path) -> None:
    there = tmp_path / "gate.mp4"
    there.touch()
    gone, here = footage(1, path="/nowhere/gate.mp4"), footage(2, path=str(there))
    assert why_gone({1: gone}) == "gate.mp4 is no longer at /nowhere/gate.mp4."
    assert why_gone({1: gone, 2: here}) is None
    assert why_gone({}) == "Its source was deleted from the store."
    assert why_gone({1: footage(1, fingerprint="")}) == "gate.mp4 is a stream: what it showed was not kept."


def footage(key: int, *, path: str = "/videos/gate.mp4", fingerprint: str = "abc") -> FootageRow:
    one = UUID(int=key)
    return FootageRow(key, one, one, "file", "gate.mp4", path, fingerprint, 0, None)


def seen(of_source: dict[int, np.ndarray]) -> ObservationTable:
    at = np.concatenate([np.zeros(0, np.int64), *of_source.values()]).astype(np.int64)
    sources = np.concatenate([np.zeros(0, np.int64), *(np.full(len(one), key) for key, one in of_source.items())])
    order = np.argsort(at, kind="stable")
    zeros = np.zeros(len(at), np.int64)
    boxes, scores = np.zeros((len(at), 4), np.float32), np.zeros(len(at), np.float32)
    return ObservationTable(
        at[order], zeros, boxes, scores, zeros.astype(np.int8), zeros, sources[order].astype(np.int64), zeros
    )
