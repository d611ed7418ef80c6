"""Sequences with detections and truth as trackers are given them, and the scores of what a tracker makes of one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline import build
from pipeline.config import load_settings
from pipeline.evaluation.benchmark import Benchmark, pair_frames
from pipeline.evaluation.mot import evaluate
from pipeline.evaluation.scores import Scores
from pipeline.evaluation.sequences import SequenceBoxes, read_detections, read_truth
from pipeline.evaluation.sidecars import read_camera_motion, read_seqinfo
from tests.conftest import ROOT
from trackers.structures import Detections, FloatArray, MultiObjectTracker

SHARED = Path(os.environ.get("SIGHTLINE_SHARED", ROOT.parent / "shared"))
DETECTORS = ("2000", "2003", "2004")  # of person-vehicle-bike-detection
FILMED = ("PETS09-S2L1", "TUD-Campus")  # sequences with a video and these detectors' boxes on it
_NETWORKS = SHARED / "weights"
_EMBEDDER = _NETWORKS / "person-reidentification-retail-0288" / "person-reidentification-retail-0288.xml"


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One sequence with one detector's boxes."""

    sequence: str
    benchmark: Benchmark
    truth: SequenceBoxes
    frames: Sequence[Detections]
    times: FloatArray  # (frames,) seconds
    motion: Mapping[int, FloatArray]  # affine map (2, 3) from the frame before, by the frame's number from 1

    def score(self, tracker: MultiObjectTracker, *, motion: bool = True, looks: bool = True) -> Scores:
        """What a new tracker's confirmed tracks are worth, with camera motion and features or without."""
        found = [_nothing()]
        for number, (seen, when) in enumerate(zip(self.frames, self.times.tolist(), strict=True), start=1):
            given = seen if looks else replace(seen, features=None)
            tracks = tracker.update(given, when, camera_motion=self.motion.get(number) if motion else None).confirmed
            found.append((np.full(len(tracks), number), tracks.ids, tracks.boxes.astype(np.float64), tracks.scores))
        numbers, ids, boxes, scores = (np.concatenate(column) for column in zip(*found, strict=True))
        nowhere = np.full(len(ids), -1)
        result = SequenceBoxes(numbers, ids, boxes, scores.astype(np.float64), nowhere, nowhere.astype(np.float64))
        return evaluate(pair_frames(self.truth, result, benchmark=self.benchmark))


@dataclass(frozen=True, slots=True, eq=False)
class ClipSet:
    """Clips whose counts are pooled into one score."""

    name: str
    clips: tuple[Clip, ...]
    looks: bool = False  # their detections have features


def box_sets(data: Path) -> Iterator[ClipSet]:
    """Published boxes of MOT17 and MOT15; those of three small detectors on PETS09, and on TUD-Campus together."""
    for folder, benchmark in (("mot17-val", Benchmark.MOT17), ("mot15", Benchmark.MOT15)):
        places = sorted(path.parents[1] for path in (data / folder).glob("*/det/det.txt"))
        yield ClipSet(folder, tuple(read_clip(place, "det.txt", benchmark) for place in places))
    for detector in DETECTORS:
        yield ClipSet(f"PETS {detector}", (_small(data, "PETS09-S2L1", detector),))
    yield ClipSet("TUD, all three", tuple(_small(data, "TUD-Campus", detector) for detector in DETECTORS))


def look_sets(data: Path, features: Path) -> Iterator[ClipSet]:
    """The last four with features, which are kept in the folder `features` and made where they are missing there."""
    described = {
        (sequence, detector): _describe(_small(data, sequence, detector), detector, data, features)
        for sequence in FILMED
        for detector in DETECTORS
    }
    for detector in DETECTORS:
        yield ClipSet(f"PETS {detector}", (described["PETS09-S2L1", detector],), looks=True)
    yield ClipSet("TUD, all three", tuple(described["TUD-Campus", detector] for detector in DETECTORS), looks=True)


def read_clip(folder: Path, detections: str, benchmark: Benchmark, *, truth: str = "gt.txt") -> Clip:
    """One sequence's folder. FormatError where a file is not what it should be."""
    info = read_seqinfo(folder / "seqinfo.ini")
    boxes = read_detections(folder / "det" / detections)
    starts, ends = (np.searchsorted(boxes.frames, np.arange(1, info.length + 1), side) for side in ("left", "right"))
    motion = folder / "gmc.txt"
    return Clip(
        sequence=folder.name,
        benchmark=benchmark,
        truth=read_truth(folder / "gt" / truth, layout=benchmark.layout),
        frames=[_detections(boxes[start:end]) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)],
        times=np.arange(info.length) / info.frame_rate,
        motion=read_camera_motion(motion) if motion.is_file() else {},
    )


def thin(clip: Clip, every: int) -> Clip:
    """Every so many-th frame of a clip, at its true time, with the camera's motion since the one before it."""
    kept = np.arange(0, len(clip.frames), every)
    numbers = np.searchsorted(kept + 1, clip.truth.frames) + 1  # of frames that are kept
    truth = clip.truth[np.isin(clip.truth.frames, kept + 1)]
    motion = {}
    for number, last in enumerate(kept.tolist(), start=1):
        moved = np.eye(3)
        for between in range(last - every + 2, last + 2):
            moved[:2] = clip.motion.get(between, np.eye(2, 3)) @ moved
        if clip.motion and last:
            motion[number] = moved[:2]
    return replace(
        clip,
        truth=replace(truth, frames=numbers[np.isin(clip.truth.frames, kept + 1)]),
        frames=[clip.frames[index] for index in kept.tolist()],
        times=clip.times[kept],
        motion=motion,
    )


def _small(data: Path, sequence: str, detector: str) -> Clip:
    """A small detector's boxes on a video, with the truth at the video's size."""
    folder = data / "mot15" / sequence
    scaled = "gt_at_video_scale.txt"
    truth = scaled if (folder / "gt" / scaled).is_file() else "gt.txt"
    return read_clip(folder, f"person-vehicle-bike-{detector}.txt", Benchmark.MOT15, truth=truth)


def _detections(boxes: SequenceBoxes) -> Detections:
    labels = np.zeros(len(boxes), np.int64)
    return Detections(boxes.boxes.astype(np.float32), boxes.scores.astype(np.float32), labels)


def _describe(clip: Clip, detector: str, data: Path, kept: Path) -> Clip:
    """The clip with features as `sightline run --config people` would give them to its tracker."""
    network = f"person-vehicle-bike-detection-{detector}"
    files = [f"detector.weights={_NETWORKS / network / network}.xml", f"embedder.weights={_EMBEDDER}"]
    settings = load_settings("people", files)
    file = kept / f"{clip.sequence}-{detector}.npz"
    if not file.is_file():
        embedder = build.embedder(settings.embedder.model_copy(update={"min_score": 0.0}))
        assert embedder is not None, "it has weights"
        with build.source(str(data / "mot15" / clip.sequence / "video.mp4"), settings.source) as frames:
            found = [embedder.embed([frame], [seen])[0] for frame, seen in zip(frames, clip.frames, strict=True)]
        kept.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, features=np.concatenate(found))
    with np.load(file) as columns:
        features = columns["features"]
    ends = np.cumsum([len(seen) for seen in clip.frames])
    described = []
    for seen, own in zip(clip.frames, np.split(features, ends[:-1]), strict=True):
        own[seen.scores < settings.embedder.min_score] = np.nan
        described.append(replace(seen, features=own))
    return replace(clip, frames=described)


def _nothing() -> tuple[np.ndarray, ...]:
    none = np.zeros(0, np.int64)
    return none, none, np.zeros((0, 4)), np.zeros(0)
