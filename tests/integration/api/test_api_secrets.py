"""No answer tells a secret: not the page's password, not the database's, no session, no credentials of a stream."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from pipeline.api.app import make_app
from pipeline.errors import SourceError
from pipeline.redaction import redact
from pipeline.store import engines, tables
from pipeline.store.database import Database
from tests.conftest import unavailable
from tests.fakes import FakeRunControl
from tests.integration.api.conftest import Site
from tests.integration.api.serving import asking, serving

PASSWORD = "pageword-4711"
DATABASE_PASSWORD = "dbword-0815"
STREAM = "rtsp://admin:camword-1234@10.0.0.4/live?token=tokword-5678"
SECRETS = (PASSWORD, DATABASE_PASSWORD, "camword-1234", "tokword-5678", "sightline_session=")
BODIES: tuple[dict[str, object], ...] = (
    {},
    {"addresses": [STREAM]},
    {"objects": [str(uuid4())], "label": STREAM, "verdict": "confirmed"},
    {"name": "gate", "url": STREAM, "settings": {"policy": STREAM}, "kind": "zone", "definition": {"polygon": STREAM}},
    {"password": PASSWORD, "at": PASSWORD, "wanted": PASSWORD, "addresses": PASSWORD, "objects": [PASSWORD]},
)


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of everything that is answered, but for logging in and out."""
    for path, methods in app.openapi()["paths"].items():
        yield from ((method.upper(), path) for method in methods)
    yield from (("GET", "/openapi.json"), ("GET", "/docs"), ("PUT", "/api/{rest:path}"))


def check(answer: httpx.Response) -> None:
    told = answer.text + "".join(f"{name}: {value}\n" for name, value in answer.headers.items())
    for secret in SECRETS:
        assert secret not in told, (answer.request.method, str(answer.request.url), secret)


def ask_everything(
    app: FastAPI, client: httpx.Client, known: dict[str, list[UUID]], bodies: Sequence[dict[str, object]] = BODIES
) -> int:
    """Every route with ids that exist and that do not, and with bodies that make no sense."""
    strange, plain = {"format": "mot", "next": "/", "run": PASSWORD}, {"format": "mot"}
    count = 0
    for method, path in routes(app):
        for public_id in [*known.get(path.split("{")[0], []), uuid4()]:
            address = path.replace("{public_id}", str(public_id)).replace("{rest:path}", "x").replace("{rule}", "x")
            asked = [(body, strange) for body in bodies] if method == "POST" else [(None, strange), (None, plain)]
            for body, query in asked:
                check(client.request(method, address, json=body, params=query))
                count += 1
    return count


def test_no_answer_tells_a_secret(site: Site) -> None:
    message = f"{redact(STREAM)}: streams cannot be read yet"
    site.runs = FakeRunControl(error=SourceError(message))
    with site.database.write() as connection:
        connection.execute(update(tables.Source).values(kind="stream", uri_redacted=redact(STREAM)))
        connection.execute(update(tables.Run).values(error=message))
        run = connection.scalars(select(tables.Run.public_id)).one()
    objects = [row.public_id for row in site.objects()[:1]]
    known = {"/api/runs/": [run], "/runs/": [run], "/api/objects/": objects, "/objects/": objects}
    app = make_app(site.services(password=PASSWORD))
    with serving(app) as address:
        with asking(address) as stranger:
            assert ask_everything(app, stranger, known, BODIES[1:2]) > 30  # no body is read before the login
            check(stranger.post("/login", data={"password": PASSWORD + "x"}))
        with asking(address) as client:
            answer = client.post("/login", data={"password": PASSWORD})
            assert PASSWORD not in answer.text + str(answer.headers)
            token = client.cookies["sightline_session"]
            assert ask_everything(app, client, known) > 30
            for path in ("/api/runs", f"/api/runs/{run}", "/openapi.json", "/login"):
                assert token not in client.get(path).text


def test_a_database_that_fails_does_not_tell_its_password(site: Site) -> None:
    if importlib.util.find_spec("psycopg") is None:
        unavailable("psycopg is not installed")
    address = engines.read_address(f"postgresql://sightline:{DATABASE_PASSWORD}@127.0.0.1:9/none?connect_timeout=2")
    with Database(engines.make_engine(address)) as database:
        app = make_app(replace(site.services(password=PASSWORD), database=database))
        with serving(app) as base, asking(base) as client:
            assert client.post("/login", data={"password": PASSWORD}).status_code == 303
            for path in ("/healthz", "/api/runs", "/api/objects", f"/media/{uuid4()}", f"/objects/{uuid4()}/clip.mp4"):
                answer = client.get(path)
                assert answer.status_code == 503, path
                check(answer)
            assert "127.0.0.1" not in client.get("/healthz").text


def test_what_goes_wrong_unforeseen_is_not_told(site: Site) -> None:
    site.runs = FakeRunControl(error=RuntimeError(f"cannot connect to {STREAM} with {PASSWORD}"))
    with site.database.read() as connection:
        run = connection.scalars(select(tables.Run.public_id)).one()
    with serving(make_app(site.services())) as address:
        answer = httpx.post(f"{address}/api/runs/{run}/resume", timeout=120)
    assert answer.status_code == 500
    assert answer.json() == {"detail": "something went wrong here; the server's log says what"}


@pytest.mark.parametrize("field", ["wanted", "password"])
def test_what_was_sent_is_not_sent_back(site: Site, field: str) -> None:
    """A password in the wrong field would end in a log of somebody's proxy."""
    with serving(make_app(site.services())) as address:
        answer = httpx.post(f"{address}/api/runs/{uuid4()}/state", json={field: PASSWORD}, timeout=120)
    assert answer.status_code == 422
    check(answer)
