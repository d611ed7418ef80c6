"""Several processes on one store, and processes that are killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import func, select

from pipeline.store.database import open_database
from pipeline.store.tables import Base, Embedding, Media, Observation, RunSource, Track
from tests.conftest import ROOT
from tests.integration.store.writing import CHUNKS


def start(url: str, media: Path, *, begin_at: float = 0.0, name: str = "new") -> subprocess.Popen[str]:
    """A writing process."""
    command = [sys.executable, "-m", "tests.integration.store.writing", url, str(media), str(begin_at), name]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> list[str]:
    """What a process said, once it has ended well."""
    said, complained = process.communicate(timeout=120)
    assert process.returncode == 0, complained
    return said.split()


def counted(url: str) -> dict[str, int]:
    """Rows by table."""
    with open_database(url) as database, database.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in Base.metadata.sorted_tables
        }


def test_processes_that_open_a_new_store_at_once_and_write(url: str, tmp_path: Path) -> None:
    moment = time.time() + 4
    processes = [start(url, tmp_path / "media", begin_at=moment) for _ in range(3)]
    for process in processes:
        assert finish(process)[1:] == [str(first) for first in range(0, CHUNKS * 100, 100)]
    rows = counted(url)
    assert (rows["projects"], rows["models"], rows["sources"], rows["runs"]) == (1, 2, 1, 3)
    assert (rows["tracks"], rows["observations"], rows["media"]) == (3 * 20, 3 * 20 * CHUNKS * 100, 3 * 20)
    assert rows["detection_chunks"] == CHUNKS


def test_a_killed_run_goes_on_as_if_nothing_had_happened(url: str, tmp_path: Path) -> None:
    process = start(url, tmp_path / "media")
    assert process.stdout is not None
    run = process.stdout.readline().strip()
    for _ in range(3):
        assert process.stdout.readline()
    time.sleep(0.03)  # into the fourth or fifth chunk
    process.kill()
    written = 300 + 100 * len(process.communicate()[0].split())
    said = finish(start(url, tmp_path / "media", name=run))
    assert said[0] == run
    assert int(said[1]) in (written, written + 100)  # it may have been killed before it said so
    rows = counted(url)
    assert (rows["runs"], rows["tracks"], rows["objects"], rows["media"]) == (1, 20, 20, 20)
    assert rows["observations"] == 20 * CHUNKS * 100
    with open_database(url) as database, database.read() as connection:
        assert connection.scalars(select(Track.count)).all() == [CHUNKS * 100] * 20
        assert connection.scalar(select(func.count(Observation.frame.distinct()))) == CHUNKS * 100
        kinds = connection.execute(select(Embedding.kind, func.count()).group_by(Embedding.kind)).all()
        assert {tuple(row) for row in kinds} == {("exemplar", 20 * CHUNKS), ("mean", 20)}
        assert connection.scalars(select(RunSource.processed)).all() == [CHUNKS * 100]
        for path in connection.scalars(select(Media.path)):
            assert (tmp_path / "media" / path).is_file()
