"""`sightline recordings`: what is kept and why, and a part of it as one file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import ConfigError, OutputError, SourceError, StoreError
from pipeline.sources.segment_footage import SegmentPart
from pipeline.sources.segment_join import join_segments
from pipeline.store.database import open_database
from pipeline.store.segments import add_segment, remove_segments
from tests.clips import number_in, write_clip
from tests.integration.recording.feeding import START, Recording, feed
from tests.integration.store import recorded
from tests.integration.store.recorded import RecordedStore

EVEN = {"g": "10", "sc_threshold": "0"}
RUNNER = CliRunner()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordedStore]:
    """Gate was recorded for 10 s in segments of 2 s, with pictures that are decoded before they are shown."""
    media = tmp_path / "media"
    with open_database(tmp_path / "runs.db") as database:
        made = recorded.fill(database, media)
        video = write_clip(tmp_path / "clip.ts", count=250, fps=25, size=(320, 240), options=EVEN)
        recording = Recording(media)
        recorder = recording.recorder(seconds=2.0)
        feed(recorder, video)
        recorder.close()
        with database.write() as connection:
            for one in recording.segments:
                add_segment(
                    connection,
                    run_source_id=made.gate,
                    path=one.path.as_posix(),
                    from_at=one.from_at,
                    to_at=one.to_at,
                    size=one.bytes,
                )
        yield made


def call(store: RecordedStore, *words: str) -> tuple[int, str]:
    done = RUNNER.invoke(app, ["recordings", *words, "--database", str(store.media.parent / "runs.db")])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def exported(store: RecordedStore, since: str, until: str, name: str = "out.mp4") -> tuple[int, str, list[int]]:
    out = store.media.parent / name
    day = "2023-11-14T22:13:"
    code, said = call(store, "export", "gate", "--from", day + since, "--to", day + until, "--out", str(out))
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
    assert list(store.media.parent.glob(".*part")) == []
    return code, said, [number_in(frame.to_ndarray(format="bgr24")) for frame in frames]


def test_a_list(store: RecordedStore) -> None:
    store.add_event(3 / 60)
    code, said = call(store, "--json")
    assert code == 0
    rows = json.loads(said)
    assert [row["from_at"] - START for row in rows] == pytest.approx([8e6, 6e6, 4e6, 2e6, 0], abs=100_000)
    assert {row["reason"] for row in rows} == {"shows an event"}
    code, said = call(
        store, "--camera", "gate", "--since", "2023-11-14T22:13:25", "--until", "2023-11-14T23:13:27+01:00"
    )
    assert code == 0
    assert said.count(".mp4") + said.count("mp4\n") >= 2
    assert "gate: 5 files" in said
    assert call(store, "--camera", "nobody")[1] == "nothing is recorded of 'nobody'\n"


@pytest.mark.parametrize("words", [("--since", "yesterday"), ("--until", "2023-13-01")])
def test_a_time_that_is_none(store: RecordedStore, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="is no time; give one in UTC, as 2026-11-21"):
        call(store, *words)


def test_an_export_joins_segments(store: RecordedStore) -> None:
    code, said, shown = exported(store, "20", "30.5")
    assert (code, shown) == (0, list(range(250)))
    assert "250 pictures" in said
    code, said, shown = exported(store, "22.7", "26.5", "part.mkv")
    assert code == 0
    assert shown[0] in range(60, 69)
    assert shown[-1] in (160, 161, 162, 163)
    assert shown == list(range(shown[0], shown[-1] + 1))


def test_what_is_missing_is_said(store: RecordedStore) -> None:
    rows = store.rows()
    with store.database.write() as connection:
        remove_segments(connection, [rows[1].id, rows[2].id])
    code, said, shown = exported(store, "20", "30")
    assert code == 1
    assert "4.0 s of that time are not recorded" in said
    assert shown == [*range(50), *range(150, 250)]
    with av.open(str(store.media.parent / "out.mp4")) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert times[50] - times[49] == pytest.approx(101 / 25, abs=0.01)


def test_what_cannot_be_exported(store: RecordedStore, tmp_path: Path) -> None:
    span = ("--from", "2023-11-14T22:13:20", "--to", "2023-11-14T22:13:30")
    with pytest.raises(StoreError, match="no recordings of a camera 'yard'; there are some of: gate"):
        call(store, "export", "yard", *span, "--out", str(tmp_path / "x.mp4"))
    with pytest.raises(SourceError, match="nothing of camera 'gate' is recorded then"):
        call(store, "export", "gate", "--from", "2024-01-01", "--to", "2024-01-02", "--out", str(tmp_path / "x.mp4"))
    with pytest.raises(ConfigError, match="is not after"):
        call(store, "export", "gate", *span[:3], "2023-11-14T22:13:20", "--out", str(tmp_path / "x.mp4"))
    with pytest.raises(OutputError, match=r"are written as \.mp4 or \.mkv"):
        call(store, "export", "gate", *span, "--out", str(tmp_path / "x.avi"))
    with pytest.raises(OutputError, match="there is no folder"):
        call(store, "export", "gate", *span, "--out", str(tmp_path / "nowhere" / "x.mp4"))
    assert not (tmp_path / "x.mp4").exists()


def test_what_does_not_go_into_one_file(tmp_path: Path) -> None:
    small = write_clip(tmp_path / "000000_000000.mp4", count=10)
    large = write_clip(tmp_path / "000001_000000.mp4", count=10, size=(192, 128))
    parts = [SegmentPart(small, 0, 1_000_000), SegmentPart(large, 1_000_000, 2_000_000)]
    with pytest.raises(OutputError, match=r"sends something else from 000001\.000000 UTC on"):
        join_segments(parts, tmp_path / "x", name="x.mp4", from_at=0, to_at=2_000_000)
    vp8 = write_clip(tmp_path / "a.mkv", count=10, codec="libvpx")
    with pytest.raises(OutputError, match=r"vp8 does not go into \.mp4; name a file that ends in \.mkv"):
        join_segments([SegmentPart(vp8, 0, 1)], tmp_path / "x", name="x.mp4", from_at=0, to_at=1)
    with pytest.raises(SourceError, match="no picture of that time"):
        join_segments(parts[:1], tmp_path / "x", name="x.mp4", from_at=-9, to_at=-1)
    joined = join_segments([replace(parts[0], from_at=5)], tmp_path / "x", name="x.mkv", from_at=5, to_at=400_000)
    assert (joined.pictures, joined.missing) == (4, 0)
    assert abs(joined.from_at - 5) < 12  # 1/90000 s
