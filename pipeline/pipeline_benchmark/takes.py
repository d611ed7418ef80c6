"""One take of the benchmark: a clip through Sightline, through its parts one at a time, or through ultralytics."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.peer_process.worker import own_command, peer_command
from pipeline.pipeline_benchmark.child import ChildError, Usage, run_child

LONGEST = 3600.0  # seconds of a take
_OWN = {"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PYTHONSAFEPATH": "1"}  # our packages, before all else


@dataclass(frozen=True, slots=True)
class Take:
    """What one process did with the clip, or with several copies of it at once."""

    usage: Usage
    frames: int  # of all streams
    first_frame_at: float  # seconds since 1970
    last_frame_at: float

    @property
    def start_up(self) -> float:
        """Seconds from the start of the process to the first finished frame."""
        return self.first_frame_at - self.usage.began_at

    @property
    def rate(self) -> float:
        """Frames/s from the first finished frame to the last one; of a single frame, of the whole process."""
        spent = self.last_frame_at - self.first_frame_at
        return (self.frames - 1) / spent if self.frames > 1 and spent > 0 else self.whole_rate

    @property
    def whole_rate(self) -> float:
        """Frames/s of the whole process, start-up and end included."""
        return self.frames / self.usage.seconds

    @property
    def cpu_per_frame(self) -> float:
        """Processor seconds of the whole process, a frame."""
        return self.usage.cpu_seconds / self.frames


@dataclass(frozen=True, slots=True)
class StageTime:
    """What a stage did in a run."""

    seconds: float  # busy
    cpu_seconds: float  # of the stage's own thread
    frames: int  # it was given


@dataclass(frozen=True, slots=True)
class OwnTake(Take):
    """A `sightline run`."""

    engine_seconds: float  # wall time of the streaming part, of all sources
    stages: Mapping[str, StageTime]  # of all sources together
    models: Mapping[str, str]  # detector, segmenter, embedder: name and runtime
    streams: int
    tracks: int  # confirmed, of all sources
    database_bytes: int
    picture_bytes: int  # of tracks, beside the database


@dataclass(frozen=True, slots=True)
class PeerTake(Take):
    """A `track` of ultralytics."""

    version: str
    milliseconds: Mapping[str, float]  # a frame, as ultralytics measures it


def own_take(
    sources: Sequence[Path], config: str, settings: Sequence[str], *, folder: Path, tracks: Path | None = None
) -> OwnTake:
    """`sightline run` over these sources at once, into a new SQLite file in `folder`, which is emptied afterwards.

    `tracks`: MOTChallenge text, of a single source. ChildError with what the run said where it fails.
    """
    place = _fresh(folder / "own")
    report = place / "report.json"
    command = [
        *own_command("pipeline", "run"),
        *map(str, sources),
        *("--config", config, "--database", str(place / "take.db"), "--report", str(report)),
        *("--streams", str(len(sources))),
        *(word for one in settings for word in ("--set", one)),
        *(() if tracks is None else ("--mot-out", str(tracks))),
    ]
    usage = run_child(command, environment=_OWN, limit=LONGEST)
    told = _read(report)
    database, pictures = (_bytes_of(place.glob(pattern)) for pattern in ("take.db*", "media/**/*"))
    shutil.rmtree(place)
    return _own(usage, told, database=database, pictures=pictures)


@dataclass(frozen=True, slots=True)
class PartsTake:
    """Stages one at a time, undisturbed."""

    frames: int
    seconds: Mapping[str, float]  # of all frames, by stage
    cpu_seconds: Mapping[str, float]  # likewise, of all processors

    @property
    def per_frame(self) -> dict[str, float]:
        """Seconds a frame, by stage."""
        return {stage: seconds / self.frames for stage, seconds in self.seconds.items()}


def parts_take(video: Path, config: str, settings: Sequence[str], *, folder: Path) -> PartsTake:
    """Each stage by itself, measured in a process of its own. ChildError."""
    place = _fresh(folder / "parts")
    out = place / "parts.json"
    wanted = {"video": str(video), "config": config, "settings": list(settings), "out": str(out)}
    run_child(
        own_command("pipeline.pipeline_benchmark.parts", _write(place / "wanted.json", wanted)),
        environment=_OWN,
        limit=LONGEST,
    )
    told = _read(out)
    shutil.rmtree(place)
    if not told["frames"]:
        raise ChildError("the clip is too short to measure; give one of more than two frames")
    return PartsTake(told["frames"], told["seconds"], told["cpu_seconds"])


def peer_take(
    python: str | None,
    weights: Path,
    video: Path,
    *,
    classes: Sequence[str] | None,
    max_frames: int | None,
    folder: Path,
    tracks: Path,
) -> PeerTake:
    """Ultralytics' `track` with ByteTrack in an environment of its own; `python` None: in this one. ChildError."""
    place = _fresh(folder / "peer")
    out = place / "told.json"
    wanted = {
        "weights": str(weights),
        "video": str(video),
        "out": str(out),
        "tracks": str(tracks),
        "folder": str(place),
        "classes": None if classes is None else list(classes),
        "max_frames": max_frames,
    }
    words = (_write(place / "wanted.json", wanted),)
    command = peer_command(python or sys.executable, "pipeline.pipeline_benchmark.peers.track", *words)
    usage = run_child(command, environment={}, limit=LONGEST)
    told = _read(out)
    shutil.rmtree(place)
    times = told["first_frame_at"], told["last_frame_at"]
    return PeerTake(usage, told["frames"], *times, version=told["version"], milliseconds=told["milliseconds"])


def _own(usage: Usage, told: Mapping[str, Any], *, database: int, pictures: int) -> OwnTake:
    stages: dict[str, StageTime] = {}
    for source in told["sources"]:
        for name, stage in source["stages"].items():
            before = stages.get(name, StageTime(0.0, 0.0, 0))
            stages[name] = StageTime(
                before.seconds + stage["seconds"],
                before.cpu_seconds + stage["cpu_seconds"],
                before.frames + stage["frames"],
            )
    return OwnTake(
        usage,
        told["frames"],
        told["first_frame_at"],
        told["last_frame_at"],
        engine_seconds=told["seconds"],
        stages=stages,
        models={kind: told[kind] for kind in ("detector", "segmenter", "embedder")},
        streams=len(told["sources"]),
        tracks=told["tracks"],
        database_bytes=database,
        picture_bytes=pictures,
    )


def _bytes_of(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def copies(sources: Sequence[Path], count: int, *, folder: Path) -> list[Path]:
    """So many different files with the sources' content, in turns: links where the disk allows, else copies."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    for number in range(count):
        source = sources[number % len(sources)].resolve()
        path = folder / f"{number + 1:03d}-{source.name}"
        if not path.exists():
            try:
                os.link(source, path)
            except OSError:  # another disk, or one without links
                shutil.copyfile(source, path)
        found.append(path)
    return found


def _fresh(folder: Path) -> Path:
    """An empty folder: what an earlier take left behind when it failed goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _write(path: Path, wanted: Mapping[str, Any]) -> str:
    path.write_text(json.dumps(wanted), encoding="utf-8")
    return str(path)


def _read(path: Path) -> dict[str, Any]:
    told = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(told, dict), "written by our own process"
    return told
