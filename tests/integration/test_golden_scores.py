"""Scores of the trackers' defaults on published detections of real videos. They may rise, but not fall."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation.benchmark import Benchmark, pair_frames
from pipeline.evaluation.mot import evaluate
from pipeline.evaluation.scores import Scores, combine
from pipeline.evaluation.sequences import SequenceBoxes, read_detections, read_truth
from pipeline.evaluation.sidecars import read_camera_motion, read_seqinfo
from trackers.bytetrack import ByteTrack
from trackers.deepsort import DeepSort
from trackers.ocsort import OcSort
from trackers.sort import Sort
from trackers.structures import Detections, FloatArray, MultiObjectTracker


def over(motion: Mapping[int, FloatArray], number: int, step: int) -> FloatArray | None:
    """The camera's motion (2, 3) from frame `number - step` to `number`, of those from frame to frame."""
    whole = np.eye(3)
    known = [motion[frame] for frame in range(number - step + 1, number + 1) if frame in motion]
    for affine in known:
        whole = np.vstack([affine, [0, 0, 1]]) @ whole
    return whole[:2] if known else None


def track(
    sequence: Path,
    detections: Path,
    tracker: MultiObjectTracker,
    *,
    motion: Mapping[int, FloatArray],
    step: int,
) -> SequenceBoxes:
    """The confirmed tracks that a tracker makes of each `step`-th frame of a file of detections, all of one class."""
    info = read_seqinfo(sequence / "seqinfo.ini")
    found = read_detections(detections)
    starts, ends = (np.searchsorted(found.frames, np.arange(1, info.length + 1), side) for side in ("left", "right"))
    frames, ids, boxes, scores = [], [], [], []
    for index in range(0, info.length, step):
        rows = slice(starts[index], ends[index])
        labels = np.zeros(ends[index] - starts[index], np.int64)
        seen = Detections(found.boxes[rows].astype(np.float32), found.scores[rows].astype(np.float32), labels)
        moved = over(motion, index + 1, step)
        tracks = tracker.update(seen, index / info.frame_rate, camera_motion=moved).confirmed
        frames.append(np.full(len(tracks), index + 1))
        ids.append(tracks.ids)
        boxes.append(tracks.boxes.astype(np.float64))
        scores.append(tracks.scores.astype(np.float64))
    count = sum(map(len, ids))
    return SequenceBoxes(
        frames=np.concatenate(frames),
        ids=np.concatenate(ids),
        boxes=np.concatenate(boxes),
        scores=np.concatenate(scores),
        classes=np.full(count, -1),
        visibility=np.full(count, -1.0),
    )


def score(
    sequence: Path,
    tracker: MultiObjectTracker,
    benchmark: Benchmark,
    *,
    truth: str = "gt/gt.txt",
    detections: str = "det/det.txt",
    camera_motion: str | None = None,
    step: int = 1,
) -> Scores:
    motion = {} if camera_motion is None else read_camera_motion(sequence / camera_motion)
    tracks = track(sequence, sequence / detections, tracker, motion=motion, step=step)
    true_boxes = read_truth(sequence / truth, layout=benchmark.layout)
    shown = true_boxes[(true_boxes.frames - 1) % step == 0]
    return evaluate(pair_frames(shown, tracks, benchmark=benchmark))


def score_all(
    folder: Path,
    make: Callable[[], MultiObjectTracker],
    benchmark: Benchmark,
    *,
    camera_motion: str | None = None,
    step: int = 1,
) -> Scores:
    sequences = sorted(path.parent for path in folder.glob("*/seqinfo.ini"))
    return combine(
        [score(sequence, make(), benchmark, camera_motion=camera_motion, step=step) for sequence in sequences]
    )


@pytest.mark.parametrize(
    ("make", "hota", "idf1"),
    [
        pytest.param(DeepSort, 55.5, 68.0, id="deepsort"),
        pytest.param(ByteTrack, 53.0, 64.0, id="bytetrack"),
        pytest.param(OcSort, 50.7, 61.2, id="ocsort"),
        pytest.param(Sort, 52.6, 64.3, id="sort"),
    ],
)
def test_mot17_val(shared: Path, make: Callable[[], MultiObjectTracker], hota: float, idf1: float) -> None:
    scores = score_all(shared / "data" / "mot17-val", make, Benchmark.MOT17)
    assert scores.hota.hota * 100 >= hota
    assert scores.identity.idf1 * 100 >= idf1


@pytest.mark.long
def test_mot17_val_with_camera_motion_and_at_half_the_rate(shared: Path) -> None:
    """Half the frames, at their true times, cost little: life and motion are counted in seconds."""
    folder = shared / "data" / "mot17-val"
    whole = score_all(folder, DeepSort, Benchmark.MOT17, camera_motion="gmc.txt")
    assert whole.hota.hota * 100 >= 58.0
    assert whole.identity.idf1 * 100 >= 72.5
    half = score_all(folder, DeepSort, Benchmark.MOT17, camera_motion="gmc.txt", step=2)
    assert half.hota.hota * 100 >= whole.hota.hota * 100 - 3


@pytest.mark.parametrize(
    ("make", "hota", "idf1"),
    [
        pytest.param(DeepSort, 38.3, 50.0, id="deepsort"),
        pytest.param(ByteTrack, 37.0, 48.4, id="bytetrack", marks=pytest.mark.long),
        pytest.param(OcSort, 36.4, 46.0, id="ocsort", marks=pytest.mark.long),
        pytest.param(Sort, 36.1, 45.3, id="sort"),
    ],
)
def test_mot15(shared: Path, make: Callable[[], MultiObjectTracker], hota: float, idf1: float) -> None:
    scores = score_all(shared / "data" / "mot15", make, Benchmark.MOT15)
    assert scores.hota.hota * 100 >= hota
    assert scores.identity.idf1 * 100 >= idf1


@pytest.mark.parametrize(("detector", "hota"), [("2000", 47.0), ("2003", 60.5), ("2004", 58.0)])
def test_pets_through_small_detectors_with_one_setting(shared: Path, detector: str, hota: float) -> None:
    scores = score(
        shared / "data" / "mot15" / "PETS09-S2L1",
        DeepSort(),
        Benchmark.MOT15,
        truth="gt/gt_at_video_scale.txt",
        detections=f"det/person-vehicle-bike-{detector}.txt",
    )
    assert scores.hota.hota * 100 >= hota
