"""/metrics and /healthz as others ask for them."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from pipeline.errors import ConfigError
from pipeline.watch.http_server import HttpServer, read_listen
from tests.promptness import promptly


@pytest.fixture
def reasons() -> list[str]:
    """Why the service is not healthy; tests add to it."""
    return []


def serving(reasons: list[str], password: str | None = None, listen: str = "127.0.0.1:0") -> HttpServer:
    return HttpServer(listen, metrics=lambda: b"sightline 1\n", reasons=lambda: reasons, password=password)


@pytest.fixture
def server(reasons: list[str]) -> Iterator[HttpServer]:
    """One without a password."""
    with serving(reasons) as found:
        yield found


def test_metrics_and_health(server: HttpServer, reasons: list[str]) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=120) as client:
        answer = client.get("/metrics")
        assert (answer.status_code, answer.text) == (200, "sightline 1\n")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "Python" not in answer.headers["server"]
        assert client.get("/healthz?x=1").json() == {"status": "ok", "reasons": []}
        reasons.append("no camera is live")
        sick = client.get("/healthz")
        assert (sick.status_code, sick.json()) == (503, {"status": "unavailable", "reasons": ["no camera is live"]})
        assert client.get("/").status_code == 404
        assert client.post("/metrics").status_code == 501


def test_with_a_password_metrics_ask_for_it_and_health_tells_no_reasons(reasons: list[str]) -> None:
    reasons.append("no camera is live")
    with (
        serving(reasons, "p@ss:wörd", "0.0.0.0:0") as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=120) as client,
    ):
        refused = client.get("/metrics")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic")
        assert client.get("/metrics", auth=("sightline", "wrong")).status_code == 401
        assert client.get("/metrics", auth=("sightline", "p@ss:wörd")).text == "sightline 1\n"
        assert client.get("/healthz").json() == {"status": "unavailable"}
        assert client.get("/healthz", auth=("sightline", "p@ss:wörd")).json()["reasons"] == reasons


def test_a_taken_port_is_said(server: HttpServer) -> None:
    with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{server.port}: the port is taken; choose another.*--listen"):
        serving([], listen=f"127.0.0.1:{server.port}")


@pytest.mark.parametrize(
    ("listen", "message"),
    [
        ("0.0.0.0:9464", "lets other machines in; set SIGHTLINE_PASSWORD"),
        (":9464", "must look like"),
        ("9464", "must look like"),
        ("127.0.0.1:http", "must look like"),
        ("127.0.0.1:70000", "must look like"),
    ],
)
def test_where_nothing_may_listen(listen: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_listen(listen, None)


def test_where_it_may() -> None:
    assert read_listen("127.0.0.1:0", None) == ("127.0.0.1", 0)
    assert read_listen("[::1]:9464", None) == ("::1", 9464)
    assert read_listen("0.0.0.0:9464", "secret") == ("0.0.0.0", 9464)


def test_a_silent_client_does_not_hold_up_the_end(reasons: list[str]) -> None:
    server = serving(reasons)
    server.__enter__()
    with socket.create_connection(("127.0.0.1", server.port)):
        time.sleep(0.05)
        with promptly(0.9):  # the client would be let go after 5 s
            server.__exit__(None, None, None)
