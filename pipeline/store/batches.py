"""Long lists of ids, cut to what one IN (...) may hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

BATCH = 5000  # databases bound the number of parameters: SQLite 32766, PostgreSQL 65535

_Id = TypeVar("_Id")


def batches(ids: Sequence[_Id]) -> Iterator[Sequence[_Id]]:
    """The same ids in the same order, at most BATCH at a time; nothing for none."""
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
