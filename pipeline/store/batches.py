"""Long lists of ids, cut to what one IN (...) may hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

BATCH = 5000  # databases bound the number of parameters: SQLite 32766, PostgreSQL 65535


def batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """The same ids in the same order, at most BATCH at a time; nothing for none."""
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
