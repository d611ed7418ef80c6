"""A benchmark of target trackers from beginning to end: all of them in turns on every clip, and what comes of it."""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipeline.errors import ConfigError, FormatError, OutputError
from pipeline.evaluation.absences import Absence, AbsenceScores, HiddenTruth, evaluate_absences
from pipeline.evaluation.number_table import write_text
from pipeline.evaluation.sidecars import FollowInfo
from pipeline.evaluation.sot import Followed, Truth, evaluate
from pipeline.evaluation.sot_files import TargetResult
from pipeline.peer_process.worker import Missing, TrackerError
from pipeline.target_benchmark.absence_plan import plan_absences
from pipeline.target_benchmark.clips import ClipPictures, TargetClip, clip_pictures, find_clips
from pipeline.target_benchmark.hiding import hide
from pipeline.target_benchmark.line_up import line_up, networks_of
from pipeline.target_benchmark.worker import TargetContestant, open_target_contest
from trackers.geometry import to_xywh
from trackers.structures import FloatArray

BOXES = "boxes"  # folder of results, a folder a tracker in it
MANY_PICTURES = 40  # in which many targets are followed at once
_WARM_UP = 5  # of these

Begun = Callable[[int], None]  # told how many steps there are
Advanced = Callable[[str], None]  # told what a step is about to do


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """What to measure, and on whom."""

    data: Path  # folder of clips
    trackers: Sequence[str]  # of ours; none: all that can
    overrides: Sequence[str]  # NAME.KEY=VALUE
    pythons: Sequence[str]  # interpreters of environments with others' trackers
    absences: bool  # follow targets, too, that are away at times
    absence_clips: Sequence[str]  # in these clips; none: in all
    seed: int  # of when they are away
    targets: int  # followed at once; 0: not measured


@dataclass(slots=True)
class Entrant:
    """What one tracker has done. A clip each, by name, in the order of the clips."""

    contestant: TargetContestant
    results: dict[str, TargetResult] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)  # for a picture, mean
    plain: dict[str, AbsenceScores] = field(default_factory=dict)  # the clip as it is: what its score is worth
    absences: dict[str, AbsenceScores] = field(default_factory=dict)
    many: float | None = None  # milliseconds for a picture with many targets, median
    failure: str | None = None  # why it stopped

    def times_faster(self, other: Entrant) -> float | None:
        """How many times as fast as another: median over clips of the ratio within a clip. None where unknown."""
        ratios = [other.seconds[name] / own for name, own in self.seconds.items() if name in other.seconds]
        return statistics.median(ratios) if ratios else None


@dataclass(frozen=True, slots=True, eq=False)
class TargetSummary:
    """Everything that was measured."""

    clips: Sequence[str]
    entrants: Sequence[Entrant]
    missing: Sequence[Missing]
    absent: dict[str, str]  # ours that could not take part, and why
    targets: int


def run_target_benchmark(plan: TargetPlan, out: Path, *, begun: Begun, advanced: Advanced) -> TargetSummary:
    """Measure, and write the boxes of every tracker into `out`, as `sightline evaluate sot` reads them.

    Raises ConfigError, DependencyError, FormatError for data that are not what they should be, and OutputError; before
    the measuring begins, unless a file is malformed or the disk fills up.
    """
    settings, absent = line_up(plan.trackers, plan.overrides)
    clips = find_clips(plan.data)
    names = [clip.name for clip in clips]
    for name in plan.absence_clips:
        if name not in names:
            raise ConfigError(f"there is no clip {name!r} in {plan.data}; it has {', '.join(names)}")
    with tempfile.TemporaryDirectory(prefix="sightline-benchmark-") as scratch:
        folder = Path(scratch)
        with open_target_contest(settings, plan.pythons, networks=networks_of(settings), folder=folder) as contest:
            entrants = [Entrant(each) for each in contest.contestants]
            hidden = [clip.name for clip in clips if plan.absences and clip.name in (plan.absence_clips or names)]
            begun((len(clips) + len(hidden) + bool(plan.targets)) * len(entrants))
            for number, clip in enumerate(clips):
                turn = number % len(entrants)
                order = [*entrants[turn:], *entrants[:turn]]
                with clip_pictures(clip, folder / "clip.npy") as pictures:
                    _follow(order, clip, pictures, out=out, advanced=advanced)
                    if clip.name in hidden:
                        _follow_hidden(order, clip, pictures, seed=plan.seed, advanced=advanced)
            if plan.targets:
                _follow_many(entrants, clips[0], plan.targets, folder=folder, advanced=advanced)
    if plan.absences and not any(one.absences or one.failure for one in entrants):
        raise FormatError(f"no clip of {plan.data} is long enough for its target to be away for a second in it")
    return TargetSummary(names, entrants, contest.missing, absent, plan.targets)


def spread_boxes(box: FloatArray, count: int, *, width: int, height: int) -> FloatArray:
    """Boxes (count, 4) of the size of one, their middles on a grid over the picture; where needed they overlap.

    ConfigError where that size leaves no room.
    """
    sides = to_xywh(box[None])[0, 2:]
    across = int(np.ceil(np.sqrt(count * width / height)))
    down = int(np.ceil(count / across))
    room = np.array([width, height]) - sides
    if (room < 0).any():
        raise ConfigError(f"a target of {sides[0]:g} x {sides[1]:g} pixels is larger than its picture")
    columns, rows = np.meshgrid(np.linspace(0, room[0], across), np.linspace(0, room[1], down))
    corners = np.column_stack([columns.ravel(), rows.ravel()])[:count]
    return np.concatenate([corners, corners + sides], axis=1)


def _follow(
    order: Sequence[Entrant], clip: TargetClip, pictures: ClipPictures, *, out: Path, advanced: Advanced
) -> None:
    unhidden = HiddenTruth(clip.truth, np.ones(len(clip.truth), bool), (), pictures.frame_rate)
    for entrant in order:
        advanced(f"{entrant.contestant.name}, {clip.name}")
        followed, seconds = _followed(entrant, clip, pictures.path)
        if followed is not None:
            speed = len(seconds) / sum(seconds) if sum(seconds) else float("inf")
            info = FollowInfo(speed, entrant.contestant.name, clip.start)
            entrant.results[clip.name] = TargetResult(clip.name, evaluate(clip.truth, followed), info)
            entrant.seconds[clip.name] = sum(seconds) / len(seconds)
            entrant.plain[clip.name] = evaluate_absences(unhidden, followed)
            _write_boxes(out / BOXES / entrant.contestant.name.replace(" ", "-").lower(), clip, followed, info)


def _follow_hidden(
    order: Sequence[Entrant], clip: TargetClip, pictures: ClipPictures, *, seed: int, advanced: Advanced
) -> None:
    """The same with absences; nothing where the clip is too short for one."""
    chance = (seed, zlib.crc32(clip.name.encode()))  # other times in every clip
    absences = plan_absences(clip.truth, pictures.frame_rate, seed=chance)
    if absences:
        with _hidden(clip.truth, pictures, absences) as (path, hidden):
            for entrant in order:
                advanced(f"{entrant.contestant.name}, {clip.name} with absences")
                followed, _ = _followed(entrant, clip, path)
                if followed is not None:
                    entrant.absences[clip.name] = evaluate_absences(hidden, followed)


@contextmanager
def _hidden(truth: Truth, pictures: ClipPictures, absences: Sequence[Absence]) -> Iterator[tuple[Path, HiddenTruth]]:
    made = hide(pictures.pictures, truth, absences, frame_rate=pictures.frame_rate)
    path = pictures.path.with_name("hidden.npy")
    try:
        shutil.copyfile(pictures.path, path)
        stored = np.load(path, mmap_mode="r+", allow_pickle=False)
        for frame, picture in made.changed.items():
            stored[frame] = picture
        stored.flush()
        yield path, made.hidden
    finally:
        path.unlink(missing_ok=True)


def _follow_many(
    entrants: Sequence[Entrant], clip: TargetClip, count: int, *, folder: Path, advanced: Advanced
) -> None:
    """Time many targets at once, boxes spread over the first pictures of a clip."""
    with clip_pictures(clip, folder / "clip.npy") as pictures:
        height, width = pictures.pictures[0].shape[:2]
        boxes = spread_boxes(clip.truth.boxes[0], count, width=width, height=height)
        for entrant in entrants:
            advanced(f"{entrant.contestant.name}, {count} targets")
            if entrant.failure is None and entrant.contestant.entry.many:
                worker = entrant.contestant.worker
                try:
                    seconds = worker.many(entrant.contestant.entry, pictures.path, boxes, count=MANY_PICTURES)
                except TrackerError as error:
                    entrant.failure = f"{count} targets: {error}"
                    continue
                if len(seconds) > _WARM_UP:
                    entrant.many = 1000 * statistics.median(seconds[_WARM_UP:])


def _followed(entrant: Entrant, clip: TargetClip, path: Path) -> tuple[Followed | None, list[float]]:
    """What a tracker makes of a clip; None where it has failed, now or before."""
    contestant = entrant.contestant
    if entrant.failure is not None:
        return None, []
    try:
        return contestant.worker.follow(contestant.entry, path, clip.truth.boxes[0], out=path.with_name("followed.npz"))
    except TrackerError as error:
        entrant.failure = f"{clip.name}: {error}"
        return None, []


def _write_boxes(folder: Path, clip: TargetClip, followed: Followed, info: FollowInfo) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made: {error.strerror}; name another with --out") from error
    assert followed.scores is not None, "every tracker of a benchmark gives one"
    rows = np.column_stack([to_xywh(followed.boxes), followed.scores])
    write_text(folder / f"{clip.name}.txt", "".join(",".join(f"{one:.4f}" for one in row) + "\n" for row in rows))
    known = {
        "tracker": info.tracker,
        "frames_per_second": info.frames_per_second,
        "start_frame": info.start_frame,
    }
    write_text(folder / f"{clip.name}.txt.json", json.dumps(known) + "\n")
