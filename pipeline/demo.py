"""The demonstration: a rendered plaza through the whole pipeline, scored against the exact truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from pipeline.config import load_settings
from pipeline.errors import OutputError
from pipeline.evaluation.benchmark import Benchmark, Evaluation, evaluate_folders
from pipeline.outcome import RunObserver, RunOutcome
from pipeline.outputs import Outputs
from pipeline.runs import Run
from pipeline.sinks.h264_file import H264File
from pipeline.synthetic.counts import SceneCounts, count
from pipeline.synthetic.ground_truth import write_truth
from pipeline.synthetic.scene import Scene
from pipeline.synthetic.truth import Truth

NAME = "plaza"  # of the sequence
Advanced = Callable[[int, int], None]  # frames rendered, frames in all
Stopping = Callable[[Run], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """What the demonstration leaves in its folder."""

    folder: Path

    @property
    def video(self) -> Path:
        """The rendered scene."""
        return self.folder / f"{NAME}.mp4"

    @property
    def annotated(self) -> Path:
        """The scene with the tracks drawn on it."""
        return self.folder / f"{NAME}-tracks.mp4"

    @property
    def truth(self) -> Path:
        """Folder of the ground truth as a MOTChallenge sequence."""
        return self.folder / "truth"

    @property
    def tracks(self) -> Path:
        """Folder of the result."""
        return self.folder / "tracks"

    @property
    def database(self) -> Path:
        """SQLite."""
        return self.folder / "sightline.db"


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What happened."""

    files: DemoFiles
    counts: SceneCounts
    outcome: RunOutcome
    evaluation: Evaluation


def run_demo(
    folder: Path, *, seconds: float, seed: int, observer: RunObserver, rendered: Advanced, stopping: Stopping
) -> DemoReport | None:
    """Render, run with the default settings, score. Earlier results in `folder` are replaced but the database grows.

    None where the run was stopped: a part of it is no result. Raises OutputError where `folder` cannot be written.
    """
    files = DemoFiles(folder)
    try:
        files.tracks.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{files.tracks} cannot be made: {error.strerror}; choose another folder") from error
    counts = render(Scene(seconds, seed=seed), files, rendered)
    run = Run(
        [str(files.video)],
        load_settings("default", [f"store.database={json.dumps(str(files.database))}"]),
        outputs=Outputs(mot=files.tracks / f"{NAME}.txt", video=files.annotated),
        observer=observer,
        again=True,
    )
    with stopping(run):
        outcome = run.execute()
    if run.stopped:
        return None
    evaluation = evaluate_folders(files.truth, files.tracks, benchmark=Benchmark.MOT17)
    return DemoReport(files, counts, outcome, evaluation)


def render(scene: Scene, files: DemoFiles, rendered: Advanced) -> SceneCounts:
    """Write the scene's video and truth; count what happens in it."""
    truths: list[Truth] = []
    with H264File(files.video, fps=scene.fps, quality=20) as video:
        for index in range(len(scene)):
            picture = scene.frame(index)
            video.write(picture.image, index / scene.fps)
            truths.append(picture.truth)
            rendered(index + 1, len(scene))
    write_truth(files.truth / NAME, scene, truths)
    return count(truths, width=scene.size[0], height=scene.size[1])
