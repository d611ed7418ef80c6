"""Heart: says in the store every other second that a run lives, and hears there what is wanted of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pipeline.errors import StoreError
from pipeline.store.liveness import HEARTBEAT_SECONDS
from pipeline.store.states import RequestedState

_log = logging.getLogger(__name__)


class Heart:
    """A thread that beats from `__enter__` to `__exit__`.

    A beat that fails is logged and tried again: whether a run can go on is decided where its results are written.
    """

    def __init__(
        self,
        beat: Callable[[], RequestedState],
        obey: Callable[[RequestedState], None],
        *,
        seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        """`beat`: tells the store and returns what is wanted. `obey`: called when that changes, in this thread.

        `seconds`: between two beats.
        """
        self._beat = beat
        self._obey = obey
        self._seconds = seconds
        self._wanted = RequestedState.RUN
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="sightline heart")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _live(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                wanted = self._beat()
                if wanted is not self._wanted:
                    self._obey(wanted)
                    self._wanted = wanted
            except StoreError as error:
                _log.warning("no sign of life could be given: %s", error)
