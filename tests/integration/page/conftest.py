"""A finished run over one clip, and a gallery of many tracks without pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import insert, select

from pipeline.config import load_settings
from pipeline.runs import Run
from pipeline.sinks.h264_file import H264File
from pipeline.store import tables
from pipeline.store.database import Database, open_database
from pipeline.synthetic.scene import Scene

NASTY = "<img src=x onerror=document.title='hacked'>${document.title='hacked'} {{value}}.mp4"


@dataclass(frozen=True)
class Stored:
    """A finished run over one clip with a name that tries to be a program."""

    folder: Path
    tracks: int

    @property
    def database(self) -> Path:
        return self.folder / "sightline.db"

    @property
    def clip(self) -> Path:
        return self.folder / NASTY


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """Not to be changed: `stored` is a copy for one test."""
    folder = tmp_path_factory.mktemp("page")
    scene = Scene(8.0, size=(480, 270), fps=20.0, seed=5)
    with H264File(folder / "clip.mp4", fps=scene.fps) as video:
        for index in range(len(scene)):
            video.write(scene.frame(index).image, index / scene.fps)
    clip = (folder / "clip.mp4").rename(folder / NASTY)
    overrides = [f"store.database={folder / 'sightline.db'}", "embedder.backend=colour"]
    outcome = Run([str(clip)], load_settings("motion", overrides)).execute()
    assert outcome.tracks >= 3
    return Stored(folder, outcome.tracks)


@pytest.fixture
def stored(recorded: Stored, tmp_path: Path) -> Stored:
    """A store of the test's own. Its source stays where the run has read it."""
    folder = tmp_path / "stored"
    shutil.copytree(recorded.folder, folder)
    return Stored(folder, recorded.tracks)


@pytest.fixture
def database(stored: Stored) -> Iterator[Database]:
    with open_database(stored.database) as database:
        yield database


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Database]:
    """60 tracks without run or picture; the n-th lasts n seconds and has score n / 100."""
    with open_database(tmp_path / "crowd.db") as database:
        with database.write() as connection:
            project = connection.scalar(select(tables.Project.id))
            rows = [
                {
                    "public_id": uuid4(),
                    "project_id": project,
                    "class_name": "person" if n % 2 else "car",
                    "score_max": n / 100,
                    "first_at": n * 1_000_000,
                    "last_at": 2 * n * 1_000_000,
                    "verdict": "confirmed" if n < 10 else None,
                }
                for n in range(60)
            ]
            connection.execute(insert(tables.Object), rows)
        yield database
