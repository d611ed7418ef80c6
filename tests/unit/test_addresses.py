"""What a command line means by files, folders, patterns and lists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.addresses import expand
from pipeline.errors import SourceError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """videos/: b.mp4, a.MKV, .hidden.mp4, notes.txt, deeper/c.mp4; pictures/: 1.png."""
    for name in ("videos/b.mp4", "videos/a.MKV", "videos/.hidden.mp4", "videos/notes.txt", "videos/deeper/c.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "1.png").touch()
    return tmp_path


def names(words: list[str], base: Path) -> list[str]:
    return [os.path.relpath(address, base) for address in expand(words).sources]


def test_a_folder_means_its_videos(folder: Path) -> None:
    found = expand([str(folder / "videos")])
    assert [Path(one).name for one in found.sources] == ["a.MKV", "b.mp4"]
    assert [file.name for file in found.left_out] == ["notes.txt"]


def test_a_folder_of_pictures_is_one_source(folder: Path) -> None:
    assert names([str(folder / "pictures")], folder) == ["pictures"]


def test_a_pattern_means_what_matches(folder: Path) -> None:
    assert names([str(folder / "videos" / "*.mp4")], folder) == ["videos/b.mp4"]
    assert names([str(folder / "**" / "*.mp4")], folder) == ["videos/b.mp4", "videos/deeper/c.mp4"]
    odd = folder / "videos" / "[1] *.mp4"
    odd.touch()
    assert names([str(odd)], folder) == ["videos/[1] *.mp4"]  # there is a file of that very name


def test_a_list_names_sources_relative_to_itself(folder: Path) -> None:
    (folder / "day.txt").write_text("# the day\n\nvideos/b.mp4\n@more.txt\nrtsp://camera/1\n")
    (folder / "more.txt").write_text("pictures\n  videos/deeper/*.mp4  \nvideos/b.mp4\n")
    found = expand([f"@{folder / 'day.txt'}"]).sources
    assert [Path(one).name for one in found[:-1]] == ["b.mp4", "pictures", "c.mp4"]
    assert found[-1] == "rtsp://camera/1"


def test_each_source_is_named_once_in_order(folder: Path) -> None:
    words = [
        str(folder / "videos" / "b.mp4"),
        str(folder / "videos"),
        str(folder / "videos" / ".." / "videos" / "b.mp4"),
    ]
    assert names(words, folder) == ["videos/b.mp4", "videos/a.MKV"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("nothing/*.mp4", "no video matches"),
        ("empty", "holds no videos and no pictures"),
        ("@missing.txt", "cannot be read"),
        ("@self.txt", "names itself"),
        ("@bytes.txt", "cannot be read"),
    ],
)
def test_what_means_nothing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "self.txt").write_text("@self.txt\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match=message):
        expand([word])


def test_no_word_means_no_source() -> None:
    assert expand([]).sources == ()
