"""ClassMap: which classes of a teacher, or of a labelled data set, are which classes of the student."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from pipeline.errors import ConfigError
from trackers.geometry import suppress
from trackers.structures import Detections, IntArray

_SAME_OBJECT = 0.65  # IoU, of boxes that a network found


@dataclass(frozen=True, slots=True)
class ClassMap:
    """Class i of the student is whatever has one of the names `of[i]`."""

    names: tuple[str, ...]  # the student's, in label order
    of: tuple[frozenset[str], ...]

    @classmethod
    def parse(cls, text: str | None, known: Sequence[str]) -> Self:
        """`person,vehicle=car+truck,bicycle=bike`; a name without `=` means itself; None: all known, as they are.

        `known`: names that may stand on the right. Raises ConfigError for one that is not known, or two that are equal.
        """
        parts = [one.strip().partition("=") for one in (",".join(known) if text is None else text).split(",")]
        names = tuple(name.strip() for name, _, _ in parts)
        of = tuple(frozenset(one.strip() for one in (right or name).split("+")) for name, _, right in parts)
        if not all(names) or len(set(names)) != len(names):
            raise ConfigError(f"--classes {text}: name each class once, such as person,vehicle=car+truck")
        wanted = [one for group in of for one in sorted(group)]
        if len(set(wanted)) != len(wanted):
            raise ConfigError(f"--classes {text}: a class on the right can become only one class on the left")
        if unknown := [one for one in wanted if one not in known]:
            raise ConfigError(f"--classes asks for {', '.join(unknown)}, but there are only {', '.join(known)}")
        return cls(names, of)

    def labels(self, theirs: Sequence[str]) -> IntArray:
        """(len(theirs),) the student's label for each of their names, -1 for one that is not learned."""
        found = [next((own for own, group in enumerate(self.of) if name in group), -1) for name in theirs]
        return np.array(found, np.int64)

    def translate(self, found: Detections, theirs: Sequence[str], *, same: float = _SAME_OBJECT) -> Detections:
        """Detections in the student's labels, without those of other classes.

        Where two of their classes have become one, the weaker of two boxes of one object is dropped. `same`: IoU from
        which two boxes are one object.
        """
        labels = self.labels(theirs)[found.labels]
        known = replace(found, labels=labels)[labels >= 0]
        return known[suppress(known.boxes, known.scores, known.labels, iou=same)]
