"""FusedDetector: two detectors whose boxes are fused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.errors import ConfigError
from pipeline.models.base import Detector, Learner, ModelCard
from pipeline.models.box_fusion import fuse
from pipeline.models.licences import joined
from trackers.structures import Detections, Frame


@dataclass(frozen=True, slots=True)
class Fusion:
    """How boxes are fused; see `fuse`."""

    shares: tuple[float, float] = (1.0, 1.0)
    iou: float = 0.55
    skip: float = 0.0  # weaker boxes do not take part
    min_score: float = 0.05  # of what comes out
    max_detections: int = 300


class FusedDetector:
    """A detector made of two. Its classes are the first one's; what the second finds of others is left out.

    A class that the second does not know keeps the first one's scores.
    """

    def __init__(self, first: Detector, second: Detector, fusion: Fusion, *, names: Mapping[str, str]) -> None:
        """`names`: the second's names of classes -> the first's; a name that both have needs no entry.

        Raises ConfigError for a name that is not there, and where they have no class in common.
        """
        ours, theirs = first.card.classes, second.card.classes
        for name, other in names.items():
            if name not in theirs or other not in ours:
                raise ConfigError(
                    f"detector.fuse.names: {name}: {other}, but {second.card.name} knows {_some(theirs)} and "
                    f"{first.card.name} {_some(ours)}"
                )
        told = [names.get(name, name) for name in theirs]
        self._label_of = np.array([ours.index(name) if name in ours else -1 for name in told], np.int64)
        if (self._label_of < 0).all():
            raise ConfigError(
                f"{first.card.name} ({_some(ours)}) and {second.card.name} ({_some(theirs)}) have no class in common; "
                "say with detector.fuse.names which are the same"
            )
        self._first, self._second, self._fusion = first, second, fusion
        one, both = (1, fusion.shares[0]), (2, sum(fusion.shares))
        self._counts = [both if label in self._label_of else one for label in range(len(ours))]
        self.card = _card(first.card, second.card)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One Detections a frame: boxes and scores alone."""
        pairs = zip(self._first.detect(frames), self._second.detect(frames), strict=True)
        return [self._fused(first, second) for first, second in pairs]

    def forget(self, stream: int) -> None:
        """See Learner."""
        for one in (self._first, self._second):
            if isinstance(one, Learner):
                one.forget(stream)

    def _fused(self, first: Detections, second: Detections) -> Detections:
        labels = self._label_of[second.labels]
        renamed = replace(second, labels=labels)[labels >= 0]
        parts = [one[one.scores >= self._fusion.skip] for one in (first, renamed)]
        shares = np.repeat(self._fusion.shares, [len(one) for one in parts])
        boxes, scores, kinds = (
            np.concatenate([getattr(one, name) for one in parts]) for name in ("boxes", "scores", "labels")
        )
        found = fuse(boxes, scores, kinds, iou=self._fusion.iou, shares=shares, counts=self._counts)
        kept = Detections(found.boxes, found.scores, found.labels)
        return kept[kept.scores >= self._fusion.min_score][: self._fusion.max_detections]


def _card(first: ModelCard, second: ModelCard) -> ModelCard:
    """Changes with either; what the first one's scores are worth says nothing of fused ones."""
    runtime = first.runtime if first.runtime == second.runtime else f"{first.runtime} + {second.runtime}"
    version = first.version if first.version == second.version else f"{first.version} + {second.version}"
    return replace(
        first,
        name=f"{first.name}+{second.name}",
        version=version,
        sha256=hashlib.sha256(f"{first.sha256} {second.sha256}".encode()).hexdigest(),
        runtime=runtime,
        learns=first.learns or second.learns,
        tight=first.tight or second.tight,
        at_once=max(first.at_once, second.at_once),
        calibration=None,
        masks=False,
        licence=joined([first.licence, second.licence]),
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
