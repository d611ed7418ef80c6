"""The heart beats, obeys once, and outlives a store that is away for a moment."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipeline.errors import StoreError
from pipeline.heart import Heart
from pipeline.store.states import RequestedState


def test_what_is_wanted_is_obeyed_once(caplog: pytest.LogCaptureFixture) -> None:
    wishes: Iterator[RequestedState | None] = iter(
        [
            RequestedState.RUN,
            RequestedState.PAUSE,
            None,
            RequestedState.PAUSE,
            RequestedState.RUN,
            RequestedState.STOP,
        ]
    )
    heard: list[RequestedState] = []
    stopped = threading.Event()

    def beat() -> RequestedState:
        wish = next(wishes, RequestedState.STOP)
        if wish is None:
            raise StoreError("the disk is away")
        return wish

    def obey(wanted: RequestedState) -> None:
        heard.append(wanted)
        if wanted is RequestedState.STOP:
            stopped.set()

    with Heart(beat, obey, seconds=0.01):
        assert stopped.wait(120)
    assert heard == [RequestedState.PAUSE, RequestedState.RUN, RequestedState.STOP]
    assert "the disk is away" in caplog.text
    assert not any(thread.name == "sightline heart" for thread in threading.enumerate())
