"""Dispatcher: one thread for each receiver sends what waits for it, for as long as a service runs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pipeline.alerts.courier import Courier, Outcome
from pipeline.alerts.line import PAUSES, Line, Pauses
from pipeline.errors import StoreError
from pipeline.store.database import Database
from pipeline.store.deliveries import Backlog, backlogs, retry_now
from pipeline.store.filters import Scope
from pipeline.store.writer import now_microseconds

_log = logging.getLogger(__name__)

_POLL = 0.25  # seconds between looks for new events
_STORE_PAUSE = 2.0  # seconds after the store did not answer
_MISTAKE_PAUSE = 60.0  # seconds after an error that nobody foresaw
_END = 0.9  # seconds that all threads together may take to end


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who is told of events."""

    target: str  # name of the alert
    courier: Courier
    timeout: float  # seconds of the courier's attempts


@dataclass(frozen=True, slots=True)
class AlertReport:
    """How a receiver is doing. Counters are since the dispatcher began."""

    waiting: int  # events that have not arrived
    refused: int  # events that the receiver would not have; tried again seldom
    arrived: int
    failures: int  # attempts
    error: str  # of the last attempt, without secrets; "" when it arrived


class Dispatcher:
    """Sends what waits, each receiver's in its order, a slow one never delaying another. A context manager.

    Nothing is lost while a receiver is down or while no dispatcher runs: events wait in the store. An event arrives
    once where its receiver answers in time. One that answers later than the time-out, or whose answer is cut off by
    the end of the program, gets it again, under the same id.
    """

    def __init__(
        self,
        database: Database,
        scope: Scope,
        receivers: Sequence[Receiver],
        *,
        clock: Callable[[], int] = now_microseconds,
        pauses: Pauses = PAUSES,
    ) -> None:
        """`scope`: whose events. `clock`: microseconds UTC."""
        self._database = database
        self._scope = scope
        self._receivers = receivers
        self._lines = [
            Line(database, scope, one.target, one.courier, timeout=one.timeout, clock=clock, pauses=pauses)
            for one in receivers
        ]
        self._stop = threading.Event()
        self._failure: Exception | None = None
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        for receiver, line in zip(self._receivers, self._lines, strict=True):
            name = f"alert {receiver.target}"
            thread = threading.Thread(target=self._serve, args=(receiver.courier, line), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends within a second. Raises the first error that nobody foresaw, if there was one."""
        self._stop.set()
        for receiver in self._receivers:
            receiver.courier.abort()
        deadline = time.monotonic() + _END
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                _log.warning("%s is still waiting for the store; left behind", thread.name)
        if self._failure is not None and error is None:
            raise self._failure

    def report(self) -> dict[str, AlertReport]:
        """How each receiver is doing, by name of its alert. Raises StoreError."""
        with self._database.read("count waiting messages") as connection:
            left = backlogs(self._scope, connection)
        told = {}
        for line in self._lines:
            backlog = left.get(line.target, Backlog())
            told[line.target] = AlertReport(backlog.waiting, backlog.refused, line.arrived, line.failures, line.error)
        return told

    def _serve(self, courier: Courier, line: Line) -> None:
        try:
            while not self._stop.is_set():
                self._stop.wait(self._step(line))
            _give_back(line)
        finally:
            courier.close()

    def _step(self, line: Line) -> float:
        """Returns seconds until the next."""
        try:
            outcome = line.step()
        except StoreError as error:
            _log.warning("alert '%s': %s; tried again", line.target, error)
            return _STORE_PAUSE
        except Exception as error:  # noqa: BLE001 (re-raised at the end; until then alerts are not given up)
            _log.exception("alert '%s' failed for a reason unknown to Sightline; tried again", line.target)
            self._failure = self._failure or error
            return _MISTAKE_PAUSE
        return 0.0 if outcome in (Outcome.ARRIVED, Outcome.REFUSED) else _POLL


def send_now(
    database: Database, scope: Scope, receiver: Receiver, *, clock: Callable[[], int] = now_microseconds
) -> AlertReport:
    """Send all that waits for a receiver or was refused, until nothing is left or an attempt fails. Raises StoreError.

    What a dispatcher is sending at the moment is left to it.
    """
    line = Line(database, scope, receiver.target, receiver.courier, timeout=receiver.timeout, clock=clock)
    with database.write("let messages be due") as connection:
        retry_now(scope, connection, targets=[receiver.target], now=clock())
    try:
        while line.step() in (Outcome.ARRIVED, Outcome.REFUSED):
            pass
    finally:
        line.give_back()
    with database.read("count waiting messages") as connection:
        left = backlogs(scope, connection).get(receiver.target, Backlog())
    return AlertReport(left.waiting, left.refused, line.arrived, line.failures, line.error)


def _give_back(line: Line) -> None:
    try:
        line.give_back()
    except StoreError as error:
        _log.warning("alert '%s': %s; another dispatcher has to wait a while", line.target, error)
