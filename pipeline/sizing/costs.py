"""What a frame and an object cost on one machine, as it was measured, and the file in which that is kept."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from platformdirs import user_cache_path

from pipeline.errors import OutputError

_FORMAT = 3  # of the file; what has another one is measured again
_FILE = "sizing.json"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was measured."""

    name: str
    processor: str
    cores: int
    memory: int  # bytes

    @classmethod
    def this(cls) -> Machine:
        """The one that this process runs on; cores are those it may use."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(platform.node(), _processor(), cores, psutil.virtual_memory().total)


@dataclass(frozen=True, slots=True)
class Costs:
    """Processor seconds, so that a busy machine says the same as an idle one; bytes. All measured."""

    machine: Machine
    width: int  # pixels, of the video that was measured
    height: int
    measured_at: str  # UTC, ISO 8601
    detector: str  # name and runtime
    embedder: str
    skips: bool  # whether the detector can leave frames out
    read: float  # to decode a frame
    detect: float  # a look of the detector, and of the segmenter where there is one
    embed: float  # to describe what is detected in a look, for each object that is tracked
    track_frame: float  # to track, a frame without objects
    track_object: float  # and for each object in it
    write: float  # to store a frame with `objects` objects
    other: float  # of a run, a frame: threads, queues, optical flow, and what is in no stage
    objects: float  # tracks a frame in the video that was measured
    first_stream: int  # bytes of memory of a run of one stream
    more_streams: int  # bytes for each stream more
    stored: float  # bytes of database for each box of a track
    pictured: float  # bytes of pictures for each track
    recorded: float  # bytes of the video, a second at `recorded_fps`
    recorded_fps: float


def cache_file() -> Path:
    """Where costs are kept unless another place is named."""
    return user_cache_path("sightline", appauthor=False) / _FILE


def read_costs(path: Path, key: str) -> Costs | None:
    """What was measured under this key; None where nothing was, or the file is of another version or damaged."""
    found = _entries(path).get(key)
    if found is None:
        return None
    try:
        return Costs(**found | {"machine": Machine(**found["machine"])})
    except (TypeError, KeyError):  # written by another version
        return None


def keep_costs(path: Path, key: str, costs: Costs) -> None:
    """Add to the file, or replace. OutputError."""
    entries = _entries(path) | {key: dataclasses.asdict(costs)}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps({"format": _FORMAT, "costs": entries}, indent=2) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}; name another with --costs") from error


def _entries(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # a cache that is not there or damaged is made anew
        return {}
    return told["costs"] if isinstance(told, dict) and told.get("format") == _FORMAT else {}


def _processor() -> str:
    """Its name as the system tells it; of Linux from /proc, where Python knows the architecture alone."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            name, colon, value = line.partition(":")
            if colon and name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
