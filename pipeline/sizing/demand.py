"""How much of a machine some cameras take: arithmetic on measured costs, each figure linear in what it depends on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.sizing.costs import Costs

USABLE = 0.8  # share of processors and memory to plan with: the rest is for peaks, the page and the system
LONGEST = 1000  # largest detector interval
_DAY = 86_400  # seconds
PYTHON = ("track", "write", "other")  # parts that one process does on one core at a time


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be watched."""

    cameras: int
    fps: float  # of each
    objects: float  # in a picture, on average
    stay: float = 10.0  # seconds for which an object is seen, on average
    every: int = 1  # the detector looks at one of so many frames


@dataclass(frozen=True, slots=True)
class Sizing:
    """What that takes, and what the machine has."""

    wanted: Wanted
    parts: dict[str, float]  # cores busy, by part
    cores: float  # busy in all
    cores_needed: int  # with USABLE of them busy
    cameras_held: int  # of this kind, by the machine that was measured
    binds: str  # what sets that limit: a part, or "memory"
    every_needed: int | None  # detector interval at which all cameras fit; None: at none
    processes: int  # at least, so that what is Python fits
    memory: int  # bytes
    database_day: float  # bytes a day of 24 h with that many objects
    pictures_day: float  # likewise, of tracks' pictures
    recording_day: float  # likewise, of recordings

    @property
    def fits(self) -> bool:
        """Whether the machine holds all cameras."""
        return self.cameras_held >= self.wanted.cameras


def size(costs: Costs, wanted: Wanted, *, bit_rate: float | None = None) -> Sizing:
    """`bit_rate`: of a camera, bits/s; None: that of the measured video, in proportion to the frame rate."""
    parts = busy_cores(costs, wanted)
    cores = sum(parts.values())
    usable = USABLE * costs.machine.cores
    by_cores = math.floor(_tolerant(usable * wanted.cameras / cores))
    by_memory = _streams_in(costs, USABLE * costs.machine.memory)
    recorded = costs.recorded * wanted.fps / costs.recorded_fps if bit_rate is None else bit_rate / 8
    return Sizing(
        wanted,
        parts,
        cores,
        cores_needed=max(1, math.ceil(_less_noise(cores / USABLE))),
        cameras_held=min(by_cores, by_memory),
        binds="memory" if by_memory < by_cores else max(parts, key=lambda part: parts[part]),
        every_needed=interval_needed(costs, wanted),
        processes=max(1, math.ceil(_less_noise(sum(parts[part] for part in PYTHON)))),
        memory=costs.first_stream + (wanted.cameras - 1) * costs.more_streams,
        database_day=wanted.cameras * wanted.fps * wanted.objects * costs.stored * _DAY,
        pictures_day=wanted.cameras * wanted.objects / wanted.stay * costs.pictured * _DAY,
        recording_day=wanted.cameras * recorded * _DAY,
    )


def busy_cores(costs: Costs, wanted: Wanted) -> dict[str, float]:
    """Cores busy by part: processor seconds a second."""
    frames = wanted.cameras * wanted.fps
    looks = frames / wanted.every
    return {
        "decode": frames * costs.read,
        "detector": looks * costs.detect,
        "embedder": looks * wanted.objects * costs.embed,
        "track": frames * (costs.track_frame + wanted.objects * costs.track_object),
        "write": frames * costs.write * wanted.objects / costs.objects,
        "other": frames * costs.other,
    }


def interval_needed(costs: Costs, wanted: Wanted) -> int | None:
    """The smallest `every` at which the machine's usable cores do; None where none does or the detector skips none."""
    one = busy_cores(costs, Wanted(wanted.cameras, wanted.fps, wanted.objects))
    looking = one["detector"] + one["embedder"]
    left = USABLE * costs.machine.cores - (sum(one.values()) - looking)
    if left <= 0 or looking / left > (LONGEST if costs.skips else 1):
        return None
    return max(1, math.ceil(_less_noise(looking / left)))


def _streams_in(costs: Costs, memory: float) -> int:
    """Streams that fit into so many bytes."""
    if costs.first_stream > memory:
        return 0
    return 1 + math.floor(_tolerant((memory - costs.first_stream) / max(1, costs.more_streams)))


def _less_noise(value: float) -> float:
    """So that what is whole but for rounding is not rounded up."""
    return value * (1 - 1e-9)


def _tolerant(value: float) -> float:
    """So that what is whole but for rounding is not rounded down."""
    return value * (1 + 1e-9)
