"""`sightline run` on a real video: accuracy, what is stored, and that it always comes out the same."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args

import av
import cv2
import numpy as np
import pytest
from sqlalchemy import func, select

from pipeline.evaluation.benchmark import Benchmark, evaluate_files
from pipeline.evaluation.sequences import read_tracks
from pipeline.store import tables
from pipeline.store.database import Database, open_database
from pipeline.store.packing import unpack_detections
from pipeline.tracker_names import TrackerName
from tests.integration.command import MOTION, call_main, environment, sightline
from tests.integration.conftest import REAL_FRAMES, RealRun
from tests.integration.test_resume import wait_for_frame


@pytest.fixture
def store(real_run: RealRun) -> Database:
    with open_database(real_run.folder / "runs" / "sightline.db") as opened:
        yield opened


def scalar(store: Database, query: object) -> object:
    with store.read() as connection:
        return connection.scalar(query)


def test_people_are_tracked_better_than_the_floor(real_run: RealRun, pets: Path, tmp_path: Path) -> None:
    truth = tmp_path / "gt.txt"
    lines = (pets / "gt" / "gt_at_video_scale.txt").read_text().splitlines(keepends=True)
    truth.write_text("".join(line for line in lines if int(line.split(",")[0]) <= REAL_FRAMES))
    scores = evaluate_files(truth, real_run.folder / "tracks.txt", benchmark=Benchmark.MOT15).combined
    assert scores.hota.hota >= 0.52  # these frames are harder than the whole clip
    assert scores.identity.idf1 >= 0.72


@pytest.mark.long
def test_people_of_the_whole_clip_are_tracked_better_than_the_floor(
    pets: Path, people: list[str], tmp_path: Path
) -> None:
    done = sightline("run", pets / "video.mp4", *people, "--mot-out", "t.txt", folder=tmp_path, seconds=600)
    assert done.code == 0, done.err
    truth = pets / "gt" / "gt_at_video_scale.txt"
    scores = evaluate_files(truth, tmp_path / "t.txt", benchmark=Benchmark.MOT15).combined
    assert scores.hota.hota >= 0.55
    assert scores.identity.idf1 >= 0.72


def test_the_last_table_and_the_rows_tell_of_every_frame(real_run: RealRun, store: Database) -> None:
    assert "finished" in real_run.done.out
    with store.read() as connection:
        run = connection.execute(select(tables.Run.status, tables.Run.error)).one()
        source = connection.execute(
            select(tables.RunSource.status, tables.RunSource.frames_read, tables.RunSource.processed)
        ).one()
        checkpoint = connection.scalar(select(tables.Checkpoint.next_frame))
    assert tuple(run) == ("finished", None)
    assert tuple(source) == ("finished", REAL_FRAMES, REAL_FRAMES)
    assert checkpoint == REAL_FRAMES


def test_database_text_and_csv_say_the_same(real_run: RealRun, store: Database) -> None:
    with store.read() as connection:
        stored = connection.execute(
            select(tables.Observation.frame, tables.Track.local_id, tables.Observation.x1, tables.Observation.y2)
            .join(tables.Track, tables.Track.id == tables.Observation.track_id)
            .order_by(tables.Observation.frame, tables.Track.local_id)
        ).all()
    text = read_tracks(real_run.folder / "tracks.txt")
    with (real_run.folder / "tracks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(stored) == len(text) == len(rows) > 700
    for row, frame, local_id, box, line in zip(stored, text.frames, text.ids, text.boxes, rows, strict=True):
        assert (row.frame + 1, row.local_id) == (frame, local_id) == (int(line["frame"]) + 1, int(line["id"]))
        assert (row.x1, row.y2) == pytest.approx((box[0], box[3]), abs=0.01)


def test_every_raw_detection_and_its_feature_is_kept(store: Database) -> None:
    with store.read() as connection:
        chunks = connection.execute(
            select(
                tables.DetectionChunk.first_frame, tables.DetectionChunk.end_frame, tables.DetectionChunk.payload
            ).order_by(tables.DetectionChunk.first_frame)
        ).all()
    assert [chunk.first_frame for chunk in chunks] == list(range(0, REAL_FRAMES, 100))
    assert chunks[-1].end_frame == REAL_FRAMES
    found = [one for chunk in chunks for one in unpack_detections(chunk.payload).detections]
    assert len(found) == REAL_FRAMES
    for detections in found:
        assert detections.features is not None
        described = np.isfinite(detections.features).all(axis=1)
        assert (described == (detections.scores >= 0.3)).all()  # embedder.min_score
        assert np.linalg.norm(detections.features[described], axis=1) == pytest.approx(1, abs=1e-5)


def test_each_track_has_an_object_embeddings_and_a_readable_best_picture(real_run: RealRun, store: Database) -> None:
    tracks = scalar(store, select(func.count()).select_from(tables.Track))
    assert scalar(store, select(func.count()).select_from(tables.ObjectMember)) == tracks
    means = select(func.count()).select_from(tables.Embedding).where(tables.Embedding.kind == "mean")
    assert scalar(store, means) == tracks
    with store.read() as connection:
        media = connection.execute(select(tables.Media.path, tables.Media.width, tables.Media.height)).all()
        vectors = connection.scalars(select(tables.Embedding.vector)).all()
    assert len(media) == tracks
    for path, width, height in media:
        picture = cv2.imread(str(real_run.folder / "runs" / "media" / path))
        assert picture.shape == (height, width, 3)
    assert {len(vector) for vector in vectors} == {256}


def test_annotated_video_has_every_frame_at_its_time(real_run: RealRun, pets: Path) -> None:
    def times(path: Path) -> list[float]:
        with av.open(str(path)) as container:
            assert container.streams.video[0].codec_context.name == "h264"
            return [float(frame.time) for frame in container.decode(video=0)]

    assert times(real_run.folder / "tracks.mp4") == pytest.approx(times(pets / "video.mp4")[:REAL_FRAMES], abs=0.001)


def test_exports_of_a_run_with_networks(real_run: RealRun, tmp_path: Path) -> None:
    """PETS with a CNN, a ReID network and DeepSORT."""
    for wanted in ("tracks.txt", "tracks.csv"):
        done = call_main("export", "last", "--out", tmp_path / wanted, folder=real_run.folder)
        assert done.code == 0, done.err
        assert (tmp_path / wanted).read_bytes() == (real_run.folder / wanted).read_bytes()


@pytest.mark.long
def test_queues_and_chunks_change_nothing_in_the_files(pets: Path, exact: list[str], tmp_path: Path) -> None:
    """Video is encoded chunk by chunk, so its bytes depend on them."""
    texts, videos = [], []
    queues, chunks = ["--set", "engine.capacity=1"], ["--set", "store.chunk=7"]
    for name, extra in (("a", []), ("b", queues), ("c", [*queues, *chunks])):
        folder = tmp_path / name
        folder.mkdir()
        outputs = ["--mot-out", "tracks.txt", "--csv-out", "tracks.csv", "--video-out", "tracks.mp4"]
        outputs += ["--max-frames", "70"]
        assert sightline("run", pets / "video.mp4", *exact, *extra, *outputs, folder=folder).code == 0
        texts.append([(folder / file).read_bytes() for file in ("tracks.txt", "tracks.csv")])
        videos.append((folder / "tracks.mp4").read_bytes())
    assert texts[0] == texts[1] == texts[2]
    assert videos[0] == videos[1]
    assert len(texts[0][0].splitlines()) > 200


@pytest.mark.parametrize(
    ("detector", "extra"),
    [
        ("yolox_nano/yolox_nano.onnx", ["--set", "detector.backend=openvino"]),
        pytest.param("yolox_nano/yolox_nano.onnx", ["--set", "detector.backend=onnx"], marks=pytest.mark.long),
        ("yolov8n_int8/yolov8n_quantized_int8.onnx", ["--set", "detector.backend=onnx"]),
        ("yolov8n_int8/yolov8n_quantized_int8.onnx", ["--set", "detector.backend=ultralytics"]),
        pytest.param("yolov8n_int8/yolov8n_quantized_int8.onnx", [], marks=pytest.mark.long),
    ],
)
def test_people_config_takes_other_detectors_and_osnet(
    shared: Path, pets: Path, tmp_path: Path, detector: str, extra: list[str]
) -> None:
    osnet = shared / "weights" / "osnet_x0_25_msmt17" / "osnet_x0_25_msmt17.onnx"
    weights = ["--set", f"detector.weights={shared / 'weights' / detector}", "--set", f"embedder.weights={osnet}"]
    options = ["--config", "people", *weights, *extra, "--max-frames", 12, "--mot-out", "tracks.txt"]
    done = call_main("run", pets / "video.mp4", *options, folder=tmp_path)
    assert done.code == 0, done.err
    tracks = read_tracks(tmp_path / "tracks.txt")
    assert len(set(tracks.ids)) >= 3


@pytest.mark.parametrize(
    "architecture",
    [
        "fasterrcnn_mobilenet_v3_large_320_fpn",
        pytest.param("ssdlite320_mobilenet_v3_large", marks=pytest.mark.long),
    ],
)
def test_torchvision_runs_without_weights(pets: Path, tmp_path: Path, architecture: str) -> None:
    options = ["detector.backend=torchvision", f"detector.architecture={architecture}", "detector.weights=none"]
    sets = [word for option in options for word in ("--set", option)]
    done = call_main("run", *MOTION, pets / "video.mp4", *sets, "--max-frames", 2, folder=tmp_path)
    assert done.code == 0, done.err
    assert architecture in done.out


def test_several_sources_share_a_run_and_name_their_files(pets: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    with av.open(str(pets / "video.mp4")) as container:
        for number, frame in zip(range(12), container.decode(video=0), strict=False):
            cv2.imwrite(str(pictures / f"{number}.png"), frame.to_ndarray(format="bgr24"))
    done = call_main(
        "run", *MOTION, pets / "video.mp4", pictures, "--max-frames", 20, "--mot-out", "{name}.txt", folder=tmp_path
    )
    assert done.code == 0, done.err
    assert (tmp_path / "video.txt").exists()
    assert (tmp_path / "pictures.txt").exists()
    with open_database(tmp_path / "runs" / "sightline.db") as store:
        assert scalar(store, select(func.count()).select_from(tables.Run)) == 1
        with store.read() as connection:
            read = connection.scalars(select(tables.RunSource.frames_read).order_by(tables.RunSource.id)).all()
    assert read == [20, 12]


def test_track_and_evaluate_commands_score_as_the_library_does(shared: Path, tmp_path: Path) -> None:
    sequence = shared / "data" / "mot17-val" / "MOT17-09"
    for tracker in get_args(TrackerName):
        done = call_main(
            *("track", sequence / "det" / "det.txt", "--sequence", sequence, "--tracker", tracker),
            *("--gmc", sequence / "gmc.txt", "--set", "lost_seconds=1.5", "--out", f"{tracker}.txt"),
            folder=tmp_path,
        )
        assert done.code == 0, done.err
        truth = sequence / "gt" / "gt.txt"
        done = call_main(
            "evaluate", "mot", "--truth", truth, "--tracks", f"{tracker}.txt", "--json", "s.json", folder=tmp_path
        )
        assert done.code == 0, done.err
        scores = json.loads((tmp_path / "s.json").read_text())["COMBINED"]
        assert scores["HOTA"] > 0.6
        assert "HOTA" in done.out


def test_ctrl_c_finishes_and_stores_what_was_read(pets: Path, people: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipeline", "run", str(pets / "video.mp4"), *people, "--mot-out", "tracks.txt"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL) as process:
        wait_for_frame(process, tmp_path / "runs" / "sightline.db", 100)  # the first chunk is stored
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 130
    with open_database(tmp_path / "runs" / "sightline.db") as store, store.read() as connection:
        assert connection.scalar(select(tables.Run.status)) == "stopped"
        status, frames = connection.execute(select(tables.RunSource.status, tables.RunSource.frames_read)).one()
        assert status == "stopped"
        assert 100 <= frames < 795  # the whole clip
        assert connection.scalar(select(tables.Checkpoint.next_frame)) == frames
        rows = connection.scalar(select(func.count()).select_from(tables.Observation))
    assert rows == len(read_tracks(tmp_path / "tracks.txt"))
