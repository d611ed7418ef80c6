"""What a MOTChallenge benchmark counts, and the evaluation of result files and folders by its rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from pipeline.errors import FormatError
from pipeline.evaluation.mot import THRESHOLD, FramePair, evaluate
from pipeline.evaluation.scores import Scores, combine
from pipeline.evaluation.sequences import Layout, SequenceBoxes, find_layout, read_tracks, read_truth
from pipeline.evaluation.sidecars import read_seqinfo
from trackers.geometry import iou_matrix
from trackers.structures import BoolArray, FloatArray, IntArray

PEDESTRIAN = 1  # the only class that is scored
_EPSILON = np.finfo(np.float64).eps


class Benchmark(StrEnum):
    """A year's rules. MOT16 and MOT17 have the same ones."""

    MOT15 = "mot15"
    MOT16 = "mot16"
    MOT17 = "mot17"
    MOT20 = "mot20"

    @property
    def layout(self) -> Layout:
        """What column 8 of its files means: a class since MOT16."""
        return Layout.WORLD if self is Benchmark.MOT15 else Layout.CLASS

    @property
    def distractors(self) -> tuple[int, ...]:
        """Classes that look like pedestrians: tracking them is no mistake, and not tracking them neither."""
        match self:
            case Benchmark.MOT15:
                return ()  # its ground truth has no classes
            case Benchmark.MOT16 | Benchmark.MOT17:
                return (2, 7, 8, 12)  # person on vehicle, static person, distractor, reflection
            case Benchmark.MOT20:
                return (2, 6, 7, 8, 12)  # as above, and vehicles without a motor


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Scores of some sequences by one benchmark's rules."""

    benchmark: Benchmark
    sequences: Mapping[str, Scores]  # by name, in order
    combined: Scores  # counts of all sequences pooled


def evaluate_files(truth: Path, tracks: Path, *, benchmark: Benchmark | None = None) -> Evaluation:
    """Score one sequence's result. `benchmark`: None for `find_benchmark`.

    The sequence's length is that of a `seqinfo.ini` beside the ground truth (or beside its folder `gt`) if there is
    one, else the last frame of either file. FormatError where a file is missing or malformed.
    """
    benchmark = benchmark or find_benchmark([truth])
    scores = _evaluate_sequence(truth, tracks, benchmark)
    return Evaluation(benchmark, {_sequence_name(truth): scores}, scores)


def evaluate_folders(truth: Path, tracks: Path, *, benchmark: Benchmark | None = None) -> Evaluation:
    """Score a folder of results against a folder of sequences; `benchmark` as in `evaluate_files`.

    Ground truth: `SEQ/gt/gt.txt` or `SEQ/gt.txt`; in a folder without any of these, `SEQ.txt`. Results, the first that
    exists: `SEQ.txt`, `SEQ/SEQ.txt`, `SEQ/test.txt`; those of other sequences are left alone. FormatError where
    there is no sequence, one has no result, or a file is malformed.
    """
    truths = find_truths(truth)
    benchmark = benchmark or find_benchmark(truths.values())
    results = {name: _find_tracks(tracks, name) for name in truths}  # all of them before the first is read
    scores = {name: _evaluate_sequence(path, results[name], benchmark) for name, path in truths.items()}
    return Evaluation(benchmark, scores, combine(list(scores.values())))


def find_benchmark(truths: Iterable[Path]) -> Benchmark:
    """MOT15 or MOT17 by the columns of the ground truth; MOT20, whose files look like MOT17's, has to be named.

    FormatError where the columns are no proof or the files differ. Without any box every rule gives the same: MOT17.
    """
    layouts = {layout: path for path in truths if (layout := find_layout(path)) is not None}
    if len(layouts) > 1:
        raise FormatError(
            f"{layouts[Layout.WORLD]} is laid out as MOT15, {layouts[Layout.CLASS]} as MOT16 and later; "
            "evaluate them apart or name the benchmark"
        )
    return Benchmark.MOT15 if Layout.WORLD in layouts else Benchmark.MOT17


def find_truths(folder: Path) -> dict[str, Path]:
    """Ground truth files of a folder of sequences by name, in order (`evaluate_folders` says where)."""
    if not folder.is_dir():
        raise FormatError(f"{folder}: no such folder")
    entries = sorted(folder.iterdir())
    nested = {
        entry.name: path
        for entry in entries
        for path in (entry / "gt.txt", entry / "gt" / "gt.txt")  # of both, the latter
        if entry.name != "gt" and path.is_file()  # `gt/gt.txt` here: the folder is itself a sequence
    }
    found = nested or {entry.stem: entry for entry in entries if entry.suffix == ".txt" and entry.name != "gt.txt"}
    if not found:
        raise FormatError(f"{folder}: no sequence; expected SEQ/gt/gt.txt, SEQ/gt.txt or SEQ.txt in it")
    return found


def pair_frames(truth: SequenceBoxes, tracks: SequenceBoxes, *, benchmark: Benchmark) -> list[FramePair]:
    """What counts in every frame that has a box of either, with the IoU as similarity.

    Ground truth counts where its score is not 0 and, since MOT16, its class is pedestrian. Tracks count unless they
    are on a distractor: before anything is removed, all boxes of the frame are paired for the highest total IoU, pairs
    from IoU 0.5 are valid, and tracks whose partner is a distractor go.
    """
    truth, tracks = truth.by_frame(), tracks.by_frame()
    frames = np.union1d(truth.frames, tracks.frames)
    parts = zip(_parts(truth, frames), _parts(tracks, frames), strict=True)
    return [_pair(own, other, benchmark) for own, other in parts]


def _pair(truth: SequenceBoxes, tracks: SequenceBoxes, benchmark: Benchmark) -> FramePair:
    similarity = iou_matrix(truth.boxes, tracks.boxes)
    counts = truth.scores != 0
    if benchmark.layout is Layout.CLASS:
        counts &= truth.classes == PEDESTRIAN
    fair = ~_on_distractor(similarity, np.isin(truth.classes, benchmark.distractors))
    return FramePair(truth.ids[counts], tracks.ids[fair], similarity[np.ix_(counts, fair)])


def _on_distractor(similarity: FloatArray, distractor: BoolArray) -> BoolArray:
    """Which tracks (t,) the best pairing gives a distractor. `similarity`: (g, t), `distractor`: (g,)."""
    found = np.zeros(similarity.shape[1], dtype=bool)
    if distractor.any():
        valid = np.where(similarity >= THRESHOLD - _EPSILON, similarity, 0.0)
        rows, columns = linear_sum_assignment(valid, maximize=True)
        found[columns] = distractor[rows] & (valid[rows, columns] > 0)
    return found


def _parts(boxes: SequenceBoxes, frames: IntArray) -> list[SequenceBoxes]:
    """Boxes of each of `frames`; both by rising frame."""
    starts, ends = np.searchsorted(boxes.frames, frames, "left"), np.searchsorted(boxes.frames, frames, "right")
    return [boxes[start:end] for start, end in zip(starts, ends, strict=True)]


def _evaluate_sequence(truth: Path, tracks: Path, benchmark: Benchmark) -> Scores:
    true_boxes = read_truth(truth, layout=benchmark.layout)
    tracked_boxes = read_tracks(tracks, layout=benchmark.layout)
    _require_pedestrians(tracked_boxes, tracks)
    for boxes, path in ((true_boxes, truth), (tracked_boxes, tracks)):
        _require_length(boxes, path, truth)
    return evaluate(pair_frames(true_boxes, tracked_boxes, benchmark=benchmark))


def _require_pedestrians(tracks: SequenceBoxes, path: Path) -> None:
    others = np.flatnonzero(tracks.classes > PEDESTRIAN)  # 0 and -1: no class was said
    if len(others):
        row = others[0]
        where = f"{path}: frame {tracks.frames[row]}, id {tracks.ids[row]}"
        raise FormatError(f"{where} has class {tracks.classes[row]}; only pedestrians (1, or -1: not said) are scored")


def _require_length(boxes: SequenceBoxes, path: Path, truth: Path) -> None:
    folder = truth.resolve().parent
    seqinfo = (folder.parent if folder.name == "gt" else folder) / "seqinfo.ini"
    if not (len(boxes) and seqinfo.is_file()):
        return
    length = read_seqinfo(seqinfo).length
    if boxes.frames[-1] > length:
        raise FormatError(f"{path}: frame {boxes.frames[-1]}, but the sequence ends with {length} ({seqinfo})")


def _sequence_name(truth: Path) -> str:
    path = truth.resolve()
    if path.name != "gt.txt":
        return path.stem
    return path.parent.parent.name if path.parent.name == "gt" else path.parent.name


def _find_tracks(folder: Path, name: str) -> Path:
    places = (Path(f"{name}.txt"), Path(name, f"{name}.txt"), Path(name, "test.txt"))
    for place in places:
        if (folder / place).is_file():
            return folder / place
    raise FormatError(f"{folder}: no result for sequence {name!r}; expected {' or '.join(map(str, places))} in it")
