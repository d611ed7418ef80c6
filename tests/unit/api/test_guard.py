"""The guard in front of an application that answers everything, as Gradio does much."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from pipeline.api.guard import Gate, Guard
from pipeline.api.sessions import COOKIE

HOST = "192.0.2.7:7860"  # without https, so that browsers send no Sec-Fetch-Site
HERE = f"http://{HOST}"


def client_of(*, password: str | None = None, token: str | None = None) -> TestClient:
    """Behind it is an application that lets any other site read what it says."""
    gate = Gate(password=password, host="192.0.2.7", body_bytes=100, body_bytes_of={})
    answer = PlainTextResponse("behind", headers={"access-control-allow-origin": "*"})
    cookie = {"cookie": f"{COOKIE}={gate.sessions.begin() if token is None else token}"}
    return TestClient(Guard(answer, gate=gate), base_url=HERE, headers=cookie)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("origin", ["http://192.0.2.7:8080", "http://evil.example", "null", "http://[", ""])
def test_scripts_of_other_origins_read_nothing(method: str, origin: str) -> None:
    """Another port of this host is the same site to the cookie."""
    answer = client_of(password="x").request(method, "/config", headers={"origin": origin})
    assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (403, False)


@pytest.mark.parametrize("headers", [{}, {"origin": HERE}, {"sec-fetch-site": "same-origin"}])
def test_our_own_scripts_do(headers: dict[str, str]) -> None:
    assert client_of(password="x").get("/config", headers=headers).text == "behind"


@pytest.mark.parametrize(
    "beside", ['prefs={"a":1}', "a b=1", "x[1]=1", "flag", 'q="abc', "\xfc=1", "expires=1; path", ";;=;", "a=1,2"]
)
def test_cookies_of_other_programs_do_no_harm(beside: str) -> None:
    """They share a host name, as cookies know no ports."""
    client = client_of(password="x")
    session = client.headers.pop("cookie")
    for cookies in (f"{beside}; {session}", f"{session}; {beside}"):
        assert client.get("/", headers=[(b"cookie", cookies.encode("latin-1"))]).status_code == 200
    assert client.get("/", headers=[(b"cookie", beside.encode("latin-1"))]).status_code == 401


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/gradio_api/upload",
            "/gradio_api/upload?upload_id=1",
            "/gradio_api/upload_progress",
            "/gradio_api/%75pload",
        ),
        *("/gradio_api/file=/etc/passwd", "/gradio_api/file/etc/passwd", "/gradio_api/proxy=http://192.0.2.8/"),
        *("/gradio_api/process_recording", "/gradio_api/vibe-edit/", "/gradio_api/dev/reload", "/monitoring/summary"),
    ],
)
def test_what_the_page_does_not_need_is_closed(path: str) -> None:
    for password in (None, "x"):
        for method in ("GET", "HEAD", "POST"):
            assert client_of(password=password).request(method, path).status_code == 404
    assert client_of(password="x", token="wrong").get(path).status_code == 401


@pytest.mark.parametrize("path", ["/", "/config", "/gradio_api/queue/join", "/gradio_api/heartbeat/1", "/theme.css"])
def test_what_it_needs_is_not(path: str) -> None:
    assert client_of().get(path).text == "behind"
