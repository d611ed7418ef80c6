"""Sources that are opened again: once for all who ask at the same time, anew when the file has changed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.clips.originals import Originals
from pipeline.errors import GoneError
from pipeline.sources.fingerprint import fingerprint_file
from pipeline.store.footage_queries import FootageRow
from tests.clips import write_clip


@pytest.fixture
def row(tmp_path: Path) -> FootageRow:
    path = write_clip(tmp_path / "a.mp4")
    return FootageRow(1, uuid4(), uuid4(), "file", "a.mp4", str(path), fingerprint_file(path), 0, None)


def test_many_at_once_open_it_once(row: FootageRow) -> None:
    originals = Originals()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: originals.open(row), range(8)))
    assert len({id(one) for one in found}) == 1


def test_a_touched_file_is_looked_at_again(row: FootageRow) -> None:
    originals = Originals()
    first = originals.open(row)
    os.utime(row.path, (0, 0))
    assert originals.open(row) is not first
    Path(row.path).write_bytes(b"something else")
    with pytest.raises(GoneError, match="has changed"):
        originals.open(row)
    Path(row.path).unlink()
    with pytest.raises(GoneError, match="no longer at"):
        originals.open(row)
