"""Tracks of a camera play out of its recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import av
import cv2
import numpy as np
import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.clips.cache import FileCache
from pipeline.clips.cutter import ClipCutter
from pipeline.errors import GoneError
from pipeline.sources.segment_footage import SegmentFootage, SegmentPart, open_segment
from pipeline.sources.segment_names import part_of
from pipeline.store.database import open_database
from pipeline.store.queries import page_objects
from pipeline.store.segments import add_segment, remove_segments
from pipeline.store.tables import Session
from pipeline.store.writer import RunWriter
from tests.clips import number_in, write_clip
from tests.integration.recording.feeding import START, Recording, feed
from tests.integration.store.examples import DETECTOR, RUN, chunk
from tests.integration.store.recorded import GATE, RecordedStore
from trackers.structures import ImageArray

EVEN = {"g": "10", "sc_threshold": "0", "bf": "0"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RecordedStore]:
    """Gate was recorded for 10 s in segments of 2 s; tracks 1 and 2 were seen in its first 6 s, 25 times a second."""
    media = tmp_path / "media"
    with open_database(tmp_path / "runs.db") as database:
        writer = RunWriter.begin(database, replace(RUN, kind="live"), media_folder=media)
        writer.register_model(DETECTOR)
        gate = writer.add_source(GATE)
        writer.add_session(gate, 0, started_at=START)
        for first in (0, 50, 100):
            writer.write_chunk(gate, chunk(first, first + 50))
        video = write_clip(tmp_path / "clip.ts", count=250, fps=25, codec="libx264", size=(320, 240), options=EVEN)
        recording = Recording(media)
        recorder = recording.recorder(seconds=2.0)
        feed(recorder, video)
        recorder.close()
        assert len(recording.segments) == 5
        with database.write() as connection:
            for one in recording.segments:
                add_segment(
                    connection,
                    run_source_id=gate,
                    path=one.path.as_posix(),
                    from_at=one.from_at,
                    to_at=one.to_at,
                    size=one.bytes,
                )
        yield RecordedStore(database, media, gate, gate, writer)


def cutter(store: RecordedStore) -> ClipCutter:
    return ClipCutter(store.database, FileCache(store.media / "clips", limit=1 << 30), media_folder=store.media)


def first_object(store: RecordedStore) -> UUID:
    with store.database.read() as connection:
        return page_objects(store.scope, connection)[0].public_id


def numbers(path: Path) -> tuple[list[int], list[float]]:
    """What the pictures of a clip say, and when they are shown."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    shown = [float(frame.time) for frame in frames]
    return [number_in(frame.to_ndarray(format="bgr24")) for frame in frames], [at - shown[0] for at in shown]


def remove(store: RecordedStore, *which: int) -> None:
    rows = store.rows()
    with store.database.write() as connection:
        remove_segments(connection, [rows[number].id for number in which])
    for number in which:
        (store.media / rows[number].path).unlink()


def test_a_clip_goes_over_segments(store: RecordedStore) -> None:
    cut = cutter(store).clip(store.scope, first_object(store), from_at=START + 1_000_000, to_at=START + 5_000_000)
    assert cut is not None
    shown, times = numbers(cut.path)
    assert shown == list(range(25, 126))
    assert times == pytest.approx([number / 25 for number in range(101)], abs=1e-3)


def test_pictures_of_a_moment(store: RecordedStore) -> None:
    cuts = cutter(store)
    for frame in (0, 49, 50, 51, 123):
        cut = cuts.frame(store.scope, first_object(store), at=START + frame * 40_000)
        assert cut is not None
        assert number_in(cv2.imread(str(cut.path))) == frame
    assert cuts.crop(store.scope, first_object(store), at=START) is not None


def test_what_was_removed_is_left_out(store: RecordedStore) -> None:
    remove(store, 1)
    cuts, one = cutter(store), first_object(store)
    cut = cuts.clip(store.scope, one, from_at=START + 1_000_000, to_at=START + 5_000_000)
    assert cut is not None
    shown, times = numbers(cut.path)
    assert shown == [*range(25, 50), *range(100, 126)]
    assert np.diff(times).max() == pytest.approx(51 / 25, abs=1e-3)
    with pytest.raises(
        GoneError, match=r"what gate showed at 2023-11-14 22:13:2.* was not recorded, or has been removed since$"
    ):
        cuts.frame(store.scope, one, at=START + 75 * 40_000)


def test_what_is_being_written_can_be_seen_and_is_cut_anew_later(store: RecordedStore) -> None:
    rows = store.rows()
    with store.database.write() as connection:
        remove_segments(connection, [row.id for row in rows[1:]])
    for row in rows[1:]:
        (store.media / row.path).rename(store.media / f"{row.from_at}")
    cuts, one = cutter(store), first_object(store)
    span = {"from_at": START + 1_000_000, "to_at": START + 3_000_000}
    first = cuts.clip(store.scope, one, **span)
    with pytest.raises(GoneError, match=r"is not written yet, or was not recorded; try again in a few seconds"):
        cuts.frame(store.scope, one, at=START + 75 * 40_000)

    written, row = (store.media / f"{rows[1].from_at}").read_bytes(), rows[1]
    part = part_of(store.media / row.path)
    part.write_bytes(b"")
    with pytest.raises(GoneError, match="is not written yet"):
        cuts.frame(store.scope, one, at=START + 75 * 40_000)
    part.write_bytes(written[: len(written) * 2 // 3])
    second = cuts.clip(store.scope, one, **span)
    shown = cuts.frame(store.scope, one, at=START + 60 * 40_000)
    assert shown is not None
    assert number_in(cv2.imread(str(shown.path))) == 60

    part.unlink()
    (store.media / row.path).write_bytes(written)
    third = cuts.clip(store.scope, one, **span)
    with store.database.write() as connection:
        add_segment(
            connection, run_source_id=store.gate, path=row.path, from_at=row.from_at, to_at=row.to_at, size=row.bytes
        )
    fourth = cuts.clip(store.scope, one, **span)
    lengths = [len(numbers(cut.path)[0]) for cut in (first, second, third, fourth) if cut is not None]
    assert lengths[0] == 25 < lengths[1]
    assert lengths[1] <= lengths[2] == lengths[3] == 51


def test_what_is_said_where_there_is_nothing(store: RecordedStore) -> None:
    one = first_object(store)
    remove(store, 0)
    with pytest.raises(GoneError, match=r"has been removed since: it is kept from 2023-11-14 22:13:22.000 UTC on"):
        cutter(store).frame(store.scope, one, at=START)
    (store.media / store.rows()[0].path).write_bytes(b"")
    with pytest.raises(GoneError, match=r"the recording of 2023-11-14 22:13:22.000 UTC can no longer be read"):
        cutter(store).frame(store.scope, one, at=START + 75 * 40_000)
    remove(store, 0, 1, 2, 3)
    with pytest.raises(GoneError, match="gate is a camera that was not recorded; its setting `record`"):
        cutter(store).clip(store.scope, one)


def test_another_size_ends_the_footage(tmp_path: Path) -> None:
    parts = []
    for number, size in enumerate([(96, 64), (192, 128)]):
        path = write_clip(tmp_path / f"{number}.mp4", count=10, size=size)
        parts.append(SegmentPart(path, number * 1_000_000, (number + 1) * 1_000_000))
    footage = SegmentFootage(parts, open_part=open_segment)
    assert [frame.at for frame in footage.between(700_000, 1_500_000)] == [700_000, 800_000, 900_000]
    assert [frame.width for frame in footage.between(1_000_000, 1_200_000)] == [192, 192, 192]
    assert list(footage.between(5_000_000, 6_000_000)) == []
    assert list(SegmentFootage([], open_part=open_segment).between(0, 1)) == []


def heatmap(store: RecordedStore) -> tuple[str, ImageArray]:
    """`sightline heatmap`: what it says, and the picture."""
    out = store.media.parent / "heat.png"
    words = ["heatmap", "gate", "--out", str(out), "--database", str(store.media.parent / "runs.db")]
    done = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    picture = cv2.imread(str(out))
    assert picture is not None
    return done.output, np.asarray(picture)


def test_a_heat_map_is_drawn_over_the_newest_recording(store: RecordedStore) -> None:
    with store.database.write() as connection:
        connection.execute(update(Session).values(width=320, height=240))
    _, picture = heatmap(store)
    assert picture.shape == (240, 320, 3)
    assert number_in(picture) == 200  # the first one of the last segment
    (store.media / store.rows()[-1].path).write_bytes(b"no video")
    said, picture = heatmap(store)
    assert "drawn on grey" in said
    assert picture.shape == (720, 960, 3)
