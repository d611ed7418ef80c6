"""Crop files that no row knows: found by name and age, never those of a store that shares the folder."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import OutputError, StoreError
from pipeline.store.database import Database, open_database
from pipeline.store.leftovers import UPLOAD_AGE, Leftover, find_leftovers, find_old_uploads, remove_leftovers
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, RUN, START, VIDEO, chunk

OLD = 7200.0  # seconds


def fill(database: Database, media: Path) -> None:
    """Two crops, written long ago."""
    writer = RunWriter.begin(database, RUN, media_folder=media)
    writer.register_model(DETECTOR)
    part = writer.add_source(VIDEO)
    writer.add_session(part, 0, started_at=START)
    writer.write_chunk(part, chunk(0, 10, crop_quality=0.5))
    for path in media.rglob("*.jpg"):
        age(path)


def age(path: Path, seconds: float = OLD) -> None:
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def stray(media: Path, name: str, *, old: bool = True) -> Path:
    path = media / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"12345")
    if old:
        age(path)
    return path


@pytest.fixture
def media(tmp_path: Path) -> Path:
    return tmp_path / "media"


def read_by_a_run(database: Database, media: Path, address: str) -> None:
    writer = RunWriter.begin(database, RUN, media_folder=media)
    writer.add_source(replace(VIDEO, uri_redacted=address, fingerprint=address))


def test_old_uploads_that_no_run_reads(database: Database, media: Path, tmp_path: Path) -> None:
    """One was read where the folder was before it moved, one by a store beside this one."""
    kept, moved, shared, lost, broken, young = (
        stray(media, f"uploads/{number}{number}/{name}", old=False)
        for number, name in enumerate(["a.mp4", "b.mp4", "c.mp4", "d.mp4", ".part", "e.mp4"])
    )
    for path in (kept, moved, shared, lost, broken, stray(media, "uploads/notes.txt")):
        age(path, UPLOAD_AGE + 60)
    age(young, UPLOAD_AGE - 60)
    read_by_a_run(database, media, str(kept))
    read_by_a_run(database, media, "/elsewhere/uploads/11/b.mp4")
    with open_database(tmp_path / "beside.db") as neighbour:
        read_by_a_run(neighbour, media, str(shared))
    found = find_old_uploads(database, media)
    assert {one.path for one in found} == {lost, broken}
    remove_leftovers(found)
    assert sorted(path.name for path in (media / "uploads").iterdir()) == ["00", "11", "22", "55", "notes.txt"]
    assert find_old_uploads(database, media) == []
    assert find_old_uploads(database, tmp_path / "nothing") == []


def test_only_what_nobody_knows(database: Database, media: Path) -> None:
    fill(database, media)
    lost = stray(media, "crops/ab/ab12.jpg")
    part = stray(media, "crops/ab/.ab12.0000.part")
    for name in ("crops/ab/notes.txt", "clips/ab/ab12.jpg", "preview/run.jpg"):
        stray(media, name)
    stray(media, "crops/cd/cd34.jpg", old=False)  # a run may be about to write its row
    found = find_leftovers(database, media)
    assert sorted(found, key=lambda one: one.path) == [Leftover(part, 5), Leftover(lost, 5)]
    steps: list[tuple[int, int]] = []
    remove_leftovers(found, told=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 2), (2, 2)]
    assert find_leftovers(database, media) == []
    assert len(list(media.rglob("*.*"))) == 2 + 4
    assert len(find_leftovers(database, media, min_age=0)) == 1


def test_without_a_folder_there_is_nothing(database: Database, media: Path) -> None:
    media.mkdir()
    assert find_leftovers(database, media) == []


def test_stores_beside_the_folder_keep_their_crops(database: Database, media: Path) -> None:
    """Two SQLite files in one folder share the folder of crops."""
    with open_database(media.parent / "other.db") as other:
        fill(other, media)
        assert len(list(media.rglob("*.jpg"))) == 2
        assert find_leftovers(database, media) == []
        lost = stray(media, "crops/ab/ab12.jpg")
        assert [one.path for one in find_leftovers(database, media)] == [lost]
        assert [one.path for one in find_leftovers(other, media)] == [lost]


def test_other_files_beside_the_folder_say_nothing(database: Database, media: Path) -> None:
    lost = stray(media, "crops/ab/ab12.jpg")
    (media.parent / "notes.db").write_text("no database at all")
    with sqlite3.connect(media.parent / "program.db") as foreign:
        foreign.execute("CREATE TABLE things (id INTEGER)")
    foreign.close()
    assert [one.path for one in find_leftovers(database, media)] == [lost]


def test_a_store_that_cannot_be_asked_stops_it(database: Database, media: Path) -> None:
    stray(media, "crops/ab/ab12.jpg")
    (media.parent / "broken.db").write_bytes(b"SQLite format 3\x00" + b"x" * 2000)
    with pytest.raises(StoreError, match=r"broken\.db may know crops"):
        find_leftovers(database, media)


def test_a_file_that_has_to_stay(media: Path) -> None:
    folder = media / "crops" / "ab" / "folder.jpg"
    folder.mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot delete"):
        remove_leftovers([Leftover(folder, 0)])
