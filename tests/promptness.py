"""How soon is soon enough: strict on a machine at rest, patient on one that is shared.

What the product promises in seconds holds on a machine with nothing else to do. There, `SIGHTLINE_PATIENCE=1` asks for
exactly that (`make test-prompt`); elsewhere a test allows several times as long, so that it fails where something waits
for what it must not wait for, not where the machine was busy.

So a limit in a test is one of three: `promptly` or `allowed` for what is promised, `until` for what comes by itself,
and two minutes or more where nothing is promised and only a test that hangs has to end.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = float(os.environ.get("SIGHTLINE_PATIENCE", "5"))


def allowed(seconds: float) -> float:
    """How long something may take here that takes at most so many seconds on a machine at rest."""
    return seconds * PATIENCE


@contextmanager
def promptly(seconds: float) -> Iterator[None]:
    """What is done within takes at most so many seconds on a machine at rest."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < allowed(seconds), f"took {took:.2f} s; at rest {seconds} s, here {allowed(seconds):.2f} s are allowed"


def until(
    met: Callable[[], object],
    seconds: float = 10.0,
    why: str | Callable[[], str] = "it did not come to be",
    *,
    pause: float = 0.02,
) -> None:
    """Wait for what comes within so many seconds on a machine at rest; fails with `why` where it does not.

    `pause`: seconds between two looks.
    """
    latest = time.monotonic() + allowed(seconds)
    while True:
        late = time.monotonic() > latest  # asked first: however long the machine stood still, there is another look
        if met():
            return
        assert not late, f"{why if isinstance(why, str) else why()} (not within {allowed(seconds):g} s)"
        time.sleep(pause)
