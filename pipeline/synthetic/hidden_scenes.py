"""Short scenes in which somebody cannot be seen for a known time: behind a wall, a look-alike, or away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from pipeline.synthetic.camera import Camera, half_width
from pipeline.synthetic.looks import Colour, Look, draw_looks
from pipeline.synthetic.pen import Pen, front, stand
from pipeline.synthetic.props import Prop
from pipeline.synthetic.scene import Scene
from pipeline.synthetic.script import Script, straight
from pipeline.synthetic.visits import Visit

SIZE, FPS = (960, 540), 25.0  # pixels; frames a second
BEFORE = 2.0  # seconds in which everybody is seen first
AFTER = 2.5  # seconds in which who was hidden is seen again
_PACES = 1.1, 1.5  # metres a second
_NEAR, _FAR = 13.0, 18.0  # metres from the camera where the walls stand and people walk
_BODY = 0.75  # metres a walker with swinging arms is wide about, seen from the side
_SLOWEST = 0.3  # metres a second at which somebody is overtaken
_NEIGHBOURS = 0.35  # metres between two who pass each other
_PASSING = 1.3  # metres from where the pictures of two begin to overlap to where that ends
_THICK = 0.3  # metres of a wall
_PLASTER: Colour = (150, 176, 190)


class Disappearance(StrEnum):
    """Why somebody is not seen."""

    WALL = "wall"  # walks behind one
    LOOK_ALIKE = "look-alike"  # is passed, or overtaken, by one who looks the same
    AWAY = "away"  # leaves the picture and comes back


@dataclass(frozen=True, slots=True, eq=False)
class HiddenScene:
    """A scene and what is to happen in it."""

    scene: Scene
    disappearance: Disappearance
    seconds: float  # for which somebody is hidden, about
    walkers: tuple[int, ...]  # ids, from 1, whom it is about


def hidden_scene(disappearance: Disappearance, seconds: float, *, seed: int) -> HiddenScene:
    """The scene of one kind and length; another for each seed. ValueError for a time that is not above 0."""
    if not seconds > 0:
        raise ValueError(f"hidden for {seconds} s: must be above 0")
    chance = np.random.default_rng((seed, list(Disappearance).index(disappearance)))
    looks = draw_looks(5, chance)
    match disappearance:
        case Disappearance.WALL:
            script, about, length = _behind_a_wall(looks, seconds, chance)
        case Disappearance.LOOK_ALIKE:
            script, about, length = _look_alikes(looks, seconds, chance)
        case Disappearance.AWAY:
            script, about, length = _away(looks, seconds, chance)
    scene = Scene(length, size=SIZE, fps=FPS, seed=seed, script=script)
    return HiddenScene(scene, disappearance, seconds, tuple(walker + 1 for walker in about))


def hidden_scenes(times: tuple[float, ...], *, seeds: int) -> Iterator[HiddenScene]:
    """`seeds` scenes of every kind and every time."""
    for disappearance in Disappearance:
        for seconds in times:
            for seed in range(seeds):
                yield hidden_scene(disappearance, seconds, seed=seed)


def _behind_a_wall(looks: list[Look], seconds: float, chance: np.random.Generator) -> tuple[Script, list[int], float]:
    """Two walk behind the same wall, in any directions; two others pass in front of it."""
    camera, z = Camera(*SIZE), float(chance.uniform(_NEAR, _FAR))
    paces = chance.uniform(*_PACES, 2)
    lanes = z + _THICK + np.array([0.5, 1.3]) + chance.uniform(0, 0.3, 2)
    width = (paces.mean() * seconds + _BODY) * z / lanes.mean()  # what is nearer hides a longer way
    x = float(chance.uniform(-1, 1))
    visits = []
    for walker, (pace, lane) in enumerate(zip(paces.tolist(), lanes.tolist(), strict=True)):
        middle = x * lane / z
        side = float(chance.choice([-1.0, 1.0]))
        reach = pace * (seconds / 2 + BEFORE) + _BODY / 2, pace * (seconds / 2 + AFTER) + _BODY / 2
        late = float(chance.uniform(0, 1.2)) * walker
        ends = ((middle - side * reach[0], lane), (middle + side * reach[1], lane))
        visits.append(straight(walker, looks[walker], late, pace=pace, way=ends, phase=float(chance.random())))
    length = max(visit.end for visit in visits)
    visits += _passers_by(looks[2:4], first=2, z=z - 1.2, length=length, chance=chance)
    return Script(looks, visits, [_wall(camera, x, z, width)]), [0, 1], length


def _look_alikes(looks: list[Look], seconds: float, chance: np.random.Generator) -> tuple[Script, list[int], float]:
    """Two of the same looks on neighbouring lanes: the nearer one covers the other one for so long."""
    looks[1] = looks[0]
    z, pace = float(chance.uniform(_NEAR, _FAR)), float(chance.uniform(*_PACES))
    apart = _PASSING / seconds  # metres a second between them
    side = float(chance.choice([-1.0, 1.0]))
    middle = seconds / 2 + BEFORE  # when they are side by side
    length = middle + seconds / 2 + AFTER
    visits = []
    overtakes = pace - apart >= _SLOWEST
    paces = (pace, pace - apart) if overtakes else (apart / 2, -apart / 2)
    for walker, (own, lane) in enumerate(zip(paces, (z, z + _NEIGHBOURS), strict=True)):
        velocity = side * own
        ends = ((-velocity * middle, lane), (velocity * (length - middle), lane))
        visits.append(straight(walker, looks[walker], 0.0, pace=abs(own), way=ends, phase=float(chance.random())))
    visits += _passers_by(looks[2:4], first=2, z=z + 3.0, length=length, chance=chance)
    return Script(looks, visits), [0, 1], length


def _away(looks: list[Look], seconds: float, chance: np.random.Generator) -> tuple[Script, list[int], float]:
    """One leaves the picture and comes back where it left; two others go on walking there."""
    z, pace = float(chance.uniform(_NEAR, _FAR)), float(chance.uniform(*_PACES))
    side = float(chance.choice([-1.0, 1.0]))
    border = half_width(z) + _BODY / 2  # beyond it nothing is seen of a walker
    turn = border + pace * seconds / 2
    out = straight(
        0, looks[0], 0.0, pace=pace, way=((side * (border - BEFORE * pace - _BODY), z), (side * turn, z)), phase=0.0
    )
    back = straight(
        0, looks[0], out.end, pace=pace, way=((side * turn, z), (side * (border - AFTER * pace - _BODY), z)), phase=0.5
    )
    visits = [out, back, *_passers_by(looks[2:4], first=2, z=z + 2.0, length=back.end, chance=chance)]
    return Script(looks, visits), [0], back.end


def _passers_by(looks: list[Look], *, first: int, z: float, length: float, chance: np.random.Generator) -> list[Visit]:
    """Others, who walk towards each other for the whole scene."""
    visits = []
    for number, look in enumerate(looks):
        pace, side = float(chance.uniform(0.7, 1.2)), 1 - 2 * number
        lane = z - 0.8 * number
        from_ = -side * pace * length / 2 + float(chance.uniform(-1, 1))
        ends = ((from_, lane), (from_ + side * pace * length, lane))
        visits.append(straight(first + number, look, 0.0, pace=pace, way=ends, phase=float(chance.random())))
    return visits


def _wall(camera: Camera, x: float, z: float, width: float) -> Prop:
    """A plastered wall with courses, high enough that nobody is seen over it."""
    pen, half, height = Pen(camera), width / 2, 3.0
    pen.block((x - half, x + half), (0.0, height), (z - _THICK / 2, z + _THICK / 2), _PLASTER)
    for low in np.arange(0.5, height, 0.5):
        pen.face(front((x - half, x + half), (low, low + 0.03), z - _THICK / 2 - 0.01), _PLASTER, 0.85)
    return Prop(x, z, 1.0, half, pen.drawing, [stand(x, z, _THICK / 2, height, half)])
