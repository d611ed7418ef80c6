"""What a cameras file may say, and where its paths lead."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.watch.cameras_file import load_watch_settings

TWO = """
detector: {backend: motion}
secrets_file: secrets.yaml
store: {database: data/cameras.db, media: /srv/media}
cameras:
  gate: {url: "rtsp://10.0.0.4/stream", secret: gate}
  yard: {url: yard.mp4, loop: true}
  door: {url: /dev/video0}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "cameras.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_meant_from_the_files_folder(tmp_path: Path) -> None:
    settings = load_watch_settings(written(tmp_path, TWO))
    assert {name: camera.url for name, camera in settings.cameras.items()} == {
        "gate": "rtsp://10.0.0.4/stream",
        "yard": str(tmp_path / "yard.mp4"),
        "door": "/dev/video0",
    }
    assert settings.secrets_file == str(tmp_path / "secrets.yaml")
    assert settings.store.database == str(tmp_path / "data/cameras.db")
    assert settings.store.media == Path("/srv/media")


def test_weights_may_be_a_file_or_a_word(tmp_path: Path) -> None:
    (tmp_path / "yolo.xml").touch()
    text = "detector: {weights: yolo.xml}\nembedder: {backend: torchvision, weights: default}\ncameras: {}"
    settings = load_watch_settings(written(tmp_path, text))
    assert settings.detector.weights == str(tmp_path / "yolo.xml")
    assert settings.embedder.weights == "default"
    server = "store: {database: 'postgresql://sightline@db/sightline'}"
    assert load_watch_settings(written(tmp_path, server)).store.database == "postgresql://sightline@db/sightline"


def test_overrides_change_the_file_and_stay_where_they_are(tmp_path: Path) -> None:
    overrides = ["store.database=here.db", "cameras.gate.max_fps=5", "cameras.new.url=rtsp://10.0.0.9/x"]
    settings = load_watch_settings(written(tmp_path, TWO), overrides)
    assert settings.store.database == "here.db"
    assert settings.cameras["gate"].max_fps == 5
    assert settings.cameras["new"].url == "rtsp://10.0.0.9/x"


def test_an_empty_file_has_no_cameras(tmp_path: Path) -> None:
    assert load_watch_settings(written(tmp_path, "")).cameras == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cameras: {a: {url: 'rtsp://u:p@h/s'}}", r"rtsp://\*\*\*@h/s holds a password; put it into the environment"),
        ("cameras: {a: {url: rtsp://h/s}, b: {url: rtsp://h/s}}", "cameras 'a' and 'b' have the same address"),
        ("cameras: {a/b: {url: rtsp://h/s}}", "camera name 'a/b'"),
        ("cameras: {a..b: {url: rtsp://h/s}}", r"camera name 'a\.\.b'"),
        ("cameras: {a: {uri: rtsp://h/s}}", r"unknown setting cameras\.a\.uri"),
        ("cameras: {sort: {url: rtsp://h/s, tracker: {name: sort, lost: 2}}}", r"setting cameras\.sort\.tracker\.lost"),
        ("cameras: {a: 5}", "section"),
        ("cameras: [a]", "dictionary"),
        ("cameras: {a: {}}", r"cameras\.a\.url"),
        ("- a", "must hold"),
        ("a: [", "not YAML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_watch_settings(written(tmp_path, text))
    assert "u:p" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no cameras file .*nowhere\.yaml"):
        load_watch_settings(tmp_path / "nowhere.yaml")
