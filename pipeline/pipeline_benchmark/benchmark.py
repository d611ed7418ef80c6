"""A benchmark of whole runs from beginning to end: takes in turns, round by round, and what comes of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import build
from pipeline.config import Settings, SourceSettings, load_settings
from pipeline.errors import ConfigError, FormatError
from pipeline.evaluation.benchmark import find_benchmark, pair_frames
from pipeline.evaluation.mot import evaluate
from pipeline.evaluation.scores import Scores
from pipeline.evaluation.sequences import read_tracks, read_truth
from pipeline.evaluation.sidecars import read_seqinfo
from pipeline.pipeline_benchmark.child import ChildError
from pipeline.pipeline_benchmark.takes import OwnTake, PeerTake, copies, own_take, parts_take, peer_take

Begun = Callable[[int], None]  # told how many steps there are
Advanced = Callable[[str], None]  # told what a step is about to do


@dataclass(frozen=True, slots=True)
class Peer:
    """Ultralytics in some environment."""

    weights: Path
    python: str | None  # interpreter; None: this one


@dataclass(frozen=True, slots=True)
class PipelinePlan:
    """What to measure."""

    sources: Sequence[Path]  # streams are copies of them, in turns; parts, peer and truth go by the first
    config: str
    settings: Sequence[str]  # key.path=value
    streams: Sequence[int]  # at once, rising; begins with 1
    rounds: int
    max_frames: int | None
    peer: Peer | None
    truth: Path | None  # MOTChallenge sequence of the first source: its folder, or the file of its boxes


@dataclass(slots=True)
class Rounds:
    """What was measured, a round each."""

    own: dict[int, list[OwnTake]] = field(default_factory=dict)  # by number of streams
    parts: list[dict[str, float]] = field(default_factory=list)  # seconds a frame of each stage by itself
    peer: list[PeerTake] = field(default_factory=list)
    own_scores: list[Scores] = field(default_factory=list)
    peer_scores: list[Scores] = field(default_factory=list)
    peer_failure: str | None = None  # why it stopped


def run_pipeline_benchmark(plan: PipelinePlan, *, begun: Begun, advanced: Advanced) -> Rounds:
    """Take the clip through everyone, `rounds` times, each round begun by another.

    ConfigError for settings, files or interpreters that are not there and where a run of ours fails; FormatError for a
    truth that is none. A peer that fails is left out from there on.
    """
    settings = load_settings(plan.config, plan.settings)
    _check(plan, settings)
    keep = settings.detector.keep
    rounds = Rounds({count: [] for count in plan.streams})
    with tempfile.TemporaryDirectory(prefix="sightline-benchmark-") as scratch:
        folder = Path(scratch)
        jobs: list[tuple[str, Callable[[], None]]] = [
            (f"{count} {'stream' if count == 1 else 'streams'}", _own_job(plan, rounds, count, folder))
            for count in plan.streams
        ]
        jobs.append(("parts one at a time", _parts_job(plan, rounds, folder)))
        if plan.peer is not None:
            jobs.append(("ultralytics", _peer_job(plan, rounds, plan.peer, keep, folder)))
        begun(plan.rounds * len(jobs))
        for number in range(plan.rounds):
            first = number % len(jobs)
            for name, job in (*jobs[first:], *jobs[:first]):
                advanced(f"round {number + 1}: {name}")
                job()
    return rounds


def score_tracks(truth: Path, tracks: Path, *, frames: int) -> Scores:
    """Of the first `frames` frames. `truth`: gt.txt. FormatError."""
    benchmark = find_benchmark([truth])
    true_boxes = read_truth(truth, layout=benchmark.layout)
    tracked_boxes = read_tracks(tracks, layout=benchmark.layout)
    return evaluate(pair_frames(true_boxes[true_boxes.frames <= frames], tracked_boxes, benchmark=benchmark))


def find_truth(place: Path) -> Path:
    """The ground truth of a sequence: the file itself, or gt/gt.txt of a folder. FormatError where there is none."""
    for path in (place, place / "gt" / "gt.txt", place / "gt.txt"):
        if path.is_file():
            return path
    raise FormatError(f"{place}: no ground truth; name a file, or a folder with gt/gt.txt as MOTChallenge has it")


def _require_size(truth: Path, source: Path, settings: SourceSettings) -> None:
    """Raise FormatError where a sequence's pictures were of another size than the video's: nothing would fit."""
    info = truth / "seqinfo.ini"
    if not info.is_file():
        return
    sequence = read_seqinfo(info)
    with build.source(str(source), settings) as video:
        if (sequence.width, sequence.height) != (video.width, video.height):
            raise FormatError(
                f"{truth}: its boxes are of pictures of {sequence.width}x{sequence.height}, but {source.name} has "
                f"{video.width}x{video.height}; name a file of boxes at the video's size"
            )


def _check(plan: PipelinePlan, settings: Settings) -> None:
    for path in plan.sources:
        if not path.is_file():
            raise ConfigError(f"{path}: no such file; give a video")
    if plan.peer is not None and not plan.peer.weights.is_file():
        raise ConfigError(f"{plan.peer.weights}: no such file; --peer-weights is a model of ultralytics (.pt, .onnx)")
    if plan.truth is not None:
        find_truth(plan.truth)
        _require_size(plan.truth, plan.sources[0], settings.source)


def _own_job(plan: PipelinePlan, rounds: Rounds, count: int, folder: Path) -> Callable[[], None]:
    tracks = folder / "own.txt" if count == 1 else None

    def take() -> None:
        clips = copies(plan.sources, count, folder=folder / "clips")
        try:
            done = own_take(clips, plan.config, _settings(plan), folder=folder, tracks=tracks)
        except ChildError as error:
            raise ConfigError(f"sightline run over {count} of {plan.sources[0].name}: {error}") from error
        rounds.own[count].append(done)
        if plan.truth is not None and tracks is not None:
            rounds.own_scores.append(score_tracks(find_truth(plan.truth), tracks, frames=done.frames))

    return take


def _parts_job(plan: PipelinePlan, rounds: Rounds, folder: Path) -> Callable[[], None]:
    def take() -> None:
        try:
            done = parts_take(plan.sources[0].resolve(), plan.config, _settings(plan), folder=folder)
            rounds.parts.append(done.per_frame)
        except ChildError as error:
            raise ConfigError(f"the parts of a run over {plan.sources[0].name}: {error}") from error

    return take


def _peer_job(
    plan: PipelinePlan, rounds: Rounds, peer: Peer, classes: Sequence[str] | None, folder: Path
) -> Callable[[], None]:
    tracks = folder / "peer.txt"

    def take() -> None:
        if rounds.peer_failure is not None:
            return
        try:
            done = peer_take(
                peer.python,
                peer.weights.resolve(),
                plan.sources[0].resolve(),
                classes=classes,
                max_frames=plan.max_frames,
                folder=folder,
                tracks=tracks,
            )
        except ChildError as error:
            rounds.peer_failure = str(error)
            return
        rounds.peer.append(done)
        if plan.truth is not None:
            rounds.peer_scores.append(score_tracks(find_truth(plan.truth), tracks, frames=done.frames))

    return take


def _settings(plan: PipelinePlan) -> list[str]:
    return [*plan.settings, *([] if plan.max_frames is None else [f"source.max_frames={plan.max_frames}"])]
