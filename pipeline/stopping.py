"""The first Ctrl-C or SIGTERM lets what is going on finish; a second one ends the process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

INTERRUPTED = 130  # exit code: ended by the user


class Stoppable(Protocol):
    """What Ctrl-C ends early."""

    def stop(self) -> None:
        """Called in a signal handler."""


@contextmanager
def stopping(work: Stoppable, say: Callable[[str], None]) -> Iterator[None]:
    """Until the block ends, signals stop `work`. `say`: is told what was heard."""

    def handle(number: int, _: object) -> None:
        work.stop()
        say(f"{signal.Signals(number).name}: finishing what was read ...")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
