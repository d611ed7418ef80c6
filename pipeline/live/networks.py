"""LiveNetworks: what the networks of a live engine do with a batch, and how large the next one may be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from pipeline.asks import Asks, asked_rows
from pipeline.live.lane import Item, Lane
from pipeline.live.tolerant import Tolerant
from pipeline.live_report import StageMeter
from pipeline.models.base import Detector, Embedder, Learner, Segmenter, Sizable
from pipeline.scheduling.budget import Budget
from pipeline.stages import describe, outline
from trackers.structures import Detections

BATCH_SECONDS = 0.25  # that one may take; where networks are slow, batches are small


class LiveNetworks:
    """Detector, segmenter and embedder, past the odd frames on which they fail.

    The detector is asked by one thread, the two others together by one.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        segmenter: Segmenter | None,
        embedder: Embedder | None,
        asks: Asks,
        batch: int,
        budget: Budget | None,
        meters: Mapping[str, StageMeter],
        cameras: Callable[[], int],
        give_up: Callable[[Lane, Exception], None],
    ) -> None:
        """`batch`: most frames of one. `budget`: is told what looks cost. `meters`: of detect, segment and embed.
        `cameras`: how many there are now. `give_up`: ends a stream on whose frames a network fails every time.
        """
        self._detector, self._segmenter, self._embedder = detector, segmenter, embedder
        self._asks, self._batch, self._budget = asks, batch, budget
        self._meters, self._cameras = meters, cameras
        self._detecting = Tolerant("detector", self._found, give_up)
        self._segmenting = Tolerant("segmenter", self._outlined, give_up)
        self._embedding = Tolerant("embedder", self._described, give_up)

    def most(self) -> int:
        """Frames of the next batch: no more than the networks do in BATCH_SECONDS, or they would be old by then."""
        pace = max(self._meters["detect"].pace, self._behind())
        return self._batch if pace * self._batch <= BATCH_SECONDS else max(1, int(BATCH_SECONDS / pace))

    def forget(self, stream: int) -> None:
        """No frame of the stream will follow."""
        if isinstance(self._detector, Learner):
            self._detector.forget(stream)

    def look(self, items: Sequence[Item]) -> list[Item]:
        """The items with what the detector sees where it is to look, without the odd ones."""
        started = time.monotonic()
        with self._meters["detect"].busy(_looked(items), _names(items)):
            found = self._detecting.through(items)
        self._spent(time.monotonic() - started, _looked(items))
        return found

    def examine(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items with masks and features, without the odd ones."""
        if self._segmenter is not None and items:
            with self._meters["segment"].busy(_looked(items), _names(items)):
                items = self._segmenting.through(items)
        if self._embedder is not None and items:
            with self._meters["embed"].busy(_looked(items), _names(items)):
                items = self._embedding.through(items)
        return items

    def _behind(self) -> float:
        """Seconds a frame of the networks behind the detector."""
        return self._meters["segment"].pace + self._meters["embed"].pace

    def _spent(self, seconds: float, looks: int) -> None:
        """Tell the budget what the looks of a batch cost, with the networks behind the detector."""
        if self._budget is None or looks == 0:
            return
        self._budget.looked(seconds / looks + self._behind(), looks=looks, cameras=self._cameras())
        if isinstance(self._detector, Sizable):
            self._detector.choose(self._budget.level)

    def _found(self, items: Sequence[Item]) -> list[Detections]:
        found = self._detector.detect([item.frame for item in items])
        return [item.lane.wanted(rows) for item, rows in zip(items, found, strict=True)]

    def _outlined(self, items: Sequence[Item]) -> Sequence[Detections]:
        found, doubts = [item.detections for item in items], [item.doubts for item in items]
        rows = asked_rows(self._asks.masks, found, doubts)
        return outline(self._segmenter, [item.frame for item in items], found, rows)

    def _described(self, items: Sequence[Item]) -> Sequence[Detections]:
        found, doubts = [item.detections for item in items], [item.doubts for item in items]
        rows = asked_rows(self._asks.features, found, doubts)
        return describe(self._embedder, [item.frame for item in items], found, rows)


def _looked(items: Sequence[Item]) -> int:
    """How many of them the networks look at."""
    return sum(item.looked for item in items)


def _names(items: Sequence[Item]) -> str:
    return ", ".join(sorted({item.lane.name for item in items}))
