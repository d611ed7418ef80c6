"""Dispatcher with real receivers: nothing is lost, nothing comes twice, nobody waits for somebody else's receiver."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import UUID

import pytest

from pipeline.alerts.courier import ABORTED, Answer, Courier, Outcome
from pipeline.alerts.dispatcher import AlertReport, Dispatcher, Receiver
from pipeline.alerts.line import Line, Pauses
from pipeline.alerts.message import Message
from pipeline.alerts.mqtt import Mqtt
from pipeline.alerts.webhook import Webhook
from pipeline.store.database import Database, open_database
from pipeline.store.deliveries import AlertTarget, DeliveryState, list_deliveries, retry_now
from pipeline.store.filters import Scope
from tests.conftest import ROOT
from tests.integration.alerts.broker import Broker, Listener
from tests.integration.alerts.receiver import Reply, Request, WebhookReceiver
from tests.integration.alerts.telling import Camera, event_ids
from tests.promptness import allowed, promptly, until

QUICK = Pauses(first=0.1, longest=0.5, refused=1.0)
HQ = AlertTarget("hq")
ANSWERED = allowed(5.0)  # seconds within which a receiver answers that is well


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    """An empty one."""
    with open_database(tmp_path / "runs.db") as opened:
        yield opened


@pytest.fixture
def camera(store: Database, tmp_path: Path) -> Camera:
    """Whose events are for `hq`."""
    return Camera(store, tmp_path / "media", [HQ])


def hook(url: str, *, name: str = "hq", timeout: float = ANSWERED) -> Receiver:
    return Receiver(name, Webhook(url, timeout=timeout), timeout)


def keys(receiver: WebhookReceiver) -> list[UUID]:
    return [UUID(request.key) for request in receiver.requests]


def states(store: Database, scope: Scope) -> list[DeliveryState]:
    with store.read() as connection:
        rows = list_deliveries(scope, connection, states=tuple(DeliveryState), limit=10_000)
    return [row.state for row in reversed(rows)]


@pytest.mark.parametrize("down", [5.0, pytest.param(30.0, marks=pytest.mark.long)])
def test_a_receiver_that_is_down(store: Database, camera: Camera, down: float) -> None:
    """`down`: seconds."""
    receiver, pauses = WebhookReceiver(), Pauses(first=down / 30, longest=down / 15)
    with Dispatcher(store, camera.scope, [hook(receiver.url)], pauses=pauses) as dispatcher:
        with receiver:
            camera.happens(5)
            until(lambda: dispatcher.report()["hq"].arrived == 5)  # it has heard the answers, too
        ended = time.monotonic()
        while time.monotonic() - ended < down:
            camera.happens(2)
            time.sleep(down / 10)
        report, took = dispatcher.report()["hq"], time.monotonic() - ended
        assert report.waiting == len(event_ids(store)) - 5
        assert report.error.startswith("cannot be reached")
        assert 10 / allowed(1) <= report.failures <= 40 * took / down
        with receiver:
            receiver.wait(len(event_ids(store)))
            camera.happens(1)
            receiver.wait(len(event_ids(store)))
            until(lambda: dispatcher.report()["hq"].waiting == 0)
    assert keys(receiver) == event_ids(store)  # each once, in order


def test_over_a_restart(store: Database, camera: Camera) -> None:
    with Dispatcher(store, camera.scope, [hook("http://127.0.0.1:9/")], pauses=QUICK) as dispatcher:
        camera.happens(3)
        until(lambda: dispatcher.report()["hq"].failures > 0)
    camera.happens(2)  # nobody sends
    with WebhookReceiver() as receiver, Dispatcher(store, camera.scope, [hook(receiver.url)], pauses=QUICK):
        receiver.wait(5)
    assert keys(receiver) == event_ids(store)


def test_a_dispatcher_that_is_killed(store: Database, camera: Camera, tmp_path: Path) -> None:
    camera.happens(40)
    ids = event_ids(store)
    with WebhookReceiver(lambda _: Reply(delay=0.1)) as receiver:
        command = [sys.executable, "-m", "tests.integration.alerts.sending", str(tmp_path / "runs.db"), receiver.url]
        process = subprocess.Popen(command, cwd=ROOT)
        try:
            receiver.wait(10)
        finally:
            process.kill()
            process.wait(allowed(10))
        time.sleep(allowed(0.3))  # what it had sent last is heard
        before = keys(receiver)
        assert 10 <= len(before) < 40
        # What the killed one had claimed is its own until its lease runs out: here, by a clock that is ahead.
        late = Dispatcher(store, camera.scope, [hook(receiver.url)], clock=lambda: time.time_ns() // 1000 + 60_000_000)
        with late:
            until(lambda: late.report()["hq"].waiting == 0)
    again = len(receiver.requests) - len(ids)
    assert again in (0, 1)  # the one that was on its way; under the same key
    assert before == ids[: len(before)]
    assert keys(receiver)[len(before) :] == ids[len(before) - again :]


def test_two_dispatchers(store: Database, camera: Camera) -> None:
    with WebhookReceiver() as receiver:
        pair = [Dispatcher(store, camera.scope, [hook(receiver.url)]) for _ in range(2)]
        with pair[0], pair[1]:
            for _ in range(10):
                camera.happens(5)
            receiver.wait(50)
            time.sleep(0.5)
    assert keys(receiver) == event_ids(store)


def test_a_slow_receiver_delays_nobody_else(store: Database, tmp_path: Path) -> None:
    camera = Camera(store, tmp_path, [AlertTarget("slow"), AlertTarget("quick")])
    with WebhookReceiver(lambda _: Reply(delay=120)) as slow, WebhookReceiver() as quick:
        both = [hook(slow.url, name="slow", timeout=60), hook(quick.url, name="quick")]
        with Dispatcher(store, camera.scope, both):
            camera.happens(20)
            quick.wait(20)
            assert len(slow.requests) <= 1
    assert keys(quick) == event_ids(store)


@pytest.mark.parametrize("trouble", [Reply(500), Reply(delay=allowed(0.6)), Reply(429)])
def test_a_receiver_in_trouble_gets_it_again_under_the_same_key(
    store: Database, camera: Camera, trouble: Reply
) -> None:
    def reply(_: Request) -> Reply:
        return trouble if len(receiver.requests) <= 3 else Reply()

    with (
        WebhookReceiver(reply) as receiver,
        Dispatcher(store, camera.scope, [hook(receiver.url, timeout=allowed(0.3))], pauses=QUICK) as dispatcher,
    ):
        camera.happens(2)
        until(lambda: dispatcher.report()["hq"].arrived == 2)
        report = dispatcher.report()["hq"]
    first, second = event_ids(store)
    assert keys(receiver) == [first] * 4 + [second]
    assert report == AlertReport(waiting=0, refused=0, arrived=2, failures=3, error="")


def test_retry_after_is_kept_to(store: Database, camera: Camera) -> None:
    def reply(_: Request) -> Reply:
        return Reply(429, {"Retry-After": "2"}) if len(receiver.requests) == 1 else Reply()

    with WebhookReceiver(reply) as receiver, Dispatcher(store, camera.scope, [hook(receiver.url)], pauses=QUICK):
        camera.happens(1)
        receiver.wait(2)
    assert receiver.requests[1].at - receiver.requests[0].at >= 2


def test_what_is_refused_is_kept_and_tried_again(store: Database, camera: Camera) -> None:
    def reply(request: Request) -> Reply:
        return Reply(400) if request.told["rule"] == "bad" and not mended.is_set() else Reply()

    mended = threading.Event()
    with (
        WebhookReceiver(reply) as receiver,
        Dispatcher(store, camera.scope, [hook(receiver.url)], pauses=Pauses(refused=3600)) as dispatcher,
    ):
        camera.happens(1, rule="bad")
        camera.happens(2)
        until(lambda: dispatcher.report()["hq"].arrived == 2)
        assert states(store, camera.scope) == [DeliveryState.REFUSED, *[DeliveryState.ARRIVED] * 2]
        assert dispatcher.report()["hq"].refused == 1
        mended.set()
        with store.write() as connection:
            assert retry_now(camera.scope, connection, targets=["hq"], now=time.time_ns() // 1000) == 1
        until(lambda: dispatcher.report()["hq"].arrived == 3)
    bad, first, second = event_ids(store)
    assert keys(receiver) == [bad, first, second, bad]


def test_what_is_refused_is_tried_again_by_itself(store: Database, camera: Camera) -> None:
    with (
        WebhookReceiver(lambda _: Reply(400 if len(receiver.requests) == 1 else 200)) as receiver,
        Dispatcher(store, camera.scope, [hook(receiver.url)], pauses=QUICK),
    ):
        camera.happens(1)
        receiver.wait(2)
    assert receiver.requests[1].at - receiver.requests[0].at >= 0.9


def test_a_broker_that_is_killed_and_comes_back(store: Database, camera: Camera, tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    with Broker(folder) as broker, Listener(broker.port) as listener:
        courier = Mqtt(broker.url, topic="sightline/{camera}/{kind}", timeout=ANSWERED)
        with Dispatcher(store, camera.scope, [Receiver("hq", courier, ANSWERED)], pauses=QUICK) as dispatcher:
            camera.happens(5)
            listener.wait(5)
            time.sleep(allowed(1.2))  # until the broker has written down who listens
            broker.kill()
            camera.happens(20)
            until(lambda: dispatcher.report()["hq"].failures >= 2)
            broker.start()
            listener.wait(25)
            until(lambda: dispatcher.report()["hq"].waiting == 0)
            time.sleep(0.3)
    assert [UUID(heard.told["id"]) for heard in listener.heard] == event_ids(store)


@pytest.mark.parametrize("way", ["webhook", "mqtt"])
def test_hundreds_of_events(store: Database, camera: Camera, tmp_path: Path, way: str) -> None:
    for _ in range(3):
        camera.happens(100)
    with WebhookReceiver() as receiver, Broker(tmp_path) as broker, Listener(broker.port) as listener:
        mqtt = Receiver("hq", Mqtt(broker.url, topic="{camera}", timeout=ANSWERED), ANSWERED)
        began = time.monotonic()
        with Dispatcher(store, camera.scope, [mqtt if way == "mqtt" else hook(receiver.url)]) as dispatcher:
            until(lambda: dispatcher.report()["hq"].waiting == 0, 30)
        logging.getLogger(__name__).info("300 events by %s in %.1f s", way, time.monotonic() - began)
        if way == "mqtt":
            listener.wait(300)
    came = [UUID(heard.told["id"]) for heard in listener.heard] if way == "mqtt" else keys(receiver)
    assert came == event_ids(store)


def test_it_ends_within_a_second_whatever_its_receivers_do(store: Database, tmp_path: Path) -> None:
    targets = [AlertTarget(name) for name in ("hangs", "away", "mute", "idle")]
    camera = Camera(store, tmp_path, targets)
    camera.happens(3)
    before = set(threading.enumerate())
    with WebhookReceiver(lambda _: Reply(delay=20)) as slow:
        stopped = Broker(tmp_path)
        stopped.start()
        assert stopped.number is not None
        os.kill(stopped.number, signal.SIGSTOP)
        try:
            all_four = [
                hook(slow.url, name="hangs", timeout=30),
                hook("http://127.0.0.1:9/", name="away"),
                Receiver("mute", Mqtt(stopped.url, topic="x", timeout=30), 30),
                hook(slow.url, name="nobody waits for it"),
            ]
            with ExitStack() as ending:
                ending.enter_context(Dispatcher(store, camera.scope, all_four))
                slow.wait(1)
                with promptly(1.0):
                    ending.close()
            left = {thread.name for thread in threading.enumerate() if thread not in before}
            assert not {name for name in left if name.startswith("alert ") and name != "alert mqtt"}
        finally:
            stopped.kill()
    with store.read() as connection:  # and what was claimed is free for the next
        unsent = [DeliveryState.WAITING, DeliveryState.FAILED]
        rows = list_deliveries(camera.scope, connection, states=unsent, limit=99)
    assert len(rows) == 12
    assert claims_left(store) == 0


def claims_left(store: Database) -> int:
    from sqlalchemy import func, select

    from pipeline.store.tables import Delivery

    with store.read() as connection:
        return connection.scalar(select(func.count(Delivery.lease_until))) or 0


class Scripted(Courier):
    """Answers as told, without a receiver."""

    def __init__(self, answers: list[Answer | Exception]) -> None:
        self.sent: list[Message] = []
        self._answers = iter(answers)

    def deliver(self, message: Message) -> Answer:
        self.sent.append(message)
        answer = next(self._answers, ABORTED)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def abort(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """Nothing is open."""


def test_pauses_grow_differ_and_end(store: Database, camera: Camera) -> None:
    camera.happens(1)
    now = 0
    failed = Answer(Outcome.FAILED, "no answer")
    answers: list[Answer | Exception] = [failed] * 8
    courier = Scripted([*answers, Answer(Outcome.FAILED, "busy", 600), Answer(Outcome.FAILED, "busy", 1e9)])
    pauses = Pauses(first=1, longest=60)
    line = Line(store, camera.scope, "hq", courier, timeout=1, clock=lambda: now, pauses=pauses, jitter=lambda: 0.5)
    seen = []
    for _ in range(10):
        assert line.step() is Outcome.FAILED
        assert line.step() is None
        with store.read() as connection:
            [row] = list_deliveries(camera.scope, connection, states=[DeliveryState.FAILED], limit=1)
        seen.append((row.due_at - now) / 1e6)
        now = row.due_at
    assert seen == [0.75, 1.5, 3, 6, 12, 24, 45, 45, 600, 3600]


def test_what_has_arrived_is_not_sent_again_while_the_store_is_locked(tmp_path: Path) -> None:
    with (
        open_database(tmp_path / "runs.db", busy_seconds=0.1) as store,
        closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None, check_same_thread=False)) as other,
        WebhookReceiver(lambda _: lock(other) if len(receiver.requests) == 1 else Reply()) as receiver,
    ):
        camera = Camera(store, tmp_path / "media", [HQ])
        camera.happens(2)
        with Dispatcher(store, camera.scope, [hook(receiver.url)], pauses=QUICK) as dispatcher:
            receiver.wait(1)
            time.sleep(0.8)
            assert len(receiver.requests) == 1
            other.execute("ROLLBACK")
            until(lambda: dispatcher.report()["hq"].arrived == 2)
        assert keys(receiver) == event_ids(store)


def lock(connection: sqlite3.Connection) -> Reply:
    """Nobody else can write from now on; otherwise all is well."""
    connection.execute("BEGIN IMMEDIATE")
    return Reply()


def test_nothing_to_do(store: Database, camera: Camera) -> None:
    with Dispatcher(store, camera.scope, []) as dispatcher:
        assert dispatcher.report() == {}
    with Dispatcher(store, camera.scope, [Receiver("hq", Scripted([]), 1)]) as dispatcher:
        assert dispatcher.report() == {"hq": AlertReport(0, 0, 0, 0, "")}


def test_a_mistake_of_ours_is_not_kept_quiet(store: Database, camera: Camera, caplog: pytest.LogCaptureFixture) -> None:
    camera.happens(1)
    broken = Scripted([ValueError("a mistake")])
    dispatcher = Dispatcher(store, camera.scope, [Receiver("hq", broken, 1)])
    dispatcher.__enter__()
    until(lambda: "alert 'hq' failed for a reason unknown" in caplog.text)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("alert hq")] == ["alert hq"]
    with pytest.raises(ValueError, match="a mistake"):
        dispatcher.__exit__(None, None, None)
    assert claims_left(store) == 0


def test_errors_are_said_once(store: Database, camera: Camera, caplog: pytest.LogCaptureFixture) -> None:
    camera.happens(2)
    with (
        caplog.at_level(logging.INFO),
        WebhookReceiver(lambda _: Reply(500 if len(receiver.requests) <= 3 else 200)) as receiver,
        Dispatcher(store, camera.scope, [hook(receiver.url)], pauses=QUICK) as dispatcher,
    ):
        until(lambda: dispatcher.report()["hq"].arrived == 2)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("pipeline.alerts")] == [
        "alert 'hq' answered 500 Internal Server Error; what waits is kept",
        "alert 'hq': messages arrive again",
    ]
