"""Whether the bundled networks do on this machine what they should: each is asked of a rendered picture of people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline import build
from pipeline.config import Settings, load_settings
from pipeline.errors import SightlineError
from pipeline.finding import Finding, Verdict
from pipeline.models.base import ModelCard
from pipeline.synthetic.scene import Scene
from trackers.geometry import iou_matrix, mask_iou_matrix
from trackers.structures import Detections, Frame

SEGMENTER = "bundled:mask-rcnn"
REMEDY = "install sightline again, or choose another network in the settings"
_SEED, _MOMENT = 1, 70  # of the picture
_LEAST_VISIBLE = 0.9  # share of somebody who is asked for
_SAME = 0.5  # IoU with the truth: of a box that is found, and of masks in the mean
_MOVED = 2.0  # pixels; a picture so far beside is still of the same person


@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """What the networks are asked of."""

    frame: Frame
    people: Detections  # who is truly there and seen, with their masks


def bundled_networks() -> Settings:
    """The default detector and embedder, and the segmenter that is bundled."""
    return load_settings("default", [f"segmenter.weights={SEGMENTER}"])


def examine_networks(settings: Settings) -> list[Finding]:
    """Those that settings name; there must be one of each kind."""
    picture = _rendered()
    return [
        _asked("detector", _detector, settings, picture),
        _asked("embedder", _embedder, settings, picture),
        _asked("segmenter", _segmenter, settings, picture),
    ]


def _rendered() -> _Picture:
    seen = Scene(8.0, size=(640, 360), fps=10.0, seed=_SEED).frame(_MOMENT)
    rows = np.flatnonzero(seen.truth.visibility >= _LEAST_VISIBLE)
    ones, zeros = np.ones(len(rows), np.float32), np.zeros(len(rows), np.int64)
    people = Detections(seen.truth.boxes[rows], ones, zeros, masks=seen.truth.masks[rows])
    return _Picture(Frame(seen.image, 0, 0.0, 0), people)


def _asked(
    subject: str, ask: Callable[[Settings, _Picture], tuple[bool, str]], settings: Settings, picture: _Picture
) -> Finding:
    """`ask`: whether the network does what it should, and what it did. A broken library fails in its own ways."""
    try:
        good, detail = ask(settings, picture)
    except (SightlineError, ImportError, OSError, RuntimeError) as error:
        return Finding(subject, Verdict.BAD, f"cannot be used: {' '.join(str(error).split())}; {REMEDY}")
    return Finding(subject, Verdict.GOOD, detail) if good else Finding(subject, Verdict.BAD, f"{detail}; {REMEDY}")


def _detector(settings: Settings, picture: _Picture) -> tuple[bool, str]:
    detector = build.detector(settings.detector)
    found = detector.detect([picture.frame])[0]
    people = picture.people
    there = np.count_nonzero((iou_matrix(people.boxes, found.boxes) >= _SAME).any(axis=1))
    told = f"finds {there} of {len(people)} people of a rendered picture"
    return bool(there > len(people) / 2), f"{_called(detector.card)} {told}"


def _embedder(settings: Settings, picture: _Picture) -> tuple[bool, str]:
    embedder = build.embedder(settings.embedder)
    assert embedder is not None
    people = picture.people
    beside = Detections(people.boxes + np.float32(_MOVED), people.scores, people.labels)
    first, second = (embedder.embed([picture.frame], [found])[0] for found in (people, beside))
    nearest = (first @ second.T).argmax(axis=1)
    known = np.count_nonzero(nearest == np.arange(len(people)))
    return known == len(people), f"{_called(embedder.card)} knows {known} of {len(people)} of them again"


def _segmenter(settings: Settings, picture: _Picture) -> tuple[bool, str]:
    segmenter = build.segmenter(settings.segmenter, ("person",))
    assert segmenter is not None
    [masks] = segmenter.segment([picture.frame], [picture.people])
    truth = picture.people.masks
    assert truth is not None
    overlap = float(np.diagonal(mask_iou_matrix(masks, truth)).mean())
    told = f"draws masks of them that overlap the truth by {overlap:.0%} (IoU)"
    return overlap >= _SAME, f"{_called(segmenter.card)} {told}; used where segmenter.weights={SEGMENTER} is set"


def _called(card: ModelCard) -> str:
    return f"{card.name} ({card.runtime})"
