"""What the adaptive schedule costs in accuracy and saves in looks and time, beside detection on every n-th frame.

    python -m tests.benchmarks.adaptive_schedule [--clip PETS09-S2L1] [--every 2 --every 3]

Each clip is run with each schedule, in turn, as `sightline run` does. Where there is ground truth, HOTA is against it.
Where there is none it is against tracks that were made on every frame with another, larger detector and hindsight, and
"agreement" against our own tracks of every frame: that one counts every box that lies a little elsewhere, so that it is
far below 100 even where no object is lost. Nothing here passes or fails.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline.config import load_settings
from pipeline.evaluation.benchmark import Benchmark, pair_frames
from pipeline.evaluation.mot import evaluate
from pipeline.evaluation.sequences import SequenceBoxes, read_tracks, read_truth
from pipeline.outputs import Outputs
from pipeline.runs import Run
from tests.benchmarks.tracking_clips import SHARED

_TEACHER = SHARED / "weights" / "person-vehicle-bike-detection-2003" / "person-vehicle-bike-detection-2003.xml"
_LAYOUT = Benchmark.MOT15
_PEOPLE = ("detector.keep=[person]",)


@dataclass(frozen=True, slots=True)
class Clip:
    """A video, and its truth where there is one."""

    video: Path
    truth: Path | None = None
    settings: tuple[str, ...] = ()  # of what the truth is about


CLIPS = {
    "PETS09-S2L1": Clip(
        SHARED / "data/mot15/PETS09-S2L1/video.mp4",
        SHARED / "data/mot15/PETS09-S2L1/gt/gt_at_video_scale.txt",
        _PEOPLE,
    ),
    "TUD-Campus": Clip(SHARED / "data/mot15/TUD-Campus/video.mp4", SHARED / "data/mot15/TUD-Campus/gt/gt.txt", _PEOPLE),
    "people-walking": Clip(SHARED / "data/videos/people-walking.mp4"),
    "dense-traffic": Clip(SHARED / "data/videos/dense-traffic.mp4"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """One run."""

    file: Path  # its tracks
    frames: int
    looks: int
    seconds: float


def track(clip: Clip, said: list[str], folder: Path, name: str) -> Tracked:
    """Run a clip with the default config, changed as said."""
    where = folder / name.replace(" ", "-")
    where.mkdir(parents=True)
    settings = load_settings(
        "default", [*clip.settings, *said, f"store.database={json.dumps(str(where / 'bench.db'))}"]
    )
    outcome = Run([str(clip.video)], settings, outputs=Outputs(mot=where / "tracks.txt")).execute()
    report = outcome.sources[0].report
    assert report is not None
    return Tracked(where / "tracks.txt", outcome.frames, report.stages["detect"].frames, outcome.seconds)


def hota(truth: SequenceBoxes, tracks: Path) -> float:
    """In percent."""
    return 100 * evaluate(pair_frames(truth, read_tracks(tracks), benchmark=_LAYOUT)).hota.hota


def as_truth(tracks: Path, place: Path) -> SequenceBoxes:
    """Tracks as if they were true: all count."""
    lines = [line.split(",") for line in tracks.read_text(encoding="utf-8").splitlines()]
    place.write_text("".join(",".join([*cells[:6], "1,-1,-1,-1"]) + "\n" for cells in lines), encoding="utf-8")
    return read_truth(place, layout=_LAYOUT.layout)


def measure(name: str, schedules: dict[str, list[str]], folder: Path, table: Table) -> None:
    """One clip with all schedules, the first of which looks at every frame."""
    clip = CLIPS[name]
    runs = {schedule: track(clip, said, folder / name, schedule) for schedule, said in schedules.items()}
    usual = next(iter(runs.values()))
    own = as_truth(usual.file, folder / name / "own.txt")
    if clip.truth is not None:
        truth, of = read_truth(clip.truth, layout=_LAYOUT.layout), "truth"
    else:
        teacher = track(clip, [f"detector.weights={_TEACHER}", "tracker.calibration=null"], folder / name, "teacher")
        truth, of = as_truth(teacher.file, folder / name / "teacher.txt"), "larger detector"
    best = hota(truth, usual.file)
    for schedule, run in runs.items():
        scored = hota(truth, run.file)
        table.add_row(
            name,
            schedule,
            f"{scored:.1f}",
            f"{scored - best:+.1f}",
            of,
            f"{hota(own, run.file):.1f}",
            f"{run.looks} of {run.frames}",
            f"{1 - run.looks / run.frames:.0%}",
            f"{run.frames / run.seconds:.1f}",
            f"{usual.seconds / run.seconds:.2f}",
        )


def main(
    clip: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(CLIPS)}; all by default.")] = None,
    every: Annotated[list[int] | None, typer.Option(min=2, help="Compare with every n-th frame, too.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="Of detector.adaptive, or anything else.")] = None,
) -> None:
    """Measure and print."""
    said = list(settings or [])
    schedules = {"every frame": [one for one in said if not one.startswith("detector.adaptive")]}
    schedules |= {f"every {n}": [*schedules["every frame"], f"detector.every={n}"] for n in every or []}
    schedules["adaptive"] = [*said, "detector.schedule=adaptive"]
    table = Table(title="Adaptive schedule; frames/s of runs one after the other")
    headings = (
        "clip",
        "schedule",
        "HOTA",
        "loss",
        "against",
        "agreement",
        "looks",
        "saved",
        "frames/s",
        "times as fast",
    )
    for heading in headings:
        table.add_column(heading)
    with tempfile.TemporaryDirectory() as folder:
        for name in clip or CLIPS:
            measure(name, schedules, Path(folder), table)
    Console(width=160).print(table)


if __name__ == "__main__":
    typer.run(main)
