"""Whether the bundled networks do on this machine what they should: each is asked of a rendered picture of people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np

from pipeline import build
from pipeline.config import Settings, load_settings
from pipeline.errors import SightlineError
from pipeline.finding import Finding, Verdict
from pipeline.models.base import Detector, Embedder, ModelCard, Segmenter
from pipeline.synthetic.scene import Scene
from trackers.geometry import iou_matrix, mask_iou_matrix
from trackers.structures import Detections, Frame

SEGMENTER = "bundled:mask-rcnn"
REMEDY = "install sightline again, or choose another network in the settings"
_SEED, _MOMENT = 1, 70  # of the picture
_LEAST_VISIBLE = 0.9  # share of somebody who is asked for
_SAME = 0.5  # IoU with the truth: of a box that is found, and of masks in the mean
_MOVED = 2.0  # pixels; a picture so far beside is still of the same person
# a library that is broken, or of another version, fails in its own ways
_BROKEN = (SightlineError, ImportError, AttributeError, OSError, RuntimeError, ValueError, cv2.error)

_Network = TypeVar("_Network", Embedder, Segmenter)


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What the networks are asked of."""

    frame: Frame
    people: Detections  # who is truly there and seen, with their masks


def bundled_networks() -> Settings:
    """The default detector and embedder, and the segmenter that is bundled."""
    return load_settings("default", [f"segmenter.weights={SEGMENTER}"])


def rendered() -> Picture:
    """A picture of people, the same everywhere."""
    seen = Scene(8.0, size=(640, 360), fps=10.0, seed=_SEED).frame(_MOMENT)
    rows = np.flatnonzero(seen.truth.visibility >= _LEAST_VISIBLE)
    ones, zeros = np.ones(len(rows), np.float32), np.zeros(len(rows), np.int64)
    people = Detections(seen.truth.boxes[rows], ones, zeros, masks=seen.truth.masks[rows])
    return Picture(Frame(seen.image, 0, 0.0, 0), people)


def examine_networks(
    settings: Callable[[], Settings] = bundled_networks, *, picture: Callable[[], Picture] = rendered
) -> list[Finding]:
    """Those that the settings name; there must be one of each kind.

    Whatever cannot be used is a finding: settings and picture, too.
    """
    try:
        named, shown = settings(), picture()
    except _BROKEN as error:
        return [_unusable("networks", error)]
    return [
        _asked("detector", lambda: ask_detector(build.detector(named.detector), shown)),
        _asked("embedder", lambda: ask_embedder(_there(build.embedder(named.embedder)), shown)),
        _asked("segmenter", lambda: ask_segmenter(_there(build.segmenter(named.segmenter, ("person",))), shown)),
    ]


def ask_detector(detector: Detector, picture: Picture) -> Finding:
    """Whether it finds most of the people."""
    found = detector.detect([picture.frame])[0]
    people = picture.people
    there = np.count_nonzero((iou_matrix(people.boxes, found.boxes) >= _SAME).any(axis=1))
    told = f"finds {there} of {len(people)} people of a rendered picture"
    return _judged("detector", bool(there > len(people) / 2), f"{_called(detector.card)} {told}")


def ask_embedder(embedder: Embedder, picture: Picture) -> Finding:
    """Whether each of the people looks most like themselves, a little beside."""
    people = picture.people
    beside = Detections(people.boxes + np.float32(_MOVED), people.scores, people.labels)
    first, second = (embedder.embed([picture.frame], [found])[0] for found in (people, beside))
    nearest = (first @ second.T).argmax(axis=1)
    known = np.count_nonzero(nearest == np.arange(len(people)))
    told = f"knows {known} of {len(people)} of them again"
    return _judged("embedder", known == len(people), f"{_called(embedder.card)} {told}")


def ask_segmenter(segmenter: Segmenter, picture: Picture) -> Finding:
    """Whether its masks of the people are about theirs."""
    [masks] = segmenter.segment([picture.frame], [picture.people])
    truth = picture.people.masks
    assert truth is not None
    overlap = float(np.diagonal(mask_iou_matrix(masks, truth)).mean())
    told = f"draws masks of them that overlap the truth by {overlap:.0%} (IoU)"
    told = f"{_called(segmenter.card)} {told}; used where segmenter.weights={SEGMENTER} is set"
    return _judged("segmenter", overlap >= _SAME, told)


def _asked(subject: str, ask: Callable[[], Finding]) -> Finding:
    try:
        return ask()
    except _BROKEN as error:
        return _unusable(subject, error)


def _judged(subject: str, good: bool, detail: str) -> Finding:
    return Finding(subject, Verdict.GOOD, detail) if good else Finding(subject, Verdict.BAD, f"{detail}; {REMEDY}")


def _unusable(subject: str, error: Exception) -> Finding:
    said = " ".join(str(error).split()) or type(error).__name__
    return Finding(subject, Verdict.BAD, f"cannot be used: {said}; {REMEDY}")


def _there(network: _Network | None) -> _Network:
    assert network is not None, "the settings name none"
    return network


def _called(card: ModelCard) -> str:
    return f"{card.name} ({card.runtime})"
