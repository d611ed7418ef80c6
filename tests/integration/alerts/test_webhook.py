"""Webhook against a real receiver: what is sent, and what each answer, delay and breakdown means."""

from __future__ import annotations

import base64
import json
import logging
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from uuid import UUID

import pytest

from pipeline.alerts.courier import ABORTED, Answer, Outcome
from pipeline.alerts.message import Message, event_message, trial_message
from pipeline.alerts.webhook import Webhook
from pipeline.events import EventKind
from pipeline.store.deliveries import AlertEvent
from tests.conftest import unavailable
from tests.integration.alerts.receiver import Reply, WebhookReceiver, free_port
from tests.promptness import allowed, promptly

ID = UUID("01936d2e-0000-7000-8000-000000000001")
RUN = UUID("01936d2e-0000-7000-8000-000000000002")
ANSWERED = allowed(5.0)  # seconds within which a receiver answers that is well
MESSAGE = event_message(AlertEvent(ID, EventKind.ENTER, "door", "gate", 1_700_000_000_000_001, RUN))


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """Listening, and content with everything."""
    with WebhookReceiver() as listening:
        yield listening


def post(url: str, *, message: Message = MESSAGE, timeout: float = ANSWERED) -> Answer:
    hook = Webhook(url, timeout=timeout)
    try:
        return hook.deliver(message)
    finally:
        hook.close()


def test_the_message() -> None:
    whole = AlertEvent(
        ID, EventKind.CROSS, "kerb", "gate \u00e9", 1_700_000_000_123_456, RUN, value=1.5, direction="in",
        class_name="car", track=RUN, object=ID, x=12.344, y=6.5,
    )  # fmt: skip
    assert json.loads(event_message(whole).body) == {
        "version": 1,
        "test": False,
        "id": str(ID),
        "kind": "cross",
        "rule": "kerb",
        "camera": "gate \u00e9",
        "at": "2023-11-14T22:13:20.123456Z",
        "value": 1.5,
        "direction": "in",
        "class": "car",
        "track": str(RUN),
        "object": str(ID),
        "place": {"x": 12.34, "y": 6.5},
        "run": str(RUN),
    }
    bare = json.loads(MESSAGE.body)
    assert bare.keys() == json.loads(event_message(whole).body).keys()
    assert [bare[name] for name in ("value", "direction", "class", "track", "object", "place")] == [None] * 6
    assert bare["at"] == "2023-11-14T22:13:20.000001Z"
    trial = json.loads(trial_message(ID, at=0).body)
    assert (trial["test"], trial["id"], trial["at"]) == (True, str(ID), "1970-01-01T00:00:00.000000Z")


def test_what_arrives(receiver: WebhookReceiver) -> None:
    password = "p@ss:/?#%21 \u00e9"
    hook = Webhook(receiver.url, credentials=("guard", password), timeout=ANSWERED)
    assert hook.deliver(MESSAGE) == Answer(Outcome.ARRIVED, "answered 200 OK")
    hook.close()
    hook.close()
    [request] = receiver.requests
    assert request.body == MESSAGE.body
    assert (request.path, request.key) == ("/hook", str(ID))
    assert request.headers["content-type"] == "application/json"
    kind, _, encoded = request.headers["authorization"].partition(" ")
    assert (kind, base64.b64decode(encoded).decode()) == ("Basic", f"guard:{password}")


def test_the_connection_is_kept(receiver: WebhookReceiver) -> None:
    hook = Webhook(receiver.url, timeout=ANSWERED)
    assert [hook.deliver(MESSAGE).outcome for _ in range(3)] == [Outcome.ARRIVED] * 3
    receiver.stop()
    assert hook.deliver(MESSAGE).outcome is Outcome.FAILED
    receiver.start()
    assert hook.deliver(MESSAGE).outcome is Outcome.ARRIVED
    hook.close()


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success(receiver: WebhookReceiver, status: int) -> None:
    receiver.reply = lambda _: Reply(status, body=b"")
    assert post(receiver.url).outcome is Outcome.ARRIVED


@pytest.mark.parametrize(
    ("status", "said"), [(400, "answered 400 Bad Request"), (401, "answered 401 Unauthorized"), (499, "answered 499")]
)
def test_refusals(receiver: WebhookReceiver, status: int, said: str) -> None:
    receiver.reply = lambda _: Reply(status, body=b"the password is wrong: s3cret")
    assert post(receiver.url) == Answer(Outcome.REFUSED, said)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_work_later(receiver: WebhookReceiver, status: int) -> None:
    receiver.reply = lambda _: Reply(status)
    answer = post(receiver.url)
    assert (answer.outcome, answer.wait) == (Outcome.FAILED, None)
    assert str(status) in answer.said


def test_retry_after(receiver: WebhookReceiver) -> None:
    asked = iter(["120", formatdate(time.time() + 60, usegmt=True), formatdate(0, usegmt=True), "soon"])
    receiver.reply = lambda _: Reply(429, {"Retry-After": next(asked)})
    waits = [post(receiver.url).wait for _ in range(4)]
    assert waits[0] == 120
    assert waits[1] is not None
    assert 60 - allowed(5) < waits[1] <= 60
    assert waits[2:] == [0.0, None]


def test_redirects_lead_nowhere(receiver: WebhookReceiver) -> None:
    with WebhookReceiver() as elsewhere:
        host = elsewhere.url.removesuffix("/hook")
        target = host.replace("127.0.0.1", "user:s3cret@127.0.0.1") + "/hook/t0ken"
        here = receiver.url.removesuffix("/hook")
        for headers, told in (({"Location": target}, host), ({"Location": "/hook/t0ken"}, here), ({}, "nowhere")):
            receiver.reply = lambda _, headers=headers: Reply(307, headers)  # type: ignore[misc]
            answer = post(receiver.url)
            assert answer.outcome is Outcome.REFUSED
            assert f"answered 307 Temporary Redirect and points to {told};" in answer.said
            assert not {word for word in ("s3cret", "t0ken") if word in answer.said}
    assert elsewhere.requests == []


def test_a_receiver_that_hangs(receiver: WebhookReceiver) -> None:
    receiver.reply = lambda _: Reply(delay=3)
    with promptly(0.5):
        assert post(receiver.url, timeout=0.3) == Answer(Outcome.FAILED, "gave no answer within 0.3 s")


def test_an_endless_answer_is_not_read(receiver: WebhookReceiver) -> None:
    receiver.reply = lambda _: Reply(body=b"x" * 50_000_000)
    assert post(receiver.url).outcome is Outcome.ARRIVED


def test_nobody_listens() -> None:
    answer = post(f"http://127.0.0.1:{free_port()}/hook/s3cret")
    assert answer.outcome is Outcome.FAILED
    assert answer.said.startswith("cannot be reached")
    assert "s3cret" not in answer.said


def test_an_unknown_host() -> None:
    answer = post("http://no-such-host.invalid/hook")
    assert answer.outcome is Outcome.FAILED
    assert answer.said.startswith("cannot be reached")


def test_no_http_at_all() -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:
        threading.Thread(target=lambda: rude.accept()[0].close(), daemon=True).start()
        answer = post(f"http://127.0.0.1:{rude.getsockname()[1]}/")
    assert answer.outcome is Outcome.FAILED
    assert answer.said.startswith("broke the connection off")


def test_certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate(tmp_path)
    tls = SSLContext(PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    with WebhookReceiver(tls=tls) as receiver:
        answer = post(receiver.url)
        assert answer.outcome is Outcome.FAILED
        assert "certificate verify failed" in answer.said.lower()
        assert receiver.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.crt"))
        assert post(receiver.url).outcome is Outcome.ARRIVED
        other = post(receiver.url.replace("127.0.0.1", "localhost"))
        assert "certificate verify failed" in other.said.lower()


def certificate(folder: Path) -> None:
    """server.crt and server.key for 127.0.0.1, signed by nobody else."""
    if shutil.which("openssl") is None:
        unavailable("openssl is not installed: apt-get install openssl")
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(folder / "server.key"), "-out", str(folder / "server.crt")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names, *files]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("trouble", ["hangs", "never accepts", "accepts and says nothing"])
def test_an_end_from_outside_comes_at_once(trouble: str) -> None:
    with WebhookReceiver(lambda _: Reply(delay=5)) as slow, socket.create_server(("127.0.0.1", 0), backlog=1) as mute:
        place = f"127.0.0.1:{mute.getsockname()[1]}"
        held = [socket.create_connection(mute.getsockname()) for _ in range(2 if trouble == "never accepts" else 0)]
        hook = Webhook(slow.url if trouble == "hangs" else f"http://{place}/", timeout=30)
        answers: list[Answer] = []
        thread = threading.Thread(target=lambda: answers.append(hook.deliver(MESSAGE)))
        thread.start()
        time.sleep(0.3)
        with promptly(0.5):
            hook.abort()
            thread.join(allowed(5))
        assert answers == [ABORTED]
        assert hook.deliver(MESSAGE) == ABORTED  # nor does another begin
        hook.close()
        for connection in held:
            connection.close()


def test_nothing_of_the_address_is_logged(receiver: WebhookReceiver, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert post(receiver.url + "/T0K3N").outcome is Outcome.ARRIVED
    assert receiver.requests[0].path.endswith("T0K3N")
    assert "T0K3N" not in caplog.text
