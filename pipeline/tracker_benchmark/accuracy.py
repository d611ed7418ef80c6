"""How well trackers do on sequences with ground truth, all from the same detections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline import build
from pipeline.config import RefineSettings
from pipeline.errors import FormatError
from pipeline.evaluation.benchmark import Benchmark, Evaluation, evaluate_folders, find_benchmark, find_truths
from pipeline.evaluation.sequences import UNKNOWN, SequenceBoxes, read_detections, write_tracks
from pipeline.evaluation.sidecars import read_camera_motion, read_seqinfo
from pipeline.peer_process.worker import TrackerError
from pipeline.track_file import track_file
from pipeline.tracker_benchmark.contest import Contestant
from pipeline.tracker_benchmark.frame_file import write_frames
from pipeline.tracker_benchmark.own_trackers import new_tracker


@dataclass(frozen=True, slots=True)
class Group:
    """Sequences of one benchmark, scored together."""

    folder: Path
    benchmark: Benchmark
    sequences: tuple[str, ...]  # names of its folders

    @property
    def name(self) -> str:
        """Of its folder."""
        return self.folder.resolve().name

    def detections(self, sequence: str) -> Path:
        """The file every tracker is given."""
        return self.folder / sequence / "det" / "det.txt"

    def camera_motion(self, sequence: str) -> Path | None:
        """The file of affine maps, None where there is none."""
        path = self.folder / sequence / "gmc.txt"
        return path if path.is_file() else None


@dataclass(slots=True)
class Result:
    """One tracker's scores, by the group's name."""

    contestant: Contestant
    refined: bool = False
    moved: bool = False  # it was given camera motion where there is a file of it
    groups: dict[str, Evaluation] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)  # why there is no score, by the group's name

    @property
    def label(self) -> str:
        """The tracker and what was added to it."""
        return self.contestant.name + (" + refine" if self.refined else "")

    @property
    def file_name(self) -> str:
        """The label, fit for a folder."""
        return self.label.replace(" + ", "-").replace(" ", "-").lower()


def read_group(folder: Path) -> Group:
    """A folder of sequences. FormatError where one lacks detections or seqinfo.ini, or the folder holds none."""
    truths = find_truths(folder)
    group = Group(folder, find_benchmark(truths.values()), tuple(truths))
    for name in group.sequences:
        for path, what in ((group.detections(name), "detections"), (folder / name / "seqinfo.ini", "seqinfo.ini")):
            if not path.is_file():
                raise FormatError(f"sequence {name} of {folder} has no {what}: {path} is missing")
    return group


def entrants(contestants: Sequence[Contestant], *, camera_motion: bool, refine: bool) -> list[Result]:
    """Who is scored, without scores yet: everyone who needs no features, ours with hindsight too where asked."""
    able = [each for each in contestants if not each.entry.features]
    results = [Result(each, moved=camera_motion and each.entry.motion) for each in able]
    return results + [Result(one.contestant, True, one.moved) for one in results if refine and one.contestant.own]


def score(results: Sequence[Result], groups: Sequence[Group], *, folder: Path, advanced: Callable[[str], None]) -> None:
    """Track every sequence with everyone and fill in the scores.

    Tracks go to `folder`, a file `TRACKER/GROUP/SEQUENCE.txt` each. `advanced` is called before each sequence.
    """
    for group in groups:
        for result in results:
            place = folder / result.file_name / group.name
            place.mkdir(parents=True, exist_ok=True)
            try:
                for sequence in _announced(result, group, advanced):
                    track = _track_own if result.contestant.own else _track_peer
                    track(result, group, sequence, place / f"{sequence}.txt")
                result.groups[group.name] = evaluate_folders(group.folder, place, benchmark=group.benchmark)
            except TrackerError as error:
                result.failures[group.name] = str(error)
            except FormatError as error:
                if result.contestant.own:
                    raise
                result.failures[group.name] = f"its tracks are none: {error}"


def _announced(result: Result, group: Group, advanced: Callable[[str], None]) -> Iterator[str]:
    for sequence in group.sequences:
        advanced(f"{result.label}, {sequence}")
        yield sequence


def _track_own(result: Result, group: Group, sequence: str, out: Path) -> None:
    track_file(
        group.detections(sequence),
        group.folder / sequence,
        new_tracker(result.contestant.name),
        out=out,
        refiner=build.refiner(RefineSettings()) if result.refined else None,
        camera_motion=group.camera_motion(sequence) if result.moved else None,
    )


def _track_peer(result: Result, group: Group, sequence: str, out: Path) -> None:
    info = read_seqinfo(group.folder / sequence / "seqinfo.ini")
    motion = group.camera_motion(sequence)
    frames, tracks = out.with_suffix(".frames.npz"), out.with_suffix(".tracks.npz")
    write_frames(
        frames,
        read_detections(group.detections(sequence)),
        frames=info.length,
        frame_rate=info.frame_rate,
        camera_motion=read_camera_motion(motion) if motion is not None and result.moved else None,
    )
    try:
        result.contestant.worker.track(result.contestant.entry, frames, tracks, motion=result.moved)
        with np.load(tracks, allow_pickle=False) as columns:
            write_tracks(out, _to_boxes(columns["frames"], columns["rows"]))
    finally:
        frames.unlink()
        tracks.unlink(missing_ok=True)


def _to_boxes(frames: np.ndarray, rows: np.ndarray) -> SequenceBoxes:
    """What a worker wrote: frames (n,), rows (n, 6) id x1 y1 x2 y2 score. What is no box is left out."""
    boxes = np.isfinite(rows).all(axis=1) & (rows[:, 3:5] > rows[:, 1:3]).all(axis=1)
    frames, rows = frames[boxes], rows[boxes]
    count = len(rows)
    return SequenceBoxes(
        frames=frames.astype(np.int64),
        ids=rows[:, 0].astype(np.int64),
        boxes=rows[:, 1:5],
        scores=rows[:, 5],
        classes=np.full(count, UNKNOWN),
        visibility=np.full(count, float(UNKNOWN)),
    )
