"""Measures what frames and objects cost here, on a rendered video of the wanted size, in processes of their own."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from pipeline import build
from pipeline.config import Settings, load_settings, names_network
from pipeline.errors import ConfigError
from pipeline.pipeline_benchmark.child import ChildError
from pipeline.pipeline_benchmark.takes import OwnTake, PartsTake, copies, own_take, parts_take
from pipeline.sinks.h264_file import H264File
from pipeline.sizing.costs import Costs, Machine
from pipeline.synthetic.scene import Scene
from pipeline.tracker_benchmark.crowd import FRAME_RATE, simulate
from pipeline.tracker_settings import waits_for_looks
from trackers.structures import Detections

FPS = 15.0  # of the rendered video
SECONDS = 3.0
STREAMS = 3  # at once, to see what each one more takes
CROWDS = (5, 50)  # objects, for the tracker
_CROWD_FRAMES = 60
_WARM_UP = 20
_WALKERS = 30
_SCENE_SECONDS, _FROM_SECOND = 40.0, 20.0  # in the middle of a scene there are people from the first frame on
_SEED = 7

Told = Callable[[str], None]


def measure(config: str, overrides: Sequence[str], *, size: tuple[int, int], told: Told) -> Costs:
    """Costs with these settings at this size (width, height), within a minute on a quiet machine.

    `told`: what is being done. Raises ConfigError where a network does not run on processors or a run fails.
    """
    settings = load_settings(config, overrides)
    overrides = [*overrides, *on_processors(settings)]
    if waits_for_looks(settings.tracker):  # which cameras cannot
        overrides = [*overrides, "tracker.between=flow"]
    with tempfile.TemporaryDirectory(prefix="sightline-size-") as scratch:
        folder = Path(scratch)
        told(f"rendering {SECONDS:.0f} s of video")
        video = render(folder / "scene.mp4", size=size)
        try:
            told("timing decoder and networks")
            parts = parts_take(video, config, overrides, folder=folder)
            takes = []
            for count in (1, STREAMS):
                told(f"running {count} {'stream' if count == 1 else 'streams'}")
                tracks = folder / "tracks.txt" if count == 1 else None
                clips = copies([video], count, folder=folder / "clips")
                takes.append(own_take(clips, config, overrides, folder=folder, tracks=tracks))
        except ChildError as error:
            raise ConfigError(f"a run with these settings fails: {error}") from error
        boxes = len((folder / "tracks.txt").read_text(encoding="utf-8").splitlines())
        if not boxes:
            raise ConfigError(
                "with these settings nothing is found in a rendered video of people, so that what an object costs "
                "cannot be measured; size with a detector that looks for people"
            )
        told("timing the tracker")
        tracking = time_tracker(settings)
        skips = settings.detector.backend != "motion"  # which learns from every frame
        return costs_of(parts, *takes, boxes=boxes, video=video, size=size, tracking=tracking, skips=skips)


def render(path: Path, *, size: tuple[int, int]) -> Path:
    """A plaza with people as H.264."""
    scene = Scene(_SCENE_SECONDS, size=size, fps=FPS, walkers=_WALKERS, seed=_SEED)
    with H264File(path, fps=FPS) as video:
        for index in range(round(SECONDS * FPS)):
            video.write(scene.frame(round(_FROM_SECOND * FPS) + index).image, index / FPS)
    return path


def time_tracker(settings: Settings) -> tuple[float, float]:
    """Processor seconds a frame without objects, and for each object: a line through two crowds."""
    few, many = ((count, _seconds_a_frame(settings, count)) for count in CROWDS)
    slope = max(0.0, (many[1] - few[1]) / (many[0] - few[0]))
    return max(0.0, few[1] - slope * few[0]), slope


def costs_of(
    parts: PartsTake,
    one: OwnTake,
    more: OwnTake,
    *,
    boxes: int,
    video: Path,
    size: tuple[int, int],
    tracking: tuple[float, float],
    skips: bool,
) -> Costs:
    """Costs from what was taken: the video's stages one at a time, one run of it, and one of several copies at once.

    `boxes`: of all tracks in `video`, at least one.
    """
    cpu = {stage: seconds / parts.frames for stage, seconds in parts.cpu_seconds.items()}
    objects = boxes / one.frames
    write = more.stages["write"].cpu_seconds / more.frames
    # the frames of more streams cost what a run of them costs beyond one stream: loading networks cancels out
    frames = more.frames - one.frames
    whole = (more.usage.cpu_seconds - one.usage.cpu_seconds) / frames
    calls = {stage: (more.stages[stage].frames - one.stages[stage].frames) / frames for stage in cpu}
    streams = more.streams - 1
    told = {**cpu, "track": tracking[0] + objects * tracking[1]}  # without pictures, so that flow is in what is left
    return Costs(
        Machine.this(),
        *size,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        detector=one.models["detector"],
        embedder=one.models["embedder"],
        skips=skips,
        read=cpu["read"],
        detect=cpu["detect"] + cpu.get("segment", 0.0),
        embed=cpu.get("embed", 0.0) / objects,
        track_frame=tracking[0],
        track_object=tracking[1],
        write=write,
        other=max(0.0, whole - write - sum(told[stage] * calls[stage] for stage in cpu)),
        objects=objects,
        first_stream=one.usage.peak_memory,
        more_streams=max(0, round((more.usage.peak_memory - one.usage.peak_memory) / streams)),
        stored=max(0.0, (more.database_bytes - one.database_bytes) / (boxes * streams)),
        pictured=more.picture_bytes / more.tracks,
        recorded=video.stat().st_size / SECONDS,
        recorded_fps=FPS,
    )


def _seconds_a_frame(settings: Settings, objects: int) -> float:
    crowd = simulate(objects, frames=_WARM_UP + _CROWD_FRAMES, seed=_SEED, dimension=_dimension(settings))
    tracker = build.tracker(settings.tracker)
    spent = 0.0
    for number in range(1, crowd.frames + 1):
        rows = crowd.detections.frames == number
        found = Detections(
            crowd.detections.boxes[rows].astype(np.float32),
            crowd.detections.scores[rows].astype(np.float32),
            np.zeros(int(rows.sum()), np.int64),
            None if crowd.features is None else crowd.features[rows],
        )
        started = time.process_time()
        tracker.update(found, number / FRAME_RATE)
        spent += time.process_time() - started if number > _WARM_UP else 0.0
    return spent / _CROWD_FRAMES


def _dimension(settings: Settings) -> int:
    """Length of features as most networks give them; 0 where nothing is described."""
    described = settings.embedder.backend == "colour" or settings.embedder.weights is not None
    return 256 if described and settings.embedder.backend != "none" else 0


def on_processors(settings: Settings) -> list[str]:
    """Overrides that keep networks off a graphics card that is there. Raises ConfigError where the settings want it."""
    overrides = []
    for name in ("detector", "segmenter", "embedder"):
        section = getattr(settings, name)
        if not names_network(section.model_dump()):
            continue
        if section.device == "auto":
            overrides.append(f"{name}.device=CPU")
        elif section.device.lower() != "cpu":
            raise ConfigError(
                f"{name}.device is {section.device}: only what processors take is measured; use `sightline benchmark "
                "pipeline` to see what a graphics card holds"
            )
    return overrides
