"""The cache of clips: made once, whole or absent, and never too large."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.clips.cache import LEFT_OVER, FileCache
from pipeline.errors import BusyError, OutputError
from tests.promptness import until


def writes(content: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.write_bytes(content)

    return make


def refuses(path: Path) -> None:
    raise AssertionError("it is there already")


def contents(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_file_is_made_once(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "new" / "clips", limit=100)
    path = cache.get("abcd", ".mp4", writes(b"clip"))
    assert path.read_bytes() == b"clip"
    assert cache.get("abcd", ".mp4", refuses) == path
    assert cache.get("abcd", ".jpg", writes(b"picture")) != path


def test_what_was_not_asked_for_longest_goes_first(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, limit=30)
    for number, key in enumerate(("aa", "bb", "cc")):
        os.utime(cache.get(key, ".x", writes(b"0123456789")), (number, number))
    cache.get("aa", ".x", refuses)
    cache.get("dd", ".x", writes(b"0123456789"))
    assert contents(tmp_path) == {"aa.x", "cc.x", "dd.x"}
    cache.get("ee", ".x", writes(b"0" * 500))  # larger than all that is allowed: it is still wanted now
    assert contents(tmp_path) == {"ee.x"}
    cache.get("ff", ".x", writes(b"0"))
    assert contents(tmp_path) == {"ff.x"}


def test_a_failure_leaves_nothing_and_the_next_one_tries_again(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, limit=100)

    def breaks(path: Path) -> None:
        path.write_bytes(b"half")
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        cache.get("aa", ".x", breaks)
    assert contents(tmp_path) == set()
    assert cache.get("aa", ".x", writes(b"whole")).read_bytes() == b"whole"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"):
        FileCache(tmp_path / "file", limit=100).get("aa", ".x", writes(b"x"))
    with pytest.raises(OutputError, match="cannot be written"):
        FileCache(tmp_path, limit=100).get("aa", ".x", lambda path: None)


def test_many_ask_for_one_and_it_is_made_once(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, limit=100)
    made: list[int] = []

    def slow(path: Path) -> None:
        made.append(1)
        time.sleep(0.1)
        path.write_bytes(b"x")

    threads = [threading.Thread(target=cache.get, args=("aa", ".x", slow)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    assert not cache._one._locks
    assert not cache._one._users


def test_only_so_many_are_made_at_once_and_only_so_many_wait(tmp_path: Path) -> None:
    cache = FileCache(tmp_path, limit=100, makers=2, most_waiting=1)
    go, busy = threading.Event(), threading.Semaphore(0)
    at_work: list[int] = []

    def held(path: Path) -> None:
        at_work.append(1)
        busy.release()
        assert go.wait(120)
        path.write_bytes(b"x")

    threads = [threading.Thread(target=cache.get, args=(key, ".x", held)) for key in ("aa", "bb", "cc")]
    for thread in threads:
        thread.start()
    assert busy.acquire(timeout=120)
    assert busy.acquire(timeout=120)
    until(lambda: len(cache._one._users) == 3)  # which of the three waits is the scheduler's choice
    assert len(at_work) == 2
    with pytest.raises(BusyError, match="try again"):
        cache.get("dd", ".x", held)
    go.set()
    for thread in threads:
        thread.join()
    assert contents(tmp_path) == {"aa.x", "bb.x", "cc.x"}
    cache.get("dd", ".x", writes(b"x"))


def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path) -> None:
    parts = tmp_path / "unfinished"
    parts.mkdir()
    for name, age in (("old.x", LEFT_OVER + 60), ("new.x", 10.0)):
        (parts / name).write_bytes(b"half")
        os.utime(parts / name, (time.time() - age,) * 2)
    FileCache(tmp_path, limit=100).get("aa", ".x", writes(b"x"))
    assert contents(tmp_path) == {"aa.x", "new.x"}
