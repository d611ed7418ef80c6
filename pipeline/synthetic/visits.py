"""When each walker is on the plaza and along which path: planned once, then a pure function of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.synthetic.body import Pose, turn_length
from pipeline.synthetic.camera import half_width
from pipeline.synthetic.looks import Look
from pipeline.synthetic.props import Prop
from trackers.structures import BoolArray, FloatArray

QUIET = 1.5  # seconds at the start when the plaza is empty: background models learn it

_STAY = 16.0  # seconds that a visit takes about
_CROWD = 6.0  # walkers wanted on the plaza at once
_AWAY = 3.0  # seconds a walker is gone at least before returning
_NEAR, _FAR = 11.4, 26.0  # metres from the camera where people walk
_TICK = 0.1  # seconds between the instants at which plans are compared
_TRIES = 120  # plans drawn for a visit before the least bad one is taken
_APART = 0.75  # metres that two walkers keep from each other
_LONGEST_OVERLAP = 1.2  # seconds for which two walkers may cover each other's picture


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One walker's way across the plaza, from outside the picture to outside the picture."""

    walker: int
    start: float  # seconds
    end: float  # seconds
    times: FloatArray  # (n,) seconds, increasing
    walked: FloatArray  # (n,) metres along the path at `times`
    speeds: FloatArray  # (n,) metres a second at `times`
    marks: FloatArray  # (m,) metres along the path, increasing
    path: FloatArray  # (m, 2) X Z at `marks`
    headings: FloatArray  # (m,) radians at `marks`, unwrapped
    first_phase: float  # radians of the gait at the start

    def positions(self, times: FloatArray) -> FloatArray:
        """(k,) seconds -> (k, 2) X Z in metres."""
        walked = np.interp(times, self.times, self.walked)
        return np.stack([np.interp(walked, self.marks, self.path[:, axis]) for axis in (0, 1)], axis=-1)

    def pose(self, time: float, look: Look) -> Pose:
        """How the walker stands at a time between start and end."""
        walked = float(np.interp(time, self.times, self.walked))
        x, z = (float(np.interp(walked, self.marks, self.path[:, axis])) for axis in (0, 1))
        heading = float(np.interp(walked, self.marks, self.headings))
        stride = min(1.0, float(np.interp(time, self.times, self.speeds)) / 0.9)
        return Pose(x, z, heading, self.first_phase + 2 * np.pi * walked / turn_length(look.height), stride)


def plan_visits(seconds: float, walkers: int, props: list[Prop], rng: np.random.Generator) -> list[Visit]:
    """Every visit that begins within `seconds`, in order of arrival. Walkers are numbered by their first arrival."""
    visits: list[Visit] = []
    if walkers == 0:
        return visits
    gap = _STAY / min(_CROWD, max(1.0, walkers / 2))
    arrival, seen = QUIET, 0
    while arrival < seconds:
        left_to_come = (walkers - seen) * gap
        gone = _gone(visits, arrival)
        returns = bool(gone) and (seen == walkers or (rng.random() < 0.3 and seconds - 6.0 - arrival > left_to_come))
        if returns:
            visits.append(_plan(int(rng.choice(gone)), arrival, visits, props, rng))
        elif seen < walkers:
            visits.append(_plan(seen, arrival, visits, props, rng))
            seen += 1
        arrival += gap * float(rng.uniform(0.6, 1.3))
    return visits


def _gone(visits: list[Visit], time: float) -> list[int]:
    """Walkers who have been here and have been away for a while."""
    last: dict[int, float] = {}
    for visit in visits:
        last[visit.walker] = max(visit.end, last.get(visit.walker, 0.0))
    return [walker for walker, end in last.items() if end + _AWAY < time]


def _plan(walker: int, start: float, visits: list[Visit], props: list[Prop], rng: np.random.Generator) -> Visit:
    """The first plan without fault, or the least bad one."""
    present = [visit for visit in visits if visit.end > start]
    best = _draw_visit(walker, start, rng)
    least = _fault(best, present, props)
    for _ in range(_TRIES - 1):
        if least == 0:
            break
        candidate = _draw_visit(walker, start, rng)
        fault = _fault(candidate, present, props)
        if fault < least:
            best, least = candidate, fault
    return best


def _draw_visit(walker: int, start: float, rng: np.random.Generator) -> Visit:
    path = _draw_path(rng)
    steps = np.diff(path, axis=0)
    marks = np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])
    headings = np.unwrap(np.arctan2(np.gradient(path[:, 1], marks), np.gradient(path[:, 0], marks)))
    pace = float(rng.uniform(1.1, 1.65))
    pause = float(rng.uniform(1.0, 3.0)) if rng.random() < 0.35 else 0.0
    duration = marks[-1] / pace + pause + 1.0
    times = np.arange(0.0, duration, 0.02)
    pause_start = float(rng.uniform(0.3, 0.7)) * marks[-1] / pace
    speeds = pace * (1 - _plateau(times, pause_start, pause))
    walked = np.concatenate([[0.0], np.cumsum((speeds[1:] + speeds[:-1]) / 2 * np.diff(times))])
    arrived = int(np.searchsorted(walked, marks[-1]))
    times, speeds, walked = times[:arrived] + start, speeds[:arrived], walked[:arrived]
    phase = float(rng.uniform(0, 2 * np.pi))
    return Visit(walker, start, float(times[-1]), times, walked, speeds, marks, path, headings, phase)


def _plateau(times: FloatArray, start: float, length: float) -> FloatArray:
    """1 while somebody stands still, 0 before and after, with 0.45 s of braking and setting off."""
    if length == 0:
        return np.zeros_like(times)
    ramp = np.clip(np.minimum(times - start, start + length + 0.9 - times) / 0.45, 0, 1)
    smooth: FloatArray = ramp * ramp * (3 - 2 * ramp)
    return smooth


def _draw_path(rng: np.random.Generator) -> FloatArray:
    """(m, 2) X Z: a cubic Bezier curve from one side to the other, now and then back to the same side."""
    side = float(rng.choice([-1.0, 1.0]))
    far = -side if rng.random() < 0.85 else side
    lane = _NEAR + (_FAR - _NEAR) * rng.random() ** 1.4  # most stay in front of the pillars
    z = np.clip(lane + rng.normal(0, 4.0, 4), _NEAR, _FAR)
    ends = side * (half_width(z[0]) + 0.9), far * (half_width(z[3]) + 0.9)
    inner = (side * 0.3, far * 0.3) if far != side else (-side * 0.2, -side * 0.2)
    x = np.array([ends[0], inner[0] * half_width(z[1]), inner[1] * half_width(z[2]), ends[1]])
    t = np.linspace(0, 1, 240)[:, None]
    weights = np.concatenate([(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3], axis=1)
    path: FloatArray = weights @ np.stack([x, z], axis=-1)
    return path


def _fault(visit: Visit, present: list[Visit], props: list[Prop]) -> float:
    """0 for a plan that disturbs nobody; grows with what is wrong with it."""
    times = np.arange(visit.start, visit.end, _TICK)
    here = visit.positions(times)
    fault = 0.0
    for prop in props:
        fault += 10.0 * float(np.sum(np.hypot(here[:, 0] - prop.x, here[:, 1] - prop.z) < prop.radius + 0.35))
    standing = np.interp(times, visit.times, visit.speeds) < 0.3
    fault += float(np.sum(standing & _behind(here, props)))
    for other in present:
        shared = times < other.end
        there = other.positions(times[shared])
        near = np.hypot(*(here[shared] - there).T) < _APART
        overlap = float(np.sum(_overlapping(here[shared], there))) * _TICK
        fault += 3.0 * float(np.sum(near)) + max(0.0, overlap - _LONGEST_OVERLAP) * 5
    return fault


def _behind(spots: FloatArray, props: list[Prop]) -> BoolArray:
    """(n, 2) -> (n,): where somebody would stand partly hidden by a pillar."""
    hidden = np.zeros(len(spots), bool)
    for prop in props:
        if prop.half_width > 0:
            sideways = np.abs(spots[:, 0] / spots[:, 1] - prop.x / prop.z)
            hidden |= (spots[:, 1] > prop.z) & (sideways < prop.half_width / prop.z + 0.5 / spots[:, 1])
    return hidden


def _overlapping(a: FloatArray, b: FloatArray) -> BoolArray:
    """(n, 2) and (n, 2) X Z -> (n,): whether two bodies there roughly cover each other in the picture."""
    distance = (a[:, 1] + b[:, 1]) / 2
    beside = np.abs(a[:, 0] / a[:, 1] - b[:, 0] / b[:, 1]) * distance < 0.8
    above = np.abs(a[:, 1] - b[:, 1]) * 6.5 / distance < 1.85  # the ground rises in the picture by 6.5 m / Z per metre
    overlapping: BoolArray = beside & above
    return overlapping
