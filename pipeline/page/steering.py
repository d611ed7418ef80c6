"""Steering: what the buttons on a run's card ask of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

from pipeline.page.run_cards import RESUME
from pipeline.store.states import RequestedState

_SAID = {
    RequestedState.PAUSE.value: "The run pauses after the frames it has begun.",
    RequestedState.RUN.value: "The run goes on.",
    RequestedState.STOP.value: "The run stops after the frames it has begun.",
    RESUME: "The run goes on where it was interrupted.",
}


class RunSteering(Protocol):
    """Tells runs what is wanted of them; see run_control.py."""

    def resume(self, run: UUID) -> None:
        """Let a run that ended early go on. Raises SightlineError where it cannot."""

    def request(self, run: UUID, wanted: RequestedState) -> None:
        """Ask a living run to pause, to go on or to stop. Raises StoreError where it does not live."""


def steer(runs: RunSteering, sent: Mapping[str, object]) -> str | None:
    """Pass on what a browser sent; what to say of it, None where it asks for nothing that a button asks.

    Raises SightlineError, with its reason, where the run cannot do it.
    """
    wanted = sent.get("wanted")
    if not isinstance(wanted, str) or wanted not in _SAID:
        return None
    try:
        run = UUID(str(sent.get("run")))
    except ValueError:
        return None
    if wanted == RESUME:
        runs.resume(run)
    else:
        runs.request(run, RequestedState(wanted))
    return _SAID[wanted]
