"""How long trackers take for a frame of a crowd, measured in turns, so that what the machine does hits all alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.peer_process.worker import TrackerError
from pipeline.tracker_benchmark.contest import Contestant
from pipeline.tracker_benchmark.crowd import FRAME_RATE, simulate
from pipeline.tracker_benchmark.frame_file import write_frames

WARM_UP = 10  # frames before the timed ones: the crowd's tracks begin
LONGEST_ROUND = 20.0  # seconds; a slower tracker is timed on fewer frames
SEED = 1


@dataclass(frozen=True, slots=True)
class Trial:
    """What is measured."""

    objects: Sequence[int]  # how many in a frame
    frames: int  # timed in a round
    rounds: int
    dimension: int  # length of features; 0: trackers are given none, and those that need them stay out


@dataclass(slots=True)
class Timing:
    """One tracker's rounds, by the number of objects."""

    contestant: Contestant
    rounds: dict[int, list[float]] = field(default_factory=dict)  # milliseconds a frame, median of each round
    failure: str | None = None  # why it stopped

    def milliseconds(self, objects: int) -> float | None:
        """Median over the rounds; None where there is none."""
        rounds = self.rounds.get(objects)
        return statistics.median(rounds) if rounds else None

    def times_faster(self, other: Timing, objects: int) -> float | None:
        """How many times as fast as another: median over rounds of the ratio within a round. None where unknown."""
        pairs = zip(self.rounds.get(objects, ()), other.rounds.get(objects, ()), strict=False)
        ratios = [theirs / own for own, theirs in pairs]
        return statistics.median(ratios) if ratios else None


def measure_speed(
    contestants: Sequence[Contestant], trial: Trial, *, folder: Path, advanced: Callable[[str], None]
) -> list[Timing]:
    """Time everyone on the same crowds: in each round all of them, one after the other, each round begun by another.

    `folder`: for files that may be deleted afterwards. `advanced` is called with a name before each tracker's turn.
    """
    timings = [Timing(each) for each in contestants if trial.dimension or not each.entry.features]
    for objects in trial.objects:
        frames = folder / f"crowd-{objects}.npz"
        _write_crowd(frames, objects, trial)
        for number in range(trial.rounds):
            first = number % max(1, len(timings))
            for timing in (*timings[first:], *timings[:first]):
                advanced(f"{timing.contestant.name}, {objects} objects")
                if timing.failure is None:
                    _take_turn(timing, frames, objects)
        frames.unlink()
    return timings


def turns(contestants: Sequence[Contestant], trial: Trial) -> int:
    """How often `measure_speed` calls `advanced`."""
    taking_part = [each for each in contestants if trial.dimension or not each.entry.features]
    return len(taking_part) * len(trial.objects) * trial.rounds


def reference(timings: Sequence[Timing], *, features: bool, preferred: Sequence[str]) -> Timing | None:
    """Whose speed is 1, among those with or without features: the first preferred one that was measured, else any peer.

    None where there is no peer.
    """
    able = [each for each in timings if each.contestant.entry.features is features and each.rounds]
    by_name = {each.contestant.name: each for each in able}
    peers = [each for each in able if not each.contestant.own]
    return next((by_name[name] for name in preferred if name in by_name), peers[0] if peers else None)


def ratios(timings: Sequence[Timing], objects: Sequence[int]) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """How many times as fast each of ours is as each peer: by our name, the peer's name and the number of objects."""
    return {
        own.contestant.name: {
            peer.contestant.name: {
                str(count): round(ratio, 3) for count in objects if (ratio := own.times_faster(peer, count)) is not None
            }
            for peer in timings
            if not peer.contestant.own
        }
        for own in timings
        if own.contestant.own
    }


def _take_turn(timing: Timing, frames: Path, objects: int) -> None:
    contestant = timing.contestant
    try:
        seconds = contestant.worker.time(contestant.entry, frames, skip=WARM_UP, limit=LONGEST_ROUND)
    except TrackerError as error:
        timing.failure = f"{objects} objects: {error}"
        return
    timing.rounds.setdefault(objects, []).append(1000 * statistics.median(seconds))


def _write_crowd(path: Path, objects: int, trial: Trial) -> None:
    crowd = simulate(objects, frames=WARM_UP + trial.frames, seed=SEED, dimension=trial.dimension)
    write_frames(
        path,
        crowd.detections,
        frames=crowd.frames,
        frame_rate=FRAME_RATE,
        features=crowd.features,
    )
