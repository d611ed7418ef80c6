"""A real run over one clip, and the HTTP application over a copy of its store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest

from pipeline.api.app import make_app
from pipeline.api.services import Limits, Services
from pipeline.config import load_settings
from pipeline.runs import Run
from pipeline.sinks.h264_file import H264File
from pipeline.store.database import Database, open_database
from pipeline.store.filters import ObjectOrder, Scope, scope_of
from pipeline.store.queries import page_objects
from pipeline.store.rows import ObjectRow
from pipeline.store.search import SimilarityIndex
from pipeline.synthetic.scene import Scene
from tests.fakes import FakePictures, FakeRunControl
from tests.integration.api.serving import asking, serving


@dataclass(frozen=True)
class Recording:
    """A clip of a plaza, and a folder with the store of a finished run over it."""

    clip: Path
    folder: Path


@dataclass
class Site:
    """A store of a test's own and what the application over it is made of."""

    folder: Path
    clip: Path
    database: Database
    runs: FakeRunControl = field(default_factory=FakeRunControl)
    pictures: FakePictures = field(default_factory=lambda: FakePictures(np.zeros(0, np.float32)))

    @property
    def media(self) -> Path:
        return self.folder / "media"

    def services(
        self, *, password: str | None = None, host: str = "127.0.0.1", limits: Limits | None = None
    ) -> Services:
        return Services(
            database=self.database,
            media_folder=self.media,
            runs=self.runs,
            similarity=SimilarityIndex(self.database),
            pictures=self.pictures,
            password=password,
            host=host,
            limits=limits or Limits(login_hosts=None),
        )

    def scope(self) -> Scope:
        with self.database.read() as connection:
            return scope_of(connection, ["default"])

    def objects(self) -> list[ObjectRow]:
        """Every track, the longest first."""
        with self.database.read() as connection:
            return page_objects(scope_of(connection, ["default"]), connection, order=ObjectOrder.LONGEST)


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("recording")
    scene = Scene(8.0, size=(480, 270), fps=20.0, seed=5)
    clip = folder / "plaza.mp4"
    with H264File(clip, fps=scene.fps) as video:
        for index in range(len(scene)):
            video.write(scene.frame(index).image, index / scene.fps)
    overrides = [f"store.database={folder / 'store' / 'sightline.db'}", "embedder.backend=colour"]
    outcome = Run([str(clip)], load_settings("motion", overrides)).execute()
    assert outcome.tracks >= 3
    return Recording(clip, folder / "store")


@pytest.fixture
def site(recording: Recording, tmp_path: Path) -> Iterator[Site]:
    """The clip and its store, copied: a test may change both."""
    folder = tmp_path / "store"
    shutil.copytree(recording.folder, folder)
    with open_database(folder / "sightline.db") as database:
        yield Site(folder, recording.clip, database)


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    """The application on this machine, without a password."""
    with serving(make_app(site.services())) as address, asking(address) as client:
        yield client
