"""Scores of the trackers' defaults on published detections of real videos. They may rise, but not fall."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.evaluation.benchmark import Benchmark, pair_frames
from pipeline.evaluation.mot import evaluate
from pipeline.evaluation.scores import Scores, combine
from pipeline.evaluation.sequences import SequenceBoxes, read_detections, read_truth
from pipeline.evaluation.sidecars import read_seqinfo
from trackers.bytetrack import ByteTrack
from trackers.deepsort import DeepSort
from trackers.ocsort import OcSort
from trackers.sort import Sort
from trackers.structures import Detections, MultiObjectTracker


def track(sequence: Path, detections: Path, tracker: MultiObjectTracker) -> SequenceBoxes:
    """The confirmed tracks that a tracker makes of a file of detections, all of one class."""
    info = read_seqinfo(sequence / "seqinfo.ini")
    found = read_detections(detections)
    starts, ends = (np.searchsorted(found.frames, np.arange(1, info.length + 1), side) for side in ("left", "right"))
    frames, ids, boxes, scores = [], [], [], []
    for index, (start, end) in enumerate(zip(starts, ends, strict=True)):
        rows = slice(start, end)
        labels = np.zeros(end - start, np.int64)
        seen = Detections(found.boxes[rows].astype(np.float32), found.scores[rows].astype(np.float32), labels)
        tracks = tracker.update(seen, index / info.frame_rate).confirmed
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
) -> Scores:
    tracks = track(sequence, sequence / detections, tracker)
    true_boxes = read_truth(sequence / truth, layout=benchmark.layout)
    return evaluate(pair_frames(true_boxes, tracks, benchmark=benchmark))


def score_all(folder: Path, make: Callable[[], MultiObjectTracker], benchmark: Benchmark) -> Scores:
    sequences = sorted(path.parent for path in folder.glob("*/seqinfo.ini"))
    return combine([score(sequence, make(), benchmark) for sequence in sequences])


@pytest.mark.parametrize(
    ("make", "hota", "idf1"),
    [
        pytest.param(DeepSort, 54.0, 66.0, id="deepsort"),
        pytest.param(ByteTrack, 53.0, 64.0, id="bytetrack"),
        pytest.param(OcSort, 50.7, 61.2, id="ocsort"),
        pytest.param(Sort, 52.6, 64.3, id="sort"),
    ],
)
def test_mot17_val(shared: Path, make: Callable[[], MultiObjectTracker], hota: float, idf1: float) -> None:
    scores = score_all(shared / "data" / "mot17-val", make, Benchmark.MOT17)
    assert scores.hota.hota * 100 >= hota
    assert scores.identity.idf1 * 100 >= idf1


@pytest.mark.parametrize(
    ("make", "hota"),
    [
        pytest.param(DeepSort, 37.0, id="deepsort"),
        pytest.param(ByteTrack, 37.0, id="bytetrack"),
        pytest.param(OcSort, 36.4, id="ocsort"),
        pytest.param(Sort, 36.1, id="sort"),
    ],
)
def test_mot15(shared: Path, make: Callable[[], MultiObjectTracker], hota: float) -> None:
    scores = score_all(shared / "data" / "mot15", make, Benchmark.MOT15)
    assert scores.hota.hota * 100 >= hota


def test_pets_through_a_small_detector(shared: Path) -> None:
    scores = score(
        shared / "data" / "mot15" / "PETS09-S2L1",
        DeepSort(),
        Benchmark.MOT15,
        truth="gt/gt_at_video_scale.txt",
        detections="det/person-vehicle-bike-2004.txt",
    )
    assert scores.hota.hota * 100 >= 55.0
