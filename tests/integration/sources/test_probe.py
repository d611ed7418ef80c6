"""`sightline probe` says what a camera sends, or in one line why nothing came, and never a password."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import SightlineError
from tests.clips import write_clip
from tests.integration.rtsp_server import Mount, RtspServer, ffmpeg
from tests.integration.web_streams import Mjpeg, WebServer, folder_server
from tests.promptness import allowed

PASSWORD = "p@s:s/w?o#rd"
RUNNER = CliRunner()


def test_what_it_says(lawn: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "gate.png"
    with RtspServer({"gate": Mount(lawn)}, user="me", password=PASSWORD) as server:
        words = ["probe", server.url("gate"), "--seconds", "2", "--secret", "front gate", "--snapshot", str(snapshot)]
        done = RUNNER.invoke(app, [*words, "--json"], env={"SIGHTLINE_SECRET_FRONT_GATE": f"me:{PASSWORD}"})
        assert done.exit_code == 0, done.output
        typed = server.url("gate").replace("://", f"://me:{PASSWORD}@")
        table = RUNNER.invoke(app, ["probe", typed, "--seconds", "0.5", "--hardware", "vaapi"])
    found = json.loads(done.stdout)
    assert found["uri"] == server.url("gate")
    assert (found["codec"], found["width"], found["height"], found["transport"]) == ("h264", 480, 360, "tcp")
    assert found["declared_fps"] == 15
    assert found["delivered_fps"] == pytest.approx(15, abs=allowed(1))
    assert 0 < found["first_frame_seconds"] < allowed(5)
    assert 1.7 < found["seconds"] < allowed(2.3)
    assert (found["damaged"], found["ended"]) == (0, None)
    assert found["bits_per_second"] > 100_000
    assert cv2.imread(str(snapshot)).shape == (360, 480, 3)
    assert table.exit_code == 0, table.output
    assert "480x360" in table.output
    assert "vaapi" in table.output
    for told in (done.output, table.output):
        assert PASSWORD not in told
        assert "p%40s" not in told


def failure(*words: str) -> str:
    """The one line that `sightline probe WORDS...` would print; its exit code is 2 for every such error."""
    done = RUNNER.invoke(app, ["probe", "--seconds", "1", *words], env={"SIGHTLINE_SECRET_GATE": f"me:{PASSWORD}x"})
    assert isinstance(done.exception, SightlineError), done.output
    assert PASSWORD not in str(done.exception)
    return str(done.exception)


def test_why_nothing_came(lawn: Path, tmp_path: Path) -> None:
    tone = tmp_path / "tone.mp4"
    ffmpeg("-f", "lavfi", "-i", "sine=440:duration=20", "-c:a", "aac", tone)
    with RtspServer({"gate": Mount(lawn), "tone": Mount(tone, "aac")}) as server:
        assert "404" in failure(server.url("door"))
        assert "no video" in failure(server.url("tone"))
    assert "refused" in failure(server.url("gate"))
    with RtspServer({"gate": Mount(lawn)}, user="me", password=PASSWORD) as server:
        assert "`secret`" in failure(server.url("gate"))
        assert "`secret`" in failure(server.url("gate"), "--secret", "gate")
        wrong = failure(server.url("gate").replace("://", "://me:hush@"))
        assert "`secret`" in wrong
        assert "hush" not in wrong
    (tmp_path / "page.html").write_text("<html>" + "no video " * 100)
    with folder_server(tmp_path) as server:
        assert "no video" in failure(f"{server.url}/page.html")
    with WebServer(Mjpeg(user="me", password=PASSWORD)) as server:
        assert "`secret`" in failure(server.url, "--secret", "gate")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["/nowhere.mp4"], "there is no file"),
        (["/dev/video99"], "no device"),
        (["/dev/null"], "no camera"),
        (["ftp://h/a"], "is not read"),
        (["rtsp://camera.invalid/a"], "is not known"),
        (["rtsp://127.0.0.1:9/a", "--secret", "yard"], "SIGHTLINE_SECRET_YARD"),
        (["rtsp://127.0.0.1:9/a", "--snapshot", "a.gif"], ".jpg or .png"),
        (["rtsp://127.0.0.1:9/a", "--snapshot", "/nowhere/a.png"], "no folder"),
    ],
)
def test_bad_words(words: list[str], reason: str) -> None:
    assert reason in failure(*words)


def test_a_short_file(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", count=5, fps=10)
    done = RUNNER.invoke(app, ["probe", str(clip), "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["frames"], found["transport"], found["ended"]) == (5, "file", "the file is through")
