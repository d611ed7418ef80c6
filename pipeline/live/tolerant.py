"""Tolerant: a network that goes on past frames on which it fails, and gives up when it fails on everything."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from pipeline.live.lane import Item, Lane
from trackers.structures import Detections

IN_A_ROW = 5  # frames on which it fails, one after the other, until it is not the frames' fault

_log = logging.getLogger(__name__)


class Tolerant:
    """Gives batches to a network. Where it fails on one, each of the frames is tried alone, and the odd ones are left
    out and counted. One thread.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Item]], Sequence[Detections]],
        give_up: Callable[[Lane, Exception], None],
    ) -> None:
        """`work`: the detections of each item. `give_up`: ends a stream on whose frames it fails every time."""
        self._name = name
        self._work = work
        self._give_up = give_up
        self._failed = 0  # frames in a row, of all streams

    def through(self, items: Sequence[Item]) -> list[Item]:
        """The items with their new detections, without the odd ones; as they are where the detector does not look.

        Raises what the network raises, once it has failed on IN_A_ROW frames one after the other.
        """
        looked = [item for item in items if item.looked]
        if not looked:
            return list(items)
        done = {id(old): new for old, new in self._tried(looked)}
        return [done.get(id(item), item) for item in items if id(item) in done or not item.looked]

    def _tried(self, items: Sequence[Item]) -> list[tuple[Item, Item]]:
        """Each item and what became of it, but for the odd ones."""
        try:
            return self._done(items)
        except Exception as error:  # noqa: BLE001 (whatever a network raises; what repeats is raised again)
            _log.debug("%s failed on %d frames, which are tried one by one: %s", self._name, len(items), error)
        done: list[tuple[Item, Item]] = []
        for item in items:
            try:
                done += self._done([item])
            except Exception as error:  # noqa: BLE001
                self._note(item, error)
        return done

    def _done(self, items: Sequence[Item]) -> list[tuple[Item, Item]]:
        found = self._work(items)
        done = [(item, replace(item, detections=rows)) for item, rows in zip(items, found, strict=True)]
        self._failed = 0
        for item in items:
            item.lane.odd[self._name] = 0  # of this network alone: another one may fail on all that this one passes on
        return done

    def _note(self, item: Item, error: Exception) -> None:
        lane, meter = item.lane, item.lane.meter
        _log.warning("%s: frame %d is left out, as the %s failed: %s", lane.name, item.frame.index, self._name, error)
        meter.odd_frames += 1
        meter.odd_error = f"{self._name}: {error}"
        self._failed += 1
        lane.odd[self._name] += 1
        if self._failed >= IN_A_ROW:
            error.add_note(
                f"so on {self._failed} frames in a row; the last one is frame {item.frame.index} of {lane.name}"
            )
            raise error
        if lane.odd[self._name] >= IN_A_ROW:
            self._give_up(lane, error)
