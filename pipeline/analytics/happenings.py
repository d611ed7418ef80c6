"""Happenings: events of one frame while they are gathered, and their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.events import EventKind, Events
from trackers.structures import FloatArray, IntArray

_ORDER = {kind: number for number, kind in enumerate(EventKind)}


@dataclass(slots=True, eq=False)
class Happenings:
    """Events of one frame, as they are found."""

    names: Sequence[str]  # of the rules
    size: FloatArray  # width, height of the picture, pixels
    _parts: list[Events] = field(default_factory=list)
    _rules: list[IntArray] = field(default_factory=list)

    def add(
        self,
        kind: EventKind,
        *,
        rules: IntArray,
        at: IntArray | int,
        ids: IntArray | int,
        labels: IntArray | int,
        values: FloatArray | float = np.nan,
        directions: Sequence[str] | None = None,
        points: FloatArray | float = np.nan,
    ) -> None:
        """Events of one kind. `rules`: (k,) numbers in `names`. `points`: (k, 2) shares. One value stands for all."""
        count = len(rules)
        if not count:
            return
        self._rules.append(rules)
        self._parts.append(
            Events(
                at=np.broadcast_to(np.asarray(at, np.int64), count),
                ids=np.broadcast_to(np.asarray(ids, np.int64), count),
                labels=np.broadcast_to(np.asarray(labels, np.int64), count),
                rules=tuple(self.names[rule] for rule in rules.tolist()),
                kinds=(kind,) * count,
                values=np.broadcast_to(np.asarray(values, np.float64), count),
                directions=("",) * count if directions is None else tuple(directions),
                points=(np.broadcast_to(points, (count, 2)) * self.size).astype(np.float32),
            )
        )

    def events(self) -> Events:
        """All of them: by rule, then kind, then track."""
        if not self._parts:
            return Events.empty()
        found = Events.concatenate(self._parts)
        kinds = np.array([_ORDER[kind] for kind in found.kinds])
        order = np.lexsort((found.at, found.ids, kinds, np.concatenate(self._rules)))
        return Events(
            at=found.at[order],
            ids=found.ids[order],
            labels=found.labels[order],
            rules=tuple(found.rules[i] for i in order),
            kinds=tuple(found.kinds[i] for i in order),
            values=found.values[order],
            directions=tuple(found.directions[i] for i in order),
            points=found.points[order],
        )
