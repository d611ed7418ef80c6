"""Bad input to the command line: exit code 2, one line that names the thing and the remedy, nothing half-written."""

from __future__ import annotations

import os
import shutil
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select, text

from pipeline.store import tables
from pipeline.store.database import open_database
from tests.clips import write_clip, write_moving
from tests.integration.command import MOTION, Finished, call_main, sightline


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "clip.mp4", count=30)


def refused(done: Finished, *words: str, folder: Path, left: set[str]) -> None:
    """Exit code 2, one line on standard error with all the words, and nothing but `left` in the folder."""
    assert done.code == 2, (done.code, done.out, done.err)
    lines = done.err.strip().splitlines()
    assert len(lines) == 1, done.err
    for word in words:
        assert word in lines[0]
    assert {path.name for path in folder.iterdir()} == left


def test_missing_file(tmp_path: Path) -> None:
    refused(sightline("run", *MOTION, "nowhere.mp4", folder=tmp_path), "nowhere.mp4", folder=tmp_path, left=set())


def test_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(call_main("run", *MOTION, "empty", folder=tmp_path), "empty", "picture", folder=tmp_path, left={"empty"})


@pytest.mark.parametrize("content", [b"", b"this is no video, but a letter to a friend\n" * 50])
def test_file_that_is_no_video(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "letter.mp4").write_bytes(content)
    refused(
        call_main("run", *MOTION, "letter.mp4", folder=tmp_path), "letter.mp4", folder=tmp_path, left={"letter.mp4"}
    )


def test_unknown_key_is_named_with_its_path(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("tracker:\n  lost_secs: 3\n")
    left = {"clip.mp4", "mine.yaml"}
    done = call_main("run", clip, "--config", "mine.yaml", folder=tmp_path)
    refused(done, "tracker.lost_secs", "lost_seconds", folder=tmp_path, left=left)
    done = call_main("run", *MOTION, clip, "--set", "detector.motion.min_aera=1", folder=tmp_path)
    refused(done, "detector.motion.min_aera", "min_area", folder=tmp_path, left=left)
    done = call_main("run", clip, "--config", "nobody", folder=tmp_path)
    refused(done, "nobody", "people", folder=tmp_path, left=left)


def test_missing_and_wrong_weights(clip: Path, shared: Path, tmp_path: Path) -> None:
    def with_weights(path: object) -> Finished:
        return call_main("run", clip, "--config", "people", "--set", f"detector.weights={path}", folder=tmp_path)

    refused(with_weights("gone.onnx"), "gone.onnx", folder=tmp_path, left={"clip.mp4"})
    (tmp_path / "text.onnx").write_text("hello")
    refused(with_weights("text.onnx"), "text.onnx", folder=tmp_path, left={"clip.mp4", "text.onnx"})
    reid = shared / "weights" / "osnet_x0_25_msmt17" / "osnet_x0_25_msmt17.onnx"
    refused(with_weights(reid), "osnet", folder=tmp_path, left={"clip.mp4", "text.onnx"})


def test_class_count_that_does_not_fit(clip: Path, shared: Path, tmp_path: Path) -> None:
    weights = shared / "weights" / "yolox_nano" / "yolox_nano.onnx"
    options = ["--set", "detector.backend=auto", "--set", f"detector.weights={weights}"]
    done = call_main("run", clip, *options, "--set", "detector.classes=[person, car]", folder=tmp_path)
    refused(done, "80", "2", "detector.classes", folder=tmp_path, left={"clip.mp4"})
    done = call_main("run", clip, *options, "--set", "detector.keep=[unicorn]", folder=tmp_path)
    refused(done, "unicorn", "detector.keep", folder=tmp_path, left={"clip.mp4"})


def test_malicious_pickle_is_refused_and_never_runs(clip: Path, tmp_path: Path) -> None:
    import torch

    class Attack:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return os.mkdir, (str(tmp_path / "attacked"),)

    torch.save({"model": Attack()}, tmp_path / "bad.pt")
    options = ["--config", "people", "--set", "detector.weights=bad.pt"]
    refused(call_main("run", clip, *options, folder=tmp_path), "bad.pt", folder=tmp_path, left={"clip.mp4", "bad.pt"})


@pytest.mark.parametrize("option", ["--mot-out", "--csv-out", "--video-out"])
def test_output_that_cannot_be_written(clip: Path, tmp_path: Path, option: str) -> None:
    done = call_main("run", *MOTION, clip, option, "no/such/folder/out.mp4", folder=tmp_path)
    refused(done, "no/such/folder", folder=tmp_path, left={"clip.mp4"})


def test_one_output_for_several_sources(clip: Path, tmp_path: Path) -> None:
    shutil.copy(clip, tmp_path / "other.mp4")
    done = call_main("run", *MOTION, clip, "other.mp4", "--mot-out", "out.txt", folder=tmp_path)
    refused(done, "out.txt", "{name}", folder=tmp_path, left={"clip.mp4", "other.mp4"})


def test_database_out_of_reach_hides_its_password(clip: Path, tmp_path: Path) -> None:
    address = "postgresql://watcher:s3cret@127.0.0.1:1/tracks"
    done = call_main("run", *MOTION, clip, "--database", address, "--mot-out", "out.txt", folder=tmp_path)
    refused(done, "127.0.0.1", folder=tmp_path, left={"clip.mp4"})
    assert "s3cret" not in done.err + done.out


def test_database_of_a_newer_version_is_left_alone(clip: Path, tmp_path: Path) -> None:
    open_database(tmp_path / "new.db").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'new.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    before = (tmp_path / "new.db").read_bytes()
    done = call_main("run", *MOTION, clip, "--database", "new.db", folder=tmp_path)
    refused(done, "newer", folder=tmp_path, left={"clip.mp4", "new.db"})
    assert (tmp_path / "new.db").read_bytes() == before


def test_file_that_is_no_database(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database\n" * 100)
    done = call_main("run", *MOTION, clip, "--database", "notes.db", folder=tmp_path)
    refused(done, "notes.db", folder=tmp_path, left={"clip.mp4", "notes.db"})


def test_track_and_evaluate_name_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nname=a\nframeRate=10\nseqLength=3\nimWidth=64\nimHeight=48\n")
    (tmp_path / "det.txt").write_text("1,-1,10,10,20,20,0.9,-1,-1,-1\n2,-1,10,ten,20,20,0.9,-1,-1,-1\n")
    left = {"seqinfo.ini", "det.txt"}
    done = call_main("track", "det.txt", "--sequence", ".", "--out", "out.txt", folder=tmp_path)
    refused(done, "det.txt", "2", "ten", folder=tmp_path, left=left)
    done = call_main("track", "det.txt", "--sequence", "gone", "--out", "out.txt", folder=tmp_path)
    refused(done, "gone", folder=tmp_path, left=left)
    done = call_main("evaluate", "mot", "--truth", "gone.txt", "--tracks", "det.txt", folder=tmp_path)
    refused(done, "gone.txt", folder=tmp_path, left=left)


def test_truncated_video_keeps_what_came_before_and_says_so(pets: Path, tmp_path: Path) -> None:
    whole = write_faststart(pets / "video.mp4", tmp_path / "whole.mp4", count=240)
    (tmp_path / "cut.mp4").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    done = call_main("run", *MOTION, "cut.mp4", "--mot-out", "out.txt", "--video-out", "out.mp4", folder=tmp_path)
    assert done.code == 1, done.err
    assert "damaged" in done.out
    assert (tmp_path / "out.txt").stat().st_size > 0
    with open_database(tmp_path / "runs" / "sightline.db") as store, store.read() as connection:
        status, error, frames = connection.execute(
            select(tables.RunSource.status, tables.RunSource.error, tables.RunSource.frames_read)
        ).one()
        rows = connection.scalars(select(tables.Observation.frame)).all()
    assert status == "damaged"
    assert str(frames) in error
    assert 60 < frames < 180
    assert rows
    assert max(rows) < frames


def write_faststart(source: Path, target: Path, *, count: int) -> Path:
    """The first packets of it, with the index in front."""
    import av

    with av.open(str(source)) as reader, av.open(str(target), "w", options={"movflags": "+faststart"}) as writer:
        stream = writer.add_stream_from_template(reader.streams.video[0])
        for packet in islice(reader.demux(video=0), count):
            packet.stream = stream
            writer.mux(packet)
    return target


@pytest.mark.parametrize("option", ["--mot-out", "--csv-out", "--video-out"])
def test_an_output_never_overwrites_what_is_read_or_stored(clip: Path, tmp_path: Path, option: str) -> None:
    before = clip.read_bytes()
    done = call_main("run", *MOTION, clip, option, "clip.mp4", folder=tmp_path)
    refused(done, "clip.mp4", "source", folder=tmp_path, left={"clip.mp4"})
    assert clip.read_bytes() == before
    done = call_main("run", *MOTION, clip, "--database", "a.mp4", option, "./a.mp4", folder=tmp_path)
    refused(done, "a.mp4", "database", folder=tmp_path, left={"clip.mp4"})


def test_outputs_that_would_overwrite_each_other(clip: Path, tmp_path: Path) -> None:
    done = call_main("run", *MOTION, clip, "--mot-out", "x.txt", "--csv-out", "./x.txt", folder=tmp_path)
    refused(done, "x.txt", folder=tmp_path, left={"clip.mp4"})
    (tmp_path / "other").mkdir()
    shutil.copy(clip, tmp_path / "other")
    done = call_main("run", *MOTION, clip, "other/clip.mp4", "--mot-out", "{name}.txt", folder=tmp_path)
    refused(done, "clip.txt", folder=tmp_path, left={"clip.mp4", "other"})


def test_track_does_not_overwrite_its_input(tmp_path: Path) -> None:
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nname=a\nframeRate=10\nseqLength=3\nimWidth=64\nimHeight=48\n")
    (tmp_path / "det.txt").write_text("1,-1,10,10,20,20,0.9,-1,-1,-1\n")
    left = {"seqinfo.ini", "det.txt"}
    done = call_main("track", "det.txt", "--sequence", ".", "--out", "./det.txt", folder=tmp_path)
    refused(done, "det.txt", "--out", folder=tmp_path, left=left)
    done = call_main("track", "det.txt", "--sequence", ".", "--out", "a.txt", "--set", "name=x", folder=tmp_path)
    refused(done, "--tracker", folder=tmp_path, left=left)
    done = call_main(
        "track", "det.txt", "--sequence", ".", "--out", "a.txt", "--set", "refine.smoothing=2", folder=tmp_path
    )
    refused(done, "--refine", folder=tmp_path, left=left)


def test_square_brackets_are_no_markup(tmp_path: Path) -> None:
    done = call_main("run", *MOTION, "[/bold]no[red]file.mp4", folder=tmp_path)
    refused(done, "[/bold]no[red]file.mp4", folder=tmp_path, left=set())


def test_a_stream_is_refused_without_its_password(tmp_path: Path) -> None:
    done = call_main("run", *MOTION, "rtsp://me:s3cret@10.0.0.1/live", folder=tmp_path)
    refused(done, "10.0.0.1", "password", "SIGHTLINE_SECRET_", folder=tmp_path, left=set())
    assert "s3cret" not in done.err


def test_a_pipe_is_refused_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    refused(sightline("run", *MOTION, "pipe.mp4", folder=tmp_path), "pipe.mp4", folder=tmp_path, left={"pipe.mp4"})


def test_passwords_in_the_query_of_a_database_address_are_hidden(clip: Path, tmp_path: Path) -> None:
    done = call_main(
        "run", *MOTION, clip, "--database", "postgresql://u@127.0.0.1:1/x?password=s3cret", folder=tmp_path
    )
    refused(done, "127.0.0.1", folder=tmp_path, left={"clip.mp4"})
    assert "s3cret" not in done.err + done.out


def test_settings_that_the_backend_does_not_look_at(clip: Path, tmp_path: Path) -> None:
    for change in ("detector.device=GPU", "embedder.device=GPU", "detector.weights=a.onnx"):
        done = call_main("run", *MOTION, clip, "--set", change, folder=tmp_path)
        refused(done, change.split(".")[0], folder=tmp_path, left={"clip.mp4"})


def test_a_failure_after_the_run_began_is_another_exit_code(clip: Path, tmp_path: Path) -> None:
    """The media folder cannot be made: found out when the first picture is stored."""
    (tmp_path / "media").write_text("a file")
    options = ["--set", "store.media=media", "--set", "detector.motion.warm_up_frames=0"]
    moving = write_moving(tmp_path / "moving.mp4")
    done = call_main("run", *MOTION, moving, *options, "--mot-out", "out.txt", folder=tmp_path)
    assert done.code == 1, done.err
    assert len(done.err.strip().splitlines()) == 1
    assert "media" in done.err
    assert "failed" in done.out
    assert not (tmp_path / "out.txt").exists()
    with open_database(tmp_path / "runs" / "sightline.db") as store, store.read() as connection:
        assert connection.scalar(select(tables.Run.status)) == "failed"
