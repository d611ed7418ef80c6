"""What the dispatcher asks of a way to a receiver: the protocol Courier, and how an attempt can end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pipeline.alerts.message import Message


class Outcome(StrEnum):
    """How an attempt ended."""

    ARRIVED = "arrived"  # the receiver says that it has it
    FAILED = "failed"  # it could not be reached, or has no time: the same may work later
    REFUSED = "refused"  # it will not have this message, and waiting does not help
    ABORTED = "aborted"  # we ended it ourselves


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    outcome: Outcome
    said: str  # in words, without secrets
    wait: float | None = None  # seconds; the receiver asked not to be tried before


ABORTED = Answer(Outcome.ABORTED, "ended while a message was on its way")


class Courier(Protocol):
    """Takes messages to one receiver. One thread delivers and closes; any may abort."""

    def deliver(self, message: Message) -> Answer:
        """Try once, within the courier's time-out. What goes wrong outside is an answer, no error."""

    def abort(self) -> None:
        """End the attempt that is being made, at once, and let no other begin."""

    def close(self) -> None:
        """Let the connection go."""
