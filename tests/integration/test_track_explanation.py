"""Why a stored track was found, by the networks that its run names."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import cv2
import numpy as np
import pytest
from sqlalchemy import Connection, select

from pipeline import build
from pipeline.config import DetectorSettings, Settings, SourceSettings, load_settings
from pipeline.errors import BusyError, ConfigError, GoneError, StoreError
from pipeline.outputs import Outputs
from pipeline.run_record import MODELS, run_record
from pipeline.store.database import Database, open_database
from pipeline.store.filters import Scope
from pipeline.store.tables import Run
from pipeline.store.writer import RunWriter
from pipeline.track_explanation import TrackExplainer
from tests.fakes import make_frame
from tests.integration.store.examples import RUN
from trackers.structures import Frame

WALKER = np.array([295, 205, 367, 346], np.float32)  # in frame 20 of TUD-Campus


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "store.db") as opened:
        yield opened


def begin(store: Database, settings: Settings) -> tuple[Scope, UUID]:
    """A stored run with these settings."""
    record = run_record(settings, build.detector(settings.detector), build.embedder(settings.embedder), Outputs())
    return begun(store, record.settings)


def begun(store: Database, kept: dict[str, Any]) -> tuple[Scope, UUID]:
    """A stored run of which this is kept."""
    run = uuid4()
    RunWriter.begin(store, replace(RUN, settings=kept), media_folder=Path("nowhere"), public_id=run)
    with store.read() as connection:
        project = connection.scalars(select(Run.project_id).where(Run.public_id == run)).one()
    return Scope((project,)), run


@pytest.fixture
def frame(shared: Path) -> Frame:
    with build.source(str(shared / "data/mot15/TUD-Campus/video.mp4"), SourceSettings(), first_frame=20) as source:
        return next(iter(source))


def test_the_networks_of_the_run_explain(store: Database, frame: Frame) -> None:
    networks = ("detector.weights=bundled:person-vehicle-bicycle", "embedder.weights=bundled:person-reid")
    scope, run = begin(store, load_settings(None, [*networks, "detector.precision=f32", "detector.light.gamma=auto"]))
    explainer = TrackExplainer(store)
    drawn = cv2.imdecode(np.frombuffer(explainer.explain(frame, WALKER, scope, run=run), np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    assert min(drawn.shape[:2]) > 300
    with pytest.raises(ConfigError, match="sees no object"):
        explainer.explain(frame, np.array([0, 0, 20, 20], np.float32), scope, run=run)


def test_another_network_in_the_place_of_the_runs_own_is_refused(store: Database, frame: Frame, tmp_path: Path) -> None:
    weights = tmp_path / "walkers.onnx"
    shutil.copy(DetectorSettings(weights="bundled:person-vehicle-bicycle").weights or "", weights)
    scope, run = begin(store, load_settings(None, [f"detector.weights={weights}", "embedder.backend=colour"]))
    explainer = TrackExplainer(store)
    before = explainer.networks(scope, run=run)
    weights.write_bytes(weights.read_bytes() + b"\x32\x00")  # an empty description more: it runs as before
    with pytest.raises(
        GoneError, match=r"the run's walkers \(sha256 [0-9a-f]{12}\) has been replaced by another network"
    ):
        explainer.explain(frame, WALKER, scope, run=run)
    assert explainer.networks(scope, run=run) == before  # they are the run's, whatever lies there


def test_runs_with_other_networks_are_told_apart(store: Database) -> None:
    explainer, keys = TrackExplainer(store), []
    for sha256 in ("0" * 64, "1" * 64, "1" * 64):
        kept = {"detector": {"weights": "a.onnx"}, MODELS: {"detect": ["a", "1", sha256, "none"]}}
        scope, run = begun(store, kept)
        keys.append(explainer.networks(scope, run=run))
    assert keys[0] != keys[1] == keys[2]


def test_a_run_that_does_not_say_what_its_networks_were_is_refused(store: Database, frame: Frame) -> None:
    networks = {"detector": {"weights": "bundled:person-vehicle-bicycle"}, "embedder": {"backend": "colour"}}
    scope, run = begun(store, networks)
    with pytest.raises(GoneError, match="does not say which network its person-vehicle-bicycle was"):
        TrackExplainer(store).explain(frame, WALKER, scope, run=run)


class _AsksMeanwhile:
    """A database that, while it looks up a run for an explanation, asks for another one."""

    def __init__(self, store: Database) -> None:
        self._store = store
        self.ask: Callable[[], bytes] | None = None

    def read(self, doing: str) -> AbstractContextManager[Connection]:
        assert self.ask is not None
        with pytest.raises(BusyError, match="another explanation is being drawn; try again"):
            self.ask()
        return self._store.read(doing)


def test_while_one_is_drawn_another_is_not(store: Database) -> None:
    asking = _AsksMeanwhile(store)
    explainer = TrackExplainer(cast(Database, asking))
    asking.ask = lambda: explainer.explain(make_frame(0), WALKER, Scope((1,)), run=uuid4())
    for _ in range(2):  # after the first one, which fails, the next has its turn
        with pytest.raises(StoreError, match="there is no run"):
            asking.ask()


def test_a_run_of_another_project_is_none(store: Database) -> None:
    with pytest.raises(StoreError, match="there is no run"):
        TrackExplainer(store).explain(make_frame(0), WALKER, Scope((1,)), run=uuid4())


def test_a_run_without_a_detector_says_so(store: Database) -> None:
    RunWriter.begin(store, RUN, media_folder=Path("nowhere"))
    with store.read() as connection:
        run, project = connection.execute(select(Run.public_id, Run.project_id)).one()
    with pytest.raises(StoreError, match="the run says nothing of a detector"):
        TrackExplainer(store).explain(make_frame(0), WALKER, Scope((project,)), run=run)
