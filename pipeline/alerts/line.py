"""The line of events that wait for one receiver: the oldest is sent, settled, and the next one steps up."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from pipeline.alerts.courier import Answer, Courier, Outcome
from pipeline.alerts.message import event_message
from pipeline.store import deliveries
from pipeline.store.database import Database
from pipeline.store.deliveries import Claim
from pipeline.store.filters import Scope

_log = logging.getLogger(__name__)

_MARGIN = 10.0  # seconds beyond a courier's time-out before another dispatcher may take a delivery over


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds between attempts."""

    first: float = 1.0  # after one that failed; doubles, ...
    longest: float = 60.0  # ... up to this
    refused: float = 3600.0  # until a refused message is tried again; doubles, ...
    longest_refused: float = 86400.0  # ... up to this
    longest_asked: float = 3600.0  # how far a receiver's Retry-After is followed


PAUSES = Pauses()


class Line:
    """Used by one thread. What cannot be settled, because the store does not answer, is settled before it goes on."""

    def __init__(
        self,
        database: Database,
        scope: Scope,
        target: str,
        courier: Courier,
        *,
        timeout: float,
        clock: Callable[[], int],
        pauses: Pauses = PAUSES,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`timeout`: seconds of the courier's attempts. `clock`: microseconds UTC. `jitter`: 0..1."""
        self.target = target
        self.arrived = 0  # messages, so far
        self.failures = 0  # attempts that failed or were refused, so far
        self.error = ""  # of the last attempt; "" when it arrived
        self._database = database
        self._scope = scope
        self._courier = courier
        self._lease = round((timeout + _MARGIN) * 1e6)
        self._clock = clock
        self._pauses = pauses
        self._jitter = jitter
        self._in_a_row = 0  # attempts that failed since the last that did not
        self._claimed: Claim | None = None
        self._answer: Answer | None = None  # of the claimed one, not settled yet

    def step(self) -> Outcome | None:
        """Send what comes next. None where nothing is due; else how it ended. Raises StoreError."""
        if self._claimed is None:
            self._claimed = self._next()
            if self._claimed is None:
                return None
        if self._answer is None:
            self._answer = self._courier.deliver(event_message(self._claimed.event))
        claimed, answer = self._claimed, self._answer
        with self._database.write(f"settle a message to '{self.target}'") as connection:
            self._settle(connection, claimed, answer)
            going_on = answer.outcome in (Outcome.ARRIVED, Outcome.REFUSED)
            following = self._claim(connection) if going_on else None
        self._claimed, self._answer = following, None
        self._count(answer)
        return answer.outcome

    def give_back(self) -> None:
        """Let others have what is claimed but was not sent. Raises StoreError."""
        if self._claimed is not None:
            with self._database.write(f"give a message to '{self.target}' back") as connection:
                deliveries.release(connection, self._claimed)
            self._claimed = None

    def _next(self) -> Claim | None:
        """Looks first: idle lines never take a lock."""
        with self._database.read("look for messages") as connection:
            if not deliveries.is_due(self._scope, connection, self.target, now=self._clock()):
                return None
        with self._database.write(f"claim a message to '{self.target}'") as connection:
            return self._claim(connection)

    def _claim(self, connection: Connection) -> Claim | None:
        return deliveries.claim(self._scope, connection, self.target, now=self._clock(), lease=self._lease)

    def _settle(self, connection: Connection, claimed: Claim, answer: Answer) -> None:
        now = self._clock()
        match answer.outcome:
            case Outcome.ARRIVED:
                deliveries.mark_delivered(connection, claimed, now=now)
            case Outcome.FAILED:
                due_at = now + round(self._pause(answer) * 1e6)
                deliveries.mark_failed(connection, claimed, error=answer.said, due_at=due_at)
            case Outcome.REFUSED:
                pause = min(self._pauses.refused * 2.0 ** min(claimed.attempts, 20), self._pauses.longest_refused)
                due_at = now + round(pause * 1e6)
                deliveries.mark_refused(connection, claimed, error=answer.said, now=now, due_at=due_at)
            case Outcome.ABORTED:
                deliveries.release(connection, claimed)

    def _pause(self, answer: Answer) -> float:
        """Seconds until a failed message is tried again; differs, so that many services do not come back at once."""
        pause = min(self._pauses.first * 2.0 ** min(self._in_a_row, 20), self._pauses.longest)
        asked = min(answer.wait or 0.0, self._pauses.longest_asked)
        return max(pause * (0.5 + 0.5 * self._jitter()), asked)

    def _count(self, answer: Answer) -> None:
        if answer.outcome is Outcome.ABORTED:
            return
        if answer.outcome is Outcome.ARRIVED:
            if self.error:
                _log.info("alert '%s': messages arrive again", self.target)
            self.arrived, self._in_a_row, self.error = self.arrived + 1, 0, ""
            return
        if answer.said != self.error:  # once, not at every attempt
            _log.warning("alert '%s' %s; what waits is kept", self.target, answer.said)
        self.failures, self.error = self.failures + 1, answer.said
        self._in_a_row = self._in_a_row + 1 if answer.outcome is Outcome.FAILED else 0
