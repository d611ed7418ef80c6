"""A target that is followed becomes a track like any other: in both databases, also after a stop, a kill and damage."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np
import pytest

from pipeline import build
from pipeline.follow_plan import FollowPlan
from pipeline.follow_settings import TargetBox, stored_follow_settings
from pipeline.following import Following
from pipeline.outputs import Outputs
from pipeline.sinks.h264_file import H264File
from pipeline.store.database import Database, open_database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.heat import heat_map
from pipeline.store.liveness import ShownStatus, shown_status
from pipeline.store.queries import embeddings_of_object, observations_of_object, page_objects
from pipeline.store.rows import ObjectRow, ObservationTable, RunDetail
from pipeline.store.run_queries import list_runs, run_detail
from pipeline.store.source_queries import runs_of
from pipeline.store.states import SourceStatus
from pipeline.store.writer import now_microseconds
from pipeline.stored_target import StoredTarget
from tests.integration.command import call_main, environment
from tests.integration.stored import assert_same_rows, count, next_frame
from tests.integration.test_resume import wait_for_frame
from tests.unit.trackers.target_scenes import Pictures, moving
from trackers.geometry import iou_pairs, to_xywh
from trackers.structures import Evidence

FRAMES, HIDDEN, CHUNK = 60, range(30, 36), 7


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    """A square that moves slowly, is gone for six pictures and comes back where it went."""
    return moving(FRAMES, starts=np.array([[60.0, 70.0]]), steps=np.array([[1.0, 0.5]]), hidden=HIDDEN)


@pytest.fixture(scope="module")
def clip(pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("followed") / "clip.mp4"
    with H264File(path, quality=12) as video:
        for number, frame in enumerate(pictures.frames):
            video.write(frame, number / 25)
    return path


def given(pictures: Pictures, frame: int = 0) -> str:
    return ",".join(f"{value:g}" for value in to_xywh(pictures.boxes[frame])[0])


def command(clip: Path, pictures: Pictures, url: str | Path, *, tracker: str = "mosse") -> list[object]:
    chunks = ("--set", f"store.chunk={CHUNK}", "--set", "embedder.precision=f32")
    return ["follow", clip, "--box", given(pictures), "--tracker", tracker, "--database", url, *chunks]


@pytest.fixture(scope="module")
def whole(clip: Path, pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store and the boxes of a run without an interruption."""
    folder = tmp_path_factory.mktemp("whole")
    done = call_main(*command(clip, pictures, "s.db", tracker="correlation"), "--out", "b.txt", folder=folder)
    assert done.code == 0, done.err
    return folder


@pytest.fixture
def kept(made_url: str) -> Iterator[Database]:
    with open_database(made_url) as database:
        yield database


def only_object(database: Database) -> tuple[Scope, ObjectRow, ObservationTable]:
    with database.read() as connection:
        scope = scope_of(connection, ["default"])
        (row,) = page_objects(scope, connection)
        return scope, row, observations_of_object(scope, connection, row.public_id)


def newest_run(database: Database) -> RunDetail:
    with database.read() as connection:
        scope = scope_of(connection, ["default"])
        found = run_detail(scope, connection, list_runs(scope, connection)[0].public_id)
    assert found is not None
    return found


def test_a_target_becomes_a_track(
    kept: Database, made_url: str, clip: Path, pictures: Pictures, tmp_path: Path
) -> None:
    words = [*command(clip, pictures, made_url), "--set", f"store.media={tmp_path / 'media'}"]
    done = call_main(*words, "--label", "courier", "--out", "b.txt", folder=tmp_path)
    assert done.code == 0, done.err
    assert "s3cret" not in done.out
    run = newest_run(kept)
    assert f"stored    run {run.run.public_id}" in done.out
    assert (run.run.kind, shown_status(run.run, now_microseconds())) == ("follow", ShownStatus.FINISHED)
    assert run.sources[0].processed == FRAMES
    assert "s3cret" not in str(run.run.settings)

    rows = np.loadtxt(tmp_path / "b.txt", delimiter=",")
    found = np.flatnonzero(rows[:, 4] >= 0.1)
    assert set(range(30)) <= set(found.tolist())
    assert not set(HIDDEN) <= set(found.tolist())
    scope, row, boxes = only_object(kept)
    assert (row.class_name, row.count) == ("courier", len(found))
    np.testing.assert_array_equal(boxes.frames, found)
    np.testing.assert_allclose(to_xywh(boxes.boxes), rows[found, :4], atol=0.02)
    assert iou_pairs(boxes.boxes[:30], pictures.boxes[:30, 0]).min() > 0.6
    assert boxes.evidence.tolist() == [Evidence.DETECTED] + [Evidence.TARGET] * (len(found) - 1)
    assert (boxes.det_rows == -1).all()

    assert row.crop is not None
    assert cv2.imread(str(tmp_path / "media" / row.crop.path)) is not None
    (model,) = [model for model in run.models if model.dimension]
    with kept.read() as connection:
        looks = embeddings_of_object(scope, connection, row.public_id, model_id=model.model_id)
        assert heat_map(scope, connection, run.sources[0].public_id).sum() == 0  # of one target it would tell little
        assert runs_of(scope, connection, run.sources[0].public_id, but=("follow",)) == []
    assert len(looks) >= 2

    done = call_main("export", "last", "--out", "t.csv", "--database", made_url, folder=tmp_path)
    assert done.code == 0, done.err
    with (tmp_path / "t.csv").open() as file:
        exported = list(csv.DictReader(file))
    assert len(exported) == len(found)
    assert {one["class"] for one in exported} == {"courier"}

    again = call_main(*words, "--label", "courier", "--out", "b.txt", folder=tmp_path)
    assert f"followed before, in run {run.run.public_id}" in again.out
    refused = call_main("retrack", "last", "--database", made_url, folder=tmp_path)
    assert (refused.code, "followed one target" in refused.err) == (2, True)
    assert newest_run(kept).run.public_id == run.run.public_id


def test_killed_it_goes_on_and_ends_with_the_same_rows(
    whole: Path, clip: Path, pictures: Pictures, tmp_path: Path
) -> None:
    words = [*command(clip, pictures, "s.db", tracker="correlation"), "--out", "b.txt"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *map(str, words)], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE
    )
    wait_for_frame(process, tmp_path / "s.db", 2 * CHUNK)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = next_frame(tmp_path / "s.db")
    assert 2 * CHUNK <= before < FRAMES, "it ended before it was killed"
    assert before % CHUNK == 0
    with open_database(tmp_path / "s.db") as database:
        assert shown_status(newest_run(database).run, now_microseconds()) is ShownStatus.INTERRUPTED
        _, row, boxes = only_object(database)
        with open_database(whole / "s.db") as other:
            seen = [frame for frame in only_object(other)[2].frames.tolist() if frame < before]
        assert (boxes.frames.tolist(), row.count) == (seen, len(seen))
    assert not (tmp_path / "b.txt").exists()

    done = call_main("resume", "last", "--database", "s.db", folder=tmp_path)
    assert done.code == 0, done.err
    assert count(tmp_path / "s.db", "runs") == 1
    assert_same_rows(whole / "s.db", tmp_path / "s.db")
    assert (tmp_path / "b.txt").read_text() == (whole / "b.txt").read_text()
    assert call_main("resume", "last", "--database", "s.db", folder=tmp_path).code == 2


def test_stopped_within_a_chunk_it_goes_on_with_what_it_had(
    whole: Path, clip: Path, pictures: Pictures, tmp_path: Path
) -> None:
    target = TargetBox(box=(60, 70, 40, 40))
    overrides = [f"store.database={tmp_path / 's.db'}", f"store.chunk={CHUNK}", "embedder.precision=f32"]
    settings = stored_follow_settings(target, overrides)
    outputs = Outputs(mot=tmp_path / "b.txt")
    with open_database(settings.store.database) as database:
        plan = FollowPlan(database, str(clip), settings, outputs=outputs)
        with build.source(str(clip), plan.source_settings()) as source:
            following = Following(source, build.target_tracker(settings.target), target.corners)
            with StoredTarget(plan, following, source) as stored:
                for step in following:
                    stored.take(step)
                    if step.frame.index == 10:
                        following.stop()
        run = newest_run(database)
        assert run.run.status.value == "stopped"
        assert run.sources[0].status is SourceStatus.STOPPED
        assert 10 <= next_frame(tmp_path / "s.db") - 1 <= 11
        assert next_frame(tmp_path / "s.db") % CHUNK != 0
    refused = call_main("resume", "last", "--database", tmp_path / "s.db", "--streams", 2, folder=tmp_path)
    assert refused.code == 2
    assert "follows one target; --workers, --streams, --report and --without-video are for runs that" in refused.err
    done = call_main("resume", "last", "--database", tmp_path / "s.db", folder=tmp_path)
    assert done.code == 0, done.err
    with open_database(tmp_path / "s.db") as database, open_database(whole / "s.db") as other:
        np.testing.assert_array_equal(only_object(database)[2].frames, only_object(other)[2].frames)
        assert newest_run(database).run.status.value == "finished"
    assert_same_rows(whole / "s.db", tmp_path / "s.db")


def test_a_source_that_breaks_off_keeps_what_came_before(pictures: Pictures, tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    for number, frame in enumerate(pictures.frames[:8]):
        assert cv2.imwrite(str(folder / f"{number:03}.png"), frame)
    (folder / "006.png").write_bytes(b"this is no picture")
    done = call_main(*command(folder, pictures, "s.db"), "--start-frame", 2, "--max-frames", 5, folder=tmp_path)
    assert done.code == 1
    with open_database(tmp_path / "s.db") as database:
        run = newest_run(database)
        assert run.sources[0].status is SourceStatus.DAMAGED
        assert "006.png" in str(run.sources[0].error)
        assert only_object(database)[2].frames.tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--box", "400,10,40,40"), "outside the picture of 320 x 240"),
        (("--box", "60,70,40,40", "--start-frame", "900"), "cannot be read from frame 900 on"),
        (("--box", "60,70,40,40", "--label", ""), "setting label"),
        (("--box", "60,70,40,40", "--set", "embedder.min_scor=1"), "did you mean 'min_score'"),
        (("--box", "60,70,40,40", "--out", "s.db"), "would overwrite the database"),
    ],
)
def test_what_cannot_be_followed_leaves_no_run(clip: Path, tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    done = call_main("follow", clip, "--tracker", "mosse", "--database", "s.db", *words, folder=tmp_path)
    assert done.code == 2
    assert told in done.err
    if (tmp_path / "s.db").exists():
        assert count(tmp_path / "s.db", "runs") == 0


def test_a_run_that_fails_says_so(clip: Path, pictures: Pictures, tmp_path: Path) -> None:
    """The media folder is a file: the best picture cannot be written."""
    (tmp_path / "media").write_text("")
    done = call_main(*command(clip, pictures, "s.db"), "--set", f"store.media={tmp_path / 'media'}", folder=tmp_path)
    assert (done.code, "go on with: sightline resume" in done.out) == (1, True)
    with open_database(tmp_path / "s.db") as database:
        run = newest_run(database)
        assert run.run.status.value == "failed"
        assert run.run.error
        assert run.sources[0].status is SourceStatus.FAILED


def test_a_run_fails_with_its_files_and_can_be_gone_on_with(clip: Path, pictures: Pictures, tmp_path: Path) -> None:
    """The folder of the boxes is removed while the target is followed."""
    out = tmp_path / "out"
    out.mkdir()
    words = [*command(clip, pictures, "s.db", tracker="correlation"), "--out", "out/b.txt"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *map(str, words)],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_frame(process, tmp_path / "s.db", CHUNK)
    shutil.rmtree(out)
    told, complaint = process.communicate(timeout=120)
    assert (process.returncode, "go on with: sightline resume" in told, "b.txt" in complaint) == (1, True, True)
    with open_database(tmp_path / "s.db") as database:
        run = newest_run(database)
        assert (run.run.status.value, run.sources[0].status) == ("failed", SourceStatus.FAILED)
        assert "b.txt" in str(run.run.error)
    out.mkdir()
    done = call_main("resume", "last", "--database", "s.db", folder=tmp_path)
    assert done.code == 0, done.err
    assert len(np.loadtxt(out / "b.txt", delimiter=",")) == FRAMES
    with open_database(tmp_path / "s.db") as database:
        assert newest_run(database).run.status.value == "finished"


def test_what_was_stored_is_known_by_the_given_id(clip: Path, pictures: Pictures, tmp_path: Path) -> None:
    """So the page finds the run that it has started; `--max-frames` counts from the first picture that is shown."""
    wanted = UUID(int=0x018F_0000_0000_7000_8000_0000_0000_0001)
    words = ("--start-frame", 10, "--set", "source.max_frames=4", "--run-id", wanted)
    done = call_main(*command(clip, pictures, "s.db"), *words, folder=tmp_path)
    assert done.code == 0, done.err
    with open_database(tmp_path / "s.db") as database:
        assert newest_run(database).run.public_id == wanted
        assert only_object(database)[2].frames.tolist() == [10, 11, 12, 13]
