"""`sightline cameras`: the table, and what is asked of a service from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import ConfigError, SightlineError, StoreError
from pipeline.sources.feed import CameraState
from pipeline.store.camera_rows import CameraTold, tell_cameras
from pipeline.store.database import Database, open_database
from pipeline.store.states import CameraOrigin, CameraWish, RunStatus
from tests.integration.api.watching import Watched, watch


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A SQLite file."""
    with open_database(tmp_path / "watch.db") as opened:
        yield opened


@pytest.fixture
def watched(database: Database, tmp_path: Path) -> Watched:
    """A service of this process with the cameras gate and yard."""
    return watch(database, tmp_path / "media")


def asked(tmp_path: Path, *words: str) -> Result:
    """`sightline cameras WORDS...`; raises what the command raised on purpose."""
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["cameras", *words, "--database", str(tmp_path / "watch.db")])
    if isinstance(done.exception, SightlineError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done


def test_the_table_and_its_json(watched: Watched, tmp_path: Path) -> None:
    shown = asked(tmp_path).output
    assert "gate" in shown
    assert "live" in shown
    assert "it was away" in shown
    assert "not running" not in shown
    told = json.loads(asked(tmp_path, "--json").output)
    assert told["service"] == {"run": str(watched.writer.public_id), "alive": True, "status": "running"}
    gate, yard = told["cameras"]
    assert (gate["name"], gate["state"], gate["error"]) == ("gate", "live", "it was away")
    assert gate["status"]["fps_processed"] == 14.5
    assert (yard["state"], yard["source"]) == ("connecting", None)


def test_a_dead_service_is_said_to_be_dead(watched: Watched, tmp_path: Path) -> None:
    watched.writer.finish_run(RunStatus.FAILED, error="it broke")
    assert "the service is not running (failed)" in asked(tmp_path).output
    assert json.loads(asked(tmp_path, "--json").output)["service"]["alive"] is False
    with pytest.raises(StoreError, match="no service is at work"):
        asked(tmp_path, "pause", "gate")
    with pytest.raises(StoreError, match="no service is at work"):
        asked(tmp_path, "add", "lane", "rtsp://10.0.0.9/x")


def test_a_camera_is_added_paused_resumed_and_removed(watched: Watched, tmp_path: Path) -> None:
    asked(tmp_path, "add", "lane", "rtsp://10.0.0.9/x", "--secret", "lane", "--set", "max_fps=5")
    lane = watched.camera("lane")
    assert lane.settings == {"url": "rtsp://10.0.0.9/x", "secret": "lane", "max_fps": 5.0}
    assert (lane.origin, lane.wanted) == (CameraOrigin.ADDED, CameraWish.RUN)
    for verb, wish in (("pause", CameraWish.PAUSE), ("resume", CameraWish.RUN), ("remove", CameraWish.REMOVE)):
        assert "lane" in asked(tmp_path, verb, "lane").output
        assert watched.camera("lane").wanted is wish
    tell_cameras(watched.database, [CameraTold(lane.public_id, CameraState.ENDED, 0, "", {})])
    assert "lane" not in asked(tmp_path).output


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (["add", "gate", "rtsp://10.0.0.9/x"], ConfigError, "there is a camera 'gate' already"),
        (["add", "a/b", "rtsp://10.0.0.9/x"], ConfigError, "camera name 'a/b'"),
        (["add", "lane", "rtsp://u:geheim@10.0.0.9/x"], ConfigError, "holds a password"),
        (["add", "lane", "rtsp://10.0.0.9/x", "--set", "max_fp=5"], ConfigError, "did you mean 'max_fps'"),
        (["pause", "nobody"], StoreError, "there is no camera 'nobody'; there are: gate, yard"),
    ],
)
def test_what_cannot_be_asked(
    watched: Watched, tmp_path: Path, words: list[str], kind: type[SightlineError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        asked(tmp_path, *words)
    assert "geheim" not in str(caught.value)
    assert {watched.camera(name).wanted for name in ("gate", "yard")} == {CameraWish.RUN}


def test_before_the_first_service(database: Database, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there was no service yet; start one with: sightline watch"):
        asked(tmp_path)
    assert database.name
