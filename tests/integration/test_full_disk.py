"""A disk that fills up while a run goes on: a clear error, a store that opens, and a run that goes on afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.camera_settings import RecordSettings
from pipeline.errors import OutputError
from pipeline.retention import Retention
from pipeline.sources.recorder import SegmentRecorder
from pipeline.store.database import open_database
from pipeline.store.segments import add_segment
from pipeline.training.label_set import LabelSet
from tests.clips import write_moving
from tests.integration.command import MOTION, call_main
from tests.integration.recording.feeding import Recording, arrival, feed, packets
from tests.integration.store import recorded
from tests.integration.store.examples import chunk
from tests.integration.stored import assert_same_rows, next_frame, reading
from tests.integration.test_resume import assert_same_files, leftovers, start, wait_for_frame
from trackers.structures import Detections

SIZE = 8 << 20  # bytes
PETS = "data/mot15/PETS09-S2L1/video.mp4"


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


def fill(disk: Path, *, but: int = 0) -> Path:
    """Take all that is left. `but`: bytes to leave."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while shutil.disk_usage(disk).free > but:
                file.write(bytes(4096))
        except OSError:
            return filler
    return filler


def test_a_run_survives_a_full_disk(disk: Path, tmp_path: Path) -> None:
    clip = write_moving(tmp_path / "moving.mp4", count=300)
    command = ["run", *MOTION, clip, "--set", "store.chunk=20", "--mot-out", "t.txt", "--csv-out", "t.csv"]
    command += ["--video-out", "t.mp4", "--set", "detector.motion.warm_up_frames=0"]
    whole = tmp_path / "whole"
    whole.mkdir()
    assert call_main(*command, folder=whole).code == 0

    database = disk / "runs" / "sightline.db"
    process = start(*command, folder=disk)
    wait_for_frame(process, database, 40)
    filler = fill(disk)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1, out + err
    assert "full" in err or "No space left" in err
    assert "Traceback" not in err
    assert "go on with: sightline resume" in out
    reached = next_frame(database)
    assert 40 <= reached < 300

    filler.unlink()
    with reading(database) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    done = call_main("resume", "last", folder=disk)
    assert done.code == 0, done.out + done.err
    assert f"goes on at frame {reached}" in done.out
    assert_same_rows(whole / "runs" / "sightline.db", database)
    assert_same_files(whole, disk)
    assert leftovers(disk) == []
    shutil.rmtree(disk / "runs")


def test_a_recording_that_fills_the_disk_keeps_what_plays(disk: Path, shared: Path) -> None:
    """Nothing stopped it before: the last segment is kept as far as it was written, and it goes on with new room."""
    recording = Recording(disk / "media")
    filler = fill(disk, but=400_000)
    recorder = recording.recorder(seconds=8.0)
    with av.open(str(shared / PETS)) as container:
        source = packets(container)
        recorder.begin(container.streams.video[0])
        with pytest.raises(OutputError, match="has stopped: No space left on device; the last file is kept") as caught:
            take_all(recorder, source)
        assert "camera 'gate'" in str(caught.value)
        first, broken = recording.segments
        assert (first.complete, broken.complete) == (True, False)
        assert broken.from_at == first.to_at
        shown = recording.pictures()
        assert broken.to_at == pytest.approx(shown[-1] + 100_000, abs=300_000)
        assert list((disk / "media").rglob(".*")) == []

        filler.unlink()
        recorder.begin(container.streams.video[0])
        take_all(recorder, source)
        recorder.close()
    assert all(one.complete for one in recording.segments[2:])
    assert len(recording.pictures()) > 650


def take_all(recorder: SegmentRecorder, source: Iterator[av.Packet]) -> None:
    for packet in source:
        recorder.take(packet, arrival(packet))


def test_recording_stops_before_tracks_do(disk: Path, shared: Path) -> None:
    """Retention says so while there is still room for rows; recordings that are there stay, and both are said."""
    media, settings = disk / "media", RecordSettings(mode="always", min_free_bytes=3 << 20)
    recording = Recording(media)
    with open_database(disk / "runs.db") as database:
        store = recorded.fill(database, media)
        retention = Retention(database, media, {"gate": settings, "yard": settings})
        recorder = recording.recorder(seconds=8.0)
        fill(disk, but=4 << 20)
        told = retention.sweep(recorded.START).cameras["gate"]
        assert (told.may_record, told.why) == (True, "")
        feed(recorder, shared / PETS)
        recorder.close()
        for segment in recording.segments:
            with database.write() as connection:
                add_segment(
                    connection,
                    run_source_id=store.gate,
                    path=segment.path.as_posix(),
                    from_at=segment.from_at,
                    to_at=segment.to_at,
                    size=segment.bytes,
                )
        told = retention.sweep(recorded.START).cameras["gate"]
        assert not told.may_record
        assert "nothing is recorded until there is more room; tracks and events go on" in told.why
        assert told.segments == len(recording.segments)
        for first in range(50, 1050, 100):
            assert store.writer.write_chunk(store.gate, chunk(first, first + 100))
        assert len(store.rows()) == len(recording.segments)


def test_a_set_of_pseudo_labels_survives_a_full_disk(disk: Path) -> None:
    labels = LabelSet.begin(disk / "set", {"min_score": 0.5}, resume=False)
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    labels.add("first", "train", noise, Detections.empty())
    filler = fill(disk)
    with pytest.raises(OutputError, match=r"cannot be (written|made): No space left"):
        labels.add("second", "train", noise, Detections.empty())
    filler.unlink()
    assert not list((disk / "set").rglob("*.part"))
    labels = LabelSet.begin(disk / "set", {"min_score": 0.5}, resume=True)
    labels.add("second", "train", noise, Detections.empty())
    assert len(list((disk / "set" / "images" / "train").iterdir())) == 2
