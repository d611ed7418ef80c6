"""Explanation: why a detector sees an object, and why an embedder finds it like another picture of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.errors import ConfigError, ModelError
from pipeline.explain import occlusion
from pipeline.explain.grad_cam import Method, heat_map
from pipeline.explain.objects import Seen, find_object
from pipeline.explain.occlusion import Patch, Told, described
from pipeline.explain.question import DetectorQuestions, EmbedderQuestions
from pipeline.models.base import Detector, Embedder
from pipeline.models.inputs import crop_bounds
from trackers.structures import FloatArray, Frame, ImageArray


@dataclass(frozen=True, slots=True)
class Explained:
    """The networks of an explanation. Where there are no gradients, a sentence says why.

    Raises ConfigError for a detector that learns from the pictures before.
    """

    detector: Detector
    detector_questions: DetectorQuestions | str
    embedder: Embedder | None
    embedder_questions: EmbedderQuestions | str

    def __post_init__(self) -> None:
        if self.detector.card.learns:
            raise ConfigError(
                f"{self.detector.card.name} judges a picture by those before it, so that one picture cannot be "
                "explained; choose a network as detector.weights"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Reasons:
    """Why one network gives one number. Maps are (height, width) float32 of the whole picture."""

    network: str
    number: float  # the detector's score, or the embedder's cosine
    heat: FloatArray | None  # from gradients, 0 and above; None: see `refused`
    refused: str  # why there is no heat; empty where there is
    drop: FloatArray  # what the number loses where a patch hides the picture
    asked: str = ""  # whose gradients: the one of several networks that was asked; empty where there is but one


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What came out for one object."""

    frame: Frame
    seen: Seen
    detector: Reasons
    embedder: Reasons | None  # None: there is no embedder


@dataclass(frozen=True, slots=True)
class Wanted:
    """How it is explained."""

    method: Method = Method.PLACES
    patch: Patch = field(default_factory=Patch)
    other: ImageArray | FloatArray | None = None  # a picture (h, w, 3) or a feature (d,) to be compared with


def explain(
    networks: Explained,
    frame: Frame,
    box: Sequence[float],
    wanted: Wanted,
    *,
    min_score: float,
    told: Told = lambda _: None,
) -> Explanation:
    """Explain the object at `box` (left, top, width, height; pixels).

    `min_score`: what the detector is less sure of is no object. `told`: is given how many pictures were looked at.
    Raises ConfigError where there is no object.
    """
    seen = find_object(networks.detector, frame, box, min_score=min_score)
    drop = occlusion.of_detector(networks.detector, frame, seen, wanted.patch, told=told)
    why = _reasons_of_detector(networks, frame, seen, wanted.method, drop)
    return Explanation(frame, seen, why, _of_embedder(networks, frame, seen, wanted, told))


def _reasons_of_detector(networks: Explained, frame: Frame, seen: Seen, method: Method, drop: FloatArray) -> Reasons:
    name, questions = networks.detector.card.name, networks.detector_questions
    if isinstance(questions, str):
        return Reasons(name, seen.score, None, questions, drop)
    try:
        question = questions.about(frame, seen.box, seen.label)
        return Reasons(name, seen.score, heat_map(question, method), "", drop, question.asked)
    except ModelError as error:  # with gradients it computes otherwise than as it runs, and may not see it
        return Reasons(name, seen.score, None, str(error), drop)


def _of_embedder(networks: Explained, frame: Frame, seen: Seen, wanted: Wanted, told: Told) -> Reasons | None:
    embedder, questions = networks.embedder, networks.embedder_questions
    if embedder is None:
        return None
    own = embedder.embed([frame], [described(seen.box)])[0][0]
    reference = _reference(embedder, own, wanted.other)
    drop = occlusion.of_embedder(embedder, frame, seen.box, reference, wanted.patch, told=told)
    heat, refused = None, ""
    if isinstance(questions, str):
        refused = questions
    else:
        heat = np.zeros((frame.height, frame.width), np.float32)
        left, top, right, bottom = crop_bounds(seen.box[None], frame.width, frame.height)[0]
        heat[top:bottom, left:right] = heat_map(questions.about(frame, seen.box, reference), wanted.method)
    return Reasons(embedder.card.name, float(own @ reference), heat, refused, drop)


def _reference(embedder: Embedder, own: FloatArray, other: ImageArray | FloatArray | None) -> FloatArray:
    """(d,) what the object is compared with."""
    if other is None:
        return own
    if other.ndim == 1:
        if len(other) != len(own):
            raise ModelError(
                f"{embedder.card.name} gives {len(own)} numbers, the feature to compare with has {len(other)}; "
                "it is of another model"
            )
        return np.asarray(other / max(float(np.linalg.norm(other)), 1e-12), np.float32)
    picture = Frame(np.asarray(other, np.uint8), 0, 0.0, 0)
    whole = np.array([0, 0, picture.width, picture.height], np.float32)
    return np.asarray(embedder.embed([picture], [described(whole)])[0][0])


def figures(found: Explanation) -> dict[str, Any]:
    """The numbers of an explanation, as JSON takes them."""
    left, top, right, bottom = found.seen.box.tolist()
    sides = [round(side, 1) for side in (left, top, right - left, bottom - top)]
    told: dict[str, Any] = {
        "frame": found.frame.index,
        "box": sides,
        "class": found.seen.class_name,
        "detector": _figures_of(found.detector, found.seen, "score"),
    }
    if found.embedder is not None:
        told["embedder"] = _figures_of(found.embedder, found.seen, "similarity")
    return told


def _figures_of(why: Reasons, seen: Seen, number: str) -> dict[str, Any]:
    told: dict[str, Any] = {"network": why.network, number: round(why.number, 4)}
    told["heat_in_box"] = None if why.heat is None else _share(why.heat, seen.box)
    if why.refused:
        told["no_heat"] = why.refused
    if why.asked:
        told["heat_of"] = why.asked
    told["drop_in_box"] = _share(np.maximum(why.drop, 0), seen.box)
    told["largest_drop"], told["largest_drop_at"] = _largest(why.drop)
    return told


def _largest(drop: FloatArray) -> tuple[float, list[int] | None]:
    """The largest loss and its pixel x, y; 0 and None where nothing is lost: outside the window drops are 0, too."""
    y, x = np.unravel_index(int(drop.argmax()), drop.shape)
    return (round(float(drop[y, x]), 4), [int(x), int(y)]) if drop[y, x] > 0 else (0.0, None)


def _share(heat: FloatArray, box: FloatArray) -> float | None:
    """How much of a map lies inside a box, 0..1; None where it is zero everywhere."""
    left, top, right, bottom = crop_bounds(box[None], heat.shape[1], heat.shape[0])[0]
    whole = float(heat.sum())
    return round(float(heat[top:bottom, left:right].sum()) / whole, 4) if whole > 0 else None
