"""What happens in a scene that is not left to chance: who comes when, along which way, and what stands there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.synthetic.body import turn_length
from pipeline.synthetic.looks import Look
from pipeline.synthetic.props import Prop
from pipeline.synthetic.visits import Visit

_MARKS = 64  # points of a straight way
_STEP = 0.02  # seconds between the instants of a way


@dataclass(frozen=True, slots=True, eq=False)
class Script:
    """The people and things of a scene."""

    looks: Sequence[Look]  # of walker 0, 1, ...; two may look alike
    visits: Sequence[Visit]
    props: Sequence[Prop] = ()


def straight(
    walker: int,
    look: Look,
    start: float,
    *,
    pace: float,
    way: tuple[tuple[float, float], tuple[float, float]],
    phase: float = 0.0,
) -> Visit:
    """A walk at one pace, metres a second, from one point X Z to another, metres, from `start` on, seconds.

    `phase`: where in the gait it begins, turns of a whole double step.
    """
    ends = np.array(way, np.float64)
    length = float(np.hypot(*(ends[1] - ends[0])))
    if length == 0 or pace <= 0:
        raise ValueError(f"a walk of {length:g} m at {pace:g} m/s leads nowhere")
    marks = np.linspace(0, length, _MARKS)
    path = ends[0] + (ends[1] - ends[0]) * (marks / length)[:, None]
    times = np.append(np.arange(0, length / pace, _STEP), length / pace)
    heading = float(np.arctan2(*(ends[1] - ends[0])[::-1]))
    return Visit(
        walker=walker,
        start=start,
        end=start + length / pace,
        times=times + start,
        walked=times * pace,
        speeds=np.full(len(times), pace),
        marks=marks,
        path=path,
        headings=np.full(_MARKS, heading),
        first_phase=2 * np.pi * (phase + start * pace / turn_length(look.height)),
    )
