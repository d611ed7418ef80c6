"""Who gets in: the password, the session's cookie, other names of this machine, and other sites' pages."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie

import httpx
import pytest

from pipeline.api.app import make_app
from pipeline.api.guard import DATA_POLICY
from pipeline.errors import ConfigError
from tests.integration.api.conftest import Site
from tests.integration.api.serving import asking, plain_request, serving

PASSWORD = "correct horse battery staple"
OTHER = "https://evil.example"


@pytest.fixture
def guarded(site: Site) -> Iterator[str]:
    """The address of the application with a password."""
    with serving(make_app(site.services(password=PASSWORD, host="0.0.0.0"))) as address:
        yield address


def log_in(client: httpx.Client, password: str = PASSWORD, **fields: str) -> httpx.Response:
    return client.post("/login", data={"password": password, **fields})


def test_nothing_but_health_and_the_login_page_is_open(site: Site, guarded: str) -> None:
    picture = site.objects()[0].crop
    assert picture is not None
    closed = ["/", "/api/runs", f"/media/{picture.public_id}", "/openapi.json", "/config", "/gradio_api/info", "/x"]
    closed += ["/login/", "/Login", "//login", "/healthz/", "/login/../api/runs", "/%6cogin/x", "/api/runs?/login"]
    for target in closed:
        for method in ("GET", "HEAD", "POST"):
            answer = plain_request(guarded, target, method=method)
            assert answer.status == 401, (method, target, answer.status)
        assert plain_request(guarded, target).body == b'{"detail":"log in first: POST the password to /login"}'
    for target in ("/healthz", "/login", "/login/style.css"):
        assert plain_request(guarded, target).status == 200


def test_browsers_are_sent_to_the_login_page_and_back(guarded: str) -> None:
    with asking(guarded, headers={"accept": "text/html"}) as client:
        sent = client.get("/tracks?run=1&name=a b")
        assert sent.status_code == 303
        assert sent.headers["location"] == "/login?next=/tracks%3Frun%3D1%26name%3Da%2520b"
        page = client.get(sent.headers["location"])
        assert 'name="next" type="hidden" value="/tracks?run=1&amp;name=a%20b"' in page.text
        back = log_in(client, next="/tracks?run=1")
        assert (back.status_code, back.headers["location"]) == (303, "/tracks?run=1")


@pytest.mark.parametrize(
    "wanted",
    [
        OTHER,
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "",
        "/a\nb",
        "/\t/evil.example",
    ],
)
def test_nobody_is_sent_to_another_site(guarded: str, wanted: str) -> None:
    with asking(guarded) as client:
        assert log_in(client, next=wanted).headers["location"] == "/"


def test_what_is_asked_for_never_becomes_markup(guarded: str) -> None:
    page = httpx.get(f"{guarded}/login", params={"next": '/"><script>alert(1)</script>'}, timeout=120)
    assert "<script>" not in page.text


def test_the_cookie_cannot_be_read_by_scripts_nor_sent_by_other_sites(guarded: str) -> None:
    with asking(guarded) as client:
        morsel = cookie_of(log_in(client))
        assert morsel["httponly"] is True
        assert morsel["samesite"].lower() == "lax"
        assert morsel["path"] == "/"
        assert morsel["secure"] == ""
        assert len(morsel.value) >= 43
        assert client.get("/api/runs").status_code == 200
        again = cookie_of(log_in(client))
        assert again.value != morsel.value
    old = plain_request(guarded, "/api/runs", headers={"cookie": f"sightline_session={morsel.value}"})
    assert old.status == 401  # a second login ended the first session


def test_over_https_the_cookie_stays_there(guarded: str) -> None:
    """As a proxy of this machine says it."""
    answer = httpx.post(
        f"{guarded}/login", data={"password": PASSWORD}, headers={"x-forwarded-proto": "https"}, timeout=120
    )
    assert cookie_of(answer)["secure"] is True


def cookie_of(answer: httpx.Response) -> object:
    assert answer.status_code == 303, answer.text
    return SimpleCookie(answer.headers["set-cookie"])["sightline_session"]


def test_logging_out_ends_the_session(guarded: str) -> None:
    with asking(guarded) as client:
        token = cookie_of(log_in(client)).value  # type: ignore[attr-defined]
        assert client.get("/logout").status_code in (404, 405)  # a picture elsewhere could log people out
        done = client.post("/logout")
        assert done.status_code == 303
        assert "Max-Age=0" in done.headers["set-cookie"]
    assert plain_request(guarded, "/api/runs", headers={"cookie": f"sightline_session={token}"}).status == 401


@pytest.mark.parametrize(
    "cookie", ["sightline_session=", "sightline_session=x", "sightline_session", "a=b; ;;=", "\xff=\xfe", "x" * 3000]
)
def test_cookies_that_are_none(guarded: str, cookie: str) -> None:
    assert plain_request(guarded, "/api/runs", headers={"cookie": cookie}).status == 401


def test_wrong_passwords_are_limited(guarded: str) -> None:
    with asking(guarded) as client:
        for guess in ("", "x", PASSWORD + " ", PASSWORD[:-1], PASSWORD.upper()):
            answer = log_in(client, guess)
            assert answer.status_code == 403
            assert "That is not the password" in answer.text
            assert "set-cookie" not in answer.headers
        answer = log_in(client)  # even the right one waits now
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 2
        assert "set-cookie" not in answer.headers


def test_a_login_form_is_short(guarded: str) -> None:
    assert httpx.post(f"{guarded}/login", data={"password": "x" * 9000}, timeout=120).status_code == 413


def test_every_answer_is_careful(guarded: str) -> None:
    for target in ("/healthz", "/login", "/api/runs", "/login/style.css"):
        headers = plain_request(guarded, target).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers
    assert plain_request(guarded, "/healthz").headers["content-security-policy"] == DATA_POLICY
    assert "script-src" not in plain_request(guarded, "/login").headers["content-security-policy"]


def test_others_need_a_password(site: Site) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.7", "sightline.example", ""):
        with pytest.raises(ConfigError, match="set SIGHTLINE_PASSWORD"):
            make_app(site.services(host=host))
        make_app(site.services(host=host, password="x"))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:7860", "localhost", "LOCALHOST:80", "[::1]:7860", "127.9.9.9"]
)
def test_names_of_this_machine_are_answered(client: httpx.Client, host: str) -> None:
    assert plain_request(address_of(client), "/api/runs", headers={"host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:7860", "", "[::1", "192.0.2.1", "a@localhost"],
)
def test_other_names_that_lead_here_are_not(client: httpx.Client, host: str) -> None:
    """DNS rebinding: a page of evil.example, whose name is made to point to 127.0.0.1, would be same-origin."""
    for target in ("/", "/api/runs", "/healthz", "/openapi.json"):
        answer = plain_request(address_of(client), target, headers={"host": host})
        assert answer.status == 421


def test_without_password_there_is_no_login(client: httpx.Client) -> None:
    for answer in (client.get("/login", params={"next": "/x"}), client.post("/login", data={"password": "x"})):
        assert answer.status_code == 303
        assert "set-cookie" not in answer.headers


CROSS = [
    {"origin": OTHER, "sec-fetch-site": "cross-site"},
    {"origin": OTHER, "sec-fetch-site": "same-site"},
    {"origin": OTHER},
    {"origin": "null"},
    {"origin": "http://localhost:1"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
]


@pytest.mark.parametrize("headers", CROSS)
def test_other_sites_change_nothing(client: httpx.Client, headers: dict[str, str]) -> None:
    for target in ("/api/edits/undo", "/api/runs", "/api/uploads", "/logout", "/api/objects/delete", "/login"):
        answer = plain_request(address_of(client), target, method="POST", headers=headers, body=b"{}")
        assert answer.status == 403, target
    assert client.get("/api/edits").json()["total"] == 0


@pytest.mark.parametrize("headers", CROSS)
def test_not_with_a_session_either(guarded: str, headers: dict[str, str]) -> None:
    with asking(guarded) as client:
        log_in(client)
        assert client.post("/api/edits/undo", headers=headers).status_code == 403
        assert client.post("/api/edits/undo").status_code == 409  # nothing to undo


def test_other_sites_show_nothing_but_may_link_here(client: httpx.Client) -> None:
    cross = {"sec-fetch-site": "cross-site"}
    for more in ({"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}, {"sec-fetch-mode": "cors"}, {}):
        assert client.get("/api/runs", headers=cross | more).status_code == 403
    frame = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}
    assert client.get("/api/runs", headers=cross | frame).status_code == 403
    link = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert client.get("/api/runs", headers=cross | link).status_code == 200


def test_our_own_page_may_do_everything(client: httpx.Client) -> None:
    own = {"origin": address_of(client), "sec-fetch-site": "same-origin"}
    assert client.post("/api/edits/undo", headers=own).status_code == 409
    assert client.post("/api/edits/undo", headers={"origin": address_of(client)}).status_code == 409


def test_bodies_have_an_end(client: httpx.Client) -> None:
    assert client.post("/api/edits/undo", content=b"x" * (8 << 20) + b"y").status_code == 413
    answer = client.post("/api/objects/merge", content=(b"x" * (1 << 20) for _ in range(9)))  # does not say how long
    assert answer.status_code == 413


def address_of(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/")
