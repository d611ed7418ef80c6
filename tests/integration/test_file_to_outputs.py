"""A video file through the engine into files: what a whole, a cut and a failing run leave behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine import Engine, Stream
from pipeline.errors import DamagedSourceError, OutputError
from pipeline.sinks.base import Sink
from pipeline.sinks.csv_rows import CsvSink
from pipeline.sinks.mot_text import MotTextSink
from pipeline.sinks.video import VideoSink
from pipeline.sources.files import VideoFile
from tests.clips import cut, write_clip
from tests.fakes import FakeDetector, FakeEmbedder, FakeTracker

NAMES = ["tracks.csv", "tracks.mp4", "tracks.txt"]


def sinks(folder: Path) -> list[Sink]:
    csv, video, text = (folder / name for name in NAMES)
    return [MotTextSink(text), CsvSink(csv, ["thing"]), VideoSink(video, ["thing"])]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mkv", count=60, options={"g": "12"})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_queue_and_batch_sizes_leave_identical_files(clip: Path, tmp_path: Path) -> None:
    outputs = []
    for capacity, batch in ((1, 1), (8, 1), (1, 4), (8, 4)):
        folder = tmp_path / f"{capacity}-{batch}"
        folder.mkdir()
        with VideoFile(clip) as source:
            engine = Engine(
                [Stream(source, FakeTracker(), sinks(folder))],
                FakeDetector(),
                embedder=FakeEmbedder(),
                capacity=capacity,
                batch=batch,
            )
            assert engine.run().frames == 60
        assert left_in(folder) == NAMES
        outputs.append({name: (folder / name).read_bytes() for name in NAMES})
    differing = {name for output in outputs for name in NAMES if output[name] != outputs[0][name]}
    assert not differing


def test_a_cut_file_leaves_what_was_read(clip: Path, out: Path) -> None:
    cut(clip, 0.6)
    with VideoFile(clip) as source:
        engine = Engine([Stream(source, FakeTracker(), sinks(out))], FakeDetector())
        with pytest.raises(DamagedSourceError, match="cut off"):
            engine.run()
    frames = engine.report.frames
    assert 15 < frames < 50
    assert left_in(out) == NAMES
    with VideoFile(out / "tracks.mp4") as video:
        assert len(list(video)) == frames
    last = int((out / "tracks.txt").read_text().splitlines()[-1].split(",")[0])
    assert frames - 1 <= last <= frames  # every fourth frame has no object


def test_a_failing_run_leaves_nothing(clip: Path, out: Path) -> None:
    with VideoFile(clip) as source, pytest.raises(RuntimeError, match="detector broke"):
        Engine([Stream(source, FakeTracker(), sinks(out))], FakeDetector(fail_at=30)).run()
    assert left_in(out) == []


def test_an_output_that_cannot_be_written_leaves_nothing(clip: Path, out: Path) -> None:
    with VideoFile(clip) as source, pytest.raises(OutputError, match="no folder"):
        Engine([Stream(source, FakeTracker(), [*sinks(out), *sinks(out / "missing")])], FakeDetector()).run()
    assert left_in(out) == []


def test_no_file_stays_open(clip: Path, out: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with VideoFile(clip, max_frames=5) as source:
            Engine([Stream(source, FakeTracker(), sinks(out))], FakeDetector()).run()
        with pytest.raises(RuntimeError, match="broke"), VideoFile(clip) as source:
            Engine([Stream(source, FakeTracker(), sinks(out))], FakeDetector(fail_at=3)).run()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
