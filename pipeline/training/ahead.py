"""Makes the next batch while the one before is learned from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import TypeVar

Made = TypeVar("Made")


def made_ahead(makers: Iterable[Callable[[], Made]]) -> Iterator[Made]:
    """What each maker makes, in their order, one ahead, in a thread of its own; what it raises, comes in its turn."""
    with ThreadPoolExecutor(1, "sightline batches") as pool:
        waiting: Future[Made] | None = None
        for maker in chain(makers, [None]):
            following = None if maker is None else pool.submit(maker)
            if waiting is not None:
                yield waiting.result()
            waiting = following
