"""MQTT against a real broker: what arrives, what does not, hostile names in topics, and brokers that are killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from pipeline.alerts.courier import ABORTED, Answer, Outcome
from pipeline.alerts.message import Message, event_message
from pipeline.alerts.mqtt import Mqtt, topic_of
from pipeline.events import EventKind
from pipeline.store.deliveries import AlertEvent
from tests.integration.alerts.broker import Broker, Listener
from tests.integration.alerts.receiver import free_port
from tests.integration.alerts.test_webhook import certificate
from tests.promptness import allowed, promptly, until

TOPIC = "sightline/{camera}/{rule}/{kind}"
ANSWERED = allowed(3)  # seconds within which a broker answers that is well
HOSTILE = [
    "a/b",
    "+",
    "#",
    "a+#b",
    "$SYS",
    "../x",
    "null\0",
    "line\nbreak",
    "\u202eright to left",
    "\ud800",
    "",
    "{kind}",
]


def message(number: int, *, rule: str = "door", camera: str = "gate") -> Message:
    return event_message(AlertEvent(UUID(int=number), EventKind.ENTER, rule, camera, 0, UUID(int=0)))


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Open to everybody."""
    with Broker(tmp_path) as running:
        yield running


def publish(broker: Broker, *, credentials: tuple[str, str] | None = None) -> Answer:
    return deliver(Mqtt(broker.url, topic=TOPIC, credentials=credentials, timeout=ANSWERED))


def test_what_arrives(broker: Broker) -> None:
    with Listener(broker.port) as listener:
        courier = Mqtt(broker.url, topic=TOPIC, timeout=ANSWERED)
        answers = [courier.deliver(message(number)) for number in range(3)]
        courier.close()
        courier.close()
        listener.wait(3)
    assert {answer.outcome for answer in answers} == {Outcome.ARRIVED}
    assert [heard.body for heard in listener.heard] == [message(number).body for number in range(3)]
    assert {heard.topic for heard in listener.heard} == {"sightline/gate/door/enter"}


def test_nobody_listens_to_the_topic(broker: Broker) -> None:
    assert publish(broker).outcome is Outcome.ARRIVED  # the broker has it; who hears it is not ours to say


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_within_their_level(name: str) -> None:
    topic = topic_of(TOPIC, message(1, rule=name, camera=name))
    levels = topic.split("/")
    assert (len(levels), levels[0], levels[3]) == (4, "sightline", "enter")
    assert not any(letter in "+#$" or not letter.isprintable() for letter in topic)
    assert all(levels)
    topic.encode()
    assert len(topic_of(TOPIC, message(1, rule="\u00e9" * 70_000)).encode()) < 65_535


def test_hostile_names_arrive(broker: Broker) -> None:
    names = [name for name in HOSTILE if name.isprintable()]
    with Listener(broker.port) as listener:
        courier = Mqtt(broker.url, topic="{camera}/{rule}", timeout=ANSWERED)
        for name in names:
            assert courier.deliver(message(1, rule=name, camera=name)).outcome is Outcome.ARRIVED
        courier.close()
        listener.wait(len(names))
    assert [heard.told["rule"] for heard in listener.heard] == names


def test_credentials(tmp_path: Path) -> None:
    made = ["mosquitto_passwd", "-b", "-c", str(tmp_path / "passwords"), "guard", "p@ss:/?#%21"]
    subprocess.run(made, check=True, timeout=120)
    (tmp_path / "rights").write_text("user guard\ntopic write sightline/gate/#\n")
    options = [f"password_file {tmp_path / 'passwords'}", f"acl_file {tmp_path / 'rights'}", "allow_anonymous false"]
    for file in ("passwords", "rights"):
        (tmp_path / file).chmod(0o644)
    with Broker(tmp_path, options=options) as broker:
        good = ("guard", "p@ss:/?#%21")
        assert publish(broker, credentials=good).outcome is Outcome.ARRIVED
        for credentials in (("guard", "s3cret"), None):
            answer = publish(broker, credentials=credentials)
            assert answer.outcome is Outcome.FAILED
            assert answer.said.startswith("the broker refuses the connection: ")
            assert "s3cret" not in answer.said
        courier = Mqtt(broker.url, topic="private/{camera}", credentials=good, timeout=ANSWERED)
        answer = courier.deliver(message(1))
        courier.close()
    assert answer == Answer(Outcome.REFUSED, "the broker says: Not authorized")


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate(tmp_path)
    for file in ("server.key", "server.crt"):
        (tmp_path / file).chmod(0o644)
    options = [f"certfile {tmp_path / 'server.crt'}", f"keyfile {tmp_path / 'server.key'}", "allow_anonymous true"]
    with Broker(tmp_path, options=options) as broker:
        url = broker.url.replace("mqtt", "mqtts")
        unknown = deliver(Mqtt(url, topic=TOPIC, timeout=ANSWERED))
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.crt"))
        known = deliver(Mqtt(url, topic=TOPIC, timeout=ANSWERED))
        other = deliver(Mqtt(url.replace("127.0.0.1", "localhost"), topic=TOPIC, timeout=ANSWERED))
        plain = deliver(Mqtt(broker.url, topic=TOPIC, timeout=2))
    assert known.outcome is Outcome.ARRIVED
    assert {answer.outcome for answer in (unknown, other, plain)} == {Outcome.FAILED}
    assert all("certificate verify failed" in answer.said.lower() for answer in (unknown, other))


def deliver(courier: Mqtt) -> Answer:
    """One message, and farewell."""
    try:
        return courier.deliver(message(1))
    finally:
        courier.close()


def test_nobody_there() -> None:
    courier = Mqtt(f"mqtt://127.0.0.1:{free_port()}", topic=TOPIC)
    assert courier.deliver(message(1)) == Answer(Outcome.FAILED, "the broker cannot be reached: Connection refused")
    courier.close()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b"])
def test_an_unknown_host(host: str) -> None:
    answer = deliver(Mqtt(f"mqtt://{host}", topic=TOPIC))
    assert answer.outcome is Outcome.FAILED
    assert answer.said.startswith("the broker cannot be reached: ")


def test_a_broker_that_is_killed_and_comes_back(broker: Broker) -> None:
    with Listener(broker.port) as listener:
        courier = Mqtt(broker.url, topic=TOPIC, timeout=ANSWERED)
        assert courier.deliver(message(1)).outcome is Outcome.ARRIVED
        listener.wait(1)
        time.sleep(allowed(1.2))  # until the broker has written down who listens
        broker.kill()
        assert courier.deliver(message(2)).outcome is Outcome.FAILED
        assert courier.deliver(message(2)).outcome is Outcome.FAILED
        broker.start()
        assert courier.deliver(message(2)).outcome is Outcome.ARRIVED
        listener.wait(2)
        courier.close()
    assert [heard.body for heard in listener.heard] == [message(1).body, message(2).body]


def test_a_broker_that_stands_still(tmp_path: Path) -> None:
    with Broker(tmp_path) as broker:
        seconds = allowed(0.5)  # enough where it does not stand still
        courier = Mqtt(broker.url, topic=TOPIC, timeout=seconds)
        assert courier.deliver(message(1)).outcome is Outcome.ARRIVED
        assert broker.number is not None
        os.kill(broker.number, signal.SIGSTOP)
        try:
            assert courier.deliver(message(2)) == Answer(Outcome.FAILED, f"gave no answer within {seconds:g} s")
        finally:
            os.kill(broker.number, signal.SIGCONT)
        assert courier.deliver(message(2)).outcome is Outcome.ARRIVED
        courier.close()


def test_a_broker_of_old_knows_no_mqtt_5(caplog: pytest.LogCaptureFixture) -> None:
    spoken: list[int] = []
    done = threading.Event()

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                connection.settimeout(allowed(5))
                version = connection.recv(1024)[8]  # after the fixed header and the name MQTT (3.1.1, figure 3.2)
                spoken.append(version)
                if version == 5:
                    connection.sendall(b"\x20\x02\x00\x01")  # CONNACK: unacceptable protocol version
                    continue
                connection.sendall(b"\x20\x02\x00\x00")
                published = connection.recv(4096)
                length = 2 if published[1] < 128 else 3  # of the fixed header
                named = length + 2 + int.from_bytes(published[length : length + 2])
                connection.sendall(b"\x40\x02" + published[named : named + 2])  # PUBACK
                done.wait(allowed(5))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        courier = Mqtt(f"mqtt://127.0.0.1:{server.getsockname()[1]}", topic=TOPIC, timeout=ANSWERED)
        answer = courier.deliver(message(1))
        done.set()
        courier.close()
        thread.join(allowed(10))
    assert answer.outcome is Outcome.ARRIVED
    assert spoken == [5, 4]
    assert "speaks no MQTT 5" in caplog.text


@pytest.mark.parametrize("trouble", ["is silent", "never accepts"])
def test_an_end_from_outside_comes_at_once(trouble: str) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as mute:
        held = [socket.create_connection(mute.getsockname()) for _ in range(2 if trouble == "never accepts" else 0)]
        courier = Mqtt(f"mqtt://127.0.0.1:{mute.getsockname()[1]}", topic=TOPIC, timeout=30)
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(courier.deliver(message(1))))
        thread.start()
        time.sleep(0.3)
        with promptly(0.7):
            courier.abort()
            thread.join(allowed(5))
            courier.close()
        assert answers == [ABORTED]
        for connection in held:
            connection.close()


def test_no_thread_is_left(broker: Broker) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    assert publish(broker).outcome is Outcome.ARRIVED

    def left() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.ident not in before]

    until(lambda: not left(), 5, lambda: f"left: {left()}")
