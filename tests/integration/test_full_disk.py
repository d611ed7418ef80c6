"""A disk that fills up while a run goes on: a clear error, a store that opens, and a run that goes on afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clips import write_moving
from tests.integration.command import sightline
from tests.integration.stored import assert_same_rows, next_frame, reading
from tests.integration.test_resume import assert_same_files, leftovers, start, wait_for_frame

SIZE = 8 << 20  # bytes


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that holds SIZE bytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        if os.environ.get("SIGHTLINE_REQUIRE_ALL") == "1":
            pytest.fail(f"a small file system cannot be mounted: {mounted.stderr}")
        pytest.skip(f"a small file system cannot be mounted: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def fill(disk: Path) -> Path:
    """Take all that is left."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return filler


def test_a_run_survives_a_full_disk(disk: Path, tmp_path: Path) -> None:
    clip = write_moving(tmp_path / "moving.mp4", count=1200)
    command = ["run", clip, "--set", "store.chunk=20", "--mot-out", "t.txt", "--csv-out", "t.csv"]
    command += ["--video-out", "t.mp4", "--set", "detector.motion.warm_up_frames=0"]
    whole = tmp_path / "whole"
    whole.mkdir()
    assert sightline(*command, folder=whole).code == 0

    database = disk / "runs" / "sightline.db"
    process = start(*command, folder=disk)
    wait_for_frame(process, database, 60)
    filler = fill(disk)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out + err
    assert "full" in err or "No space left" in err
    assert "Traceback" not in err
    assert "go on with: sightline resume" in out
    reached = next_frame(database)
    assert 60 <= reached < 1200

    filler.unlink()
    with reading(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    done = sightline("resume", "last", folder=disk)
    assert done.code == 0, done.out + done.err
    assert f"goes on at frame {reached}" in done.out
    assert_same_rows(whole / "runs" / "sightline.db", database)
    assert_same_files(whole, disk)
    assert leftovers(disk) == []
    shutil.rmtree(disk / "runs")
