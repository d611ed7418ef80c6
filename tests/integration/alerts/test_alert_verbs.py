"""`sightline alerts`, `alerts send` and `alerts test` as a user calls them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import SightlineError
from pipeline.store.database import open_database
from pipeline.store.deliveries import AlertTarget, claim, mark_refused
from tests.integration.alerts.receiver import Reply, WebhookReceiver, free_port
from tests.integration.alerts.telling import Camera, event_ids
from tests.integration.command import Finished, call_main


@dataclass(frozen=True)
class Place:
    """A folder with a cameras file and three events that wait for `hq`."""

    folder: Path
    receiver: WebhookReceiver

    def write(self, text: str) -> None:
        """The cameras file."""
        (self.folder / "cameras.yaml").write_text(text)


def asked(*words: str) -> Finished:
    """`sightline WORDS...` within this process; what `main` would print of an error is in `err`."""
    done = CliRunner(env={"COLUMNS": "200", "NO_COLOR": "1"}).invoke(app, words)
    if isinstance(done.exception, SightlineError):
        return Finished(2, done.stdout, str(done.exception))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return Finished(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """With a receiver that is content; the working folder."""
    monkeypatch.chdir(tmp_path)
    with WebhookReceiver() as receiver:
        made = Place(tmp_path, receiver)
        made.write(f"alerts:\n  hq: {{kind: webhook, url: '{receiver.url}'}}\nstore: {{database: runs.db}}\n")
        with open_database(tmp_path / "runs.db") as database:
            camera = Camera(database, tmp_path, [AlertTarget("hq")])
            camera.happens(3)
            with database.write() as connection:
                found = claim(camera.scope, connection, "hq", now=time.time_ns() // 1000, lease=1)
            assert found is not None
            with database.write() as connection:
                mark_refused(connection, found, error="answered 400 Bad Request", now=1, due_at=2**60)
        yield made


def test_the_whole_way(place: Place) -> None:
    listed = asked("alerts", "--database", "runs.db")
    assert listed.code == 0
    assert "hq: 2 waiting, 1 refused" in listed.out
    assert listed.out.count(" gate ") == 3
    failed = asked("alerts", "--failed", "--database", "runs.db")
    assert "answered 400 Bad Request" in failed.out
    assert failed.out.count(" gate ") == 1
    assert asked("alerts", "--waiting", "--database", "runs.db").out.count(" gate ") == 2

    sent = asked("alerts", "send", "cameras.yaml")
    assert (sent.code, sent.out.strip()) == (0, "hq: 3 arrived, 0 waiting, 0 refused")
    with open_database(place.folder / "runs.db") as database:
        assert [request.key for request in place.receiver.requests] == [str(one) for one in event_ids(database)]
    assert "nothing waits" in asked("alerts", "--waiting", "--database", "runs.db").out
    again = asked("alerts", "send", "cameras.yaml")
    assert (again.code, again.out.strip()) == (0, "hq: 0 arrived, 0 waiting, 0 refused")


def test_what_cannot_be_sent_is_kept(place: Place) -> None:
    place.receiver.reply = lambda _: Reply(503 if len(place.receiver.requests) == 2 else 200)
    sent = call_main("alerts", "send", "cameras.yaml", folder=place.folder)
    assert sent.code == 1
    assert sent.out.strip() == "hq: 1 arrived, 2 waiting, 0 refused; answered 503 Service Unavailable"
    assert asked("alerts", "send", "cameras.yaml").code == 0


def test_what_waits_is_forgotten(place: Place) -> None:
    first = asked("alerts", "drop", "hq", "--database", "runs.db")
    assert first.code == 2
    assert "no terminal to ask whether to forget them; add --yes" in first.err
    done = asked("alerts", "drop", "hq", "--yes", "--database", "runs.db")
    assert (done.code, done.out.splitlines()) == (0, ["hq: 2 waiting, 1 refused", "hq: 3 forgotten"])
    again = call_main("alerts", "drop", "hq", "--yes", "--database", "runs.db", folder=place.folder)
    assert again.code == 2
    assert "nothing waits for an alert 'hq'; something waits for: none" in again.err


def test_a_receiver_is_tried_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    arrived = asked("alerts", "test", "hq", "cameras.yaml")
    assert (arrived.code, arrived.out.strip()) == (0, "hq: arrived; answered 200 OK")
    assert place.receiver.requests[0].told["test"] is True

    place.write(f"alerts:\n  hq: {{kind: mqtt, url: 'mqtt://127.0.0.1:{free_port()}', secret: hq}}\n")
    monkeypatch.setenv("SIGHTLINE_SECRET_HQ", "guard:s3cret")
    away = asked("alerts", "test", "hq", "cameras.yaml")
    assert away.code == 1
    assert away.out.strip() == "hq: failed; the broker cannot be reached: Connection refused"
    assert "s3cret" not in away.out + away.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("alerts", "--waiting", "--failed", "--database", "runs.db"), "two different lists"),
        (("alerts", "--database", "none.db"), "there is no database"),
        (("alerts", "send", "no.yaml"), "there is no cameras file no.yaml"),
        (("alerts", "test", "nobody", "cameras.yaml"), "has no alert 'nobody'; it has: hq"),
        (("alerts", "test", "hq", "empty.yaml"), "empty.yaml has no alerts"),
        (("alerts", "test", "hq", "secret.yaml"), "set SIGHTLINE_SECRET_LOST=user:password"),
    ],
)
def test_wrong_questions(place: Place, words: tuple[str, ...], said: str) -> None:
    (place.folder / "empty.yaml").write_text("")
    (place.folder / "secret.yaml").write_text("alerts: {hq: {kind: webhook, url: 'http://a.example/', secret: lost}}")
    done = asked(*words)
    assert done.code == 2
    assert said in done.err
