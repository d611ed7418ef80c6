"""Cameras over HTTP: how they do, their pictures, and what may be asked of them."""

from __future__ import annotations

from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import select, update

from pipeline.api.app import make_app
from pipeline.api.services import Limits
from pipeline.store import tables
from pipeline.store.states import CameraWish, RunStatus
from tests.integration.api.conftest import Site
from tests.integration.api.serving import asking, serving
from tests.integration.api.watching import Watched, watch

SECRET = "hunter2"


@pytest.fixture
def watched(site: Site) -> Watched:
    return watch(site.database, site.media)


def wanted_of(site: Site, camera: UUID) -> CameraWish:
    with site.database.read() as connection:
        return connection.execute(select(tables.Camera.wanted).where(tables.Camera.public_id == camera)).scalar_one()


def test_without_a_service_there_is_nothing(client: httpx.Client) -> None:
    told = client.get("/api/cameras").json()
    assert (told["items"], told["total"], told["service"]) == ([], 0, None)
    answer = client.post("/api/cameras", json={"name": "gate", "url": "rtsp://10.0.0.4/gate"})
    assert answer.status_code == 409
    assert "sightline watch cameras.yaml" in answer.json()["detail"]
    assert client.get("/api/cameras", params={"run": str(uuid4())}).json()["service"] is None


def test_cameras_with_their_service(watched: Watched, client: httpx.Client) -> None:
    told = client.get("/api/cameras").json()
    assert told["service"]["id"] == str(watched.writer.public_id)
    assert (told["service"]["alive"], told["service"]["kind"], told["total"]) == (True, "live", 2)
    gate, yard = told["items"]
    assert (gate["name"], gate["state"], gate["wanted"], gate["error"]) == ("gate", "live", "run", "it was away")
    assert gate["source"] == str(watched.source)
    assert gate["status"]["dropped"] == {"stale": 2}
    assert gate["settings"] == {"secret": "gate"}
    assert (yard["state"], yard["source"]) == ("connecting", None)
    assert client.get("/api/cameras", params={"offset": 1, "limit": 1}).json()["items"] == [yard]
    with watched.database.write() as connection:
        dead = update(tables.Run).where(tables.Run.kind == "live").values(status=RunStatus.RUNNING, heartbeat_at=1)
        connection.execute(dead)
    service = client.get("/api/cameras").json()["service"]
    assert (service["alive"], service["status"]) == (False, "interrupted")


def test_the_newest_picture(watched: Watched, client: httpx.Client) -> None:
    address = f"/api/cameras/{watched.camera('gate').public_id}/picture"
    assert client.get(address).status_code == 404
    assert client.get("/api/cameras").json()["items"][0]["picture"] is None
    watched.picture(b"\xff\xd8first")
    told = client.get("/api/cameras").json()["items"][0]["picture"]
    assert told.startswith(address)
    assert client.get(told).content == b"\xff\xd8first"
    first = client.get(address)
    assert (first.status_code, first.content, first.headers["cache-control"]) == (200, b"\xff\xd8first", "no-store")
    assert client.get(address, headers={"if-none-match": first.headers["etag"]}).status_code == 304
    watched.picture(b"\xff\xd8second one")
    second = client.get(address, headers={"if-none-match": first.headers["etag"]})
    assert (second.status_code, second.content) == (200, b"\xff\xd8second one")
    assert client.get(f"/api/sources/{watched.source}/picture").content == b"\xff\xd8second one"
    assert client.get(f"/api/cameras/{uuid4()}/picture").status_code == 404


def test_pausing_resuming_and_removing(watched: Watched, site: Site, client: httpx.Client) -> None:
    gate = watched.camera("gate").public_id
    for word, wish in (("pause", CameraWish.PAUSE), ("resume", CameraWish.RUN), ("remove", CameraWish.REMOVE)):
        answer = client.post(f"/api/cameras/{gate}/{word}")
        assert (answer.status_code, answer.json()) == (202, {"id": str(gate)})
        assert wanted_of(site, gate) is wish
    assert client.post(f"/api/cameras/{gate}/pause").status_code == 409
    assert client.post(f"/api/cameras/{uuid4()}/pause").status_code == 404
    yard = watched.camera("yard").public_id
    evil = client.post(f"/api/cameras/{yard}/remove", headers={"origin": "https://evil.example"})
    assert evil.status_code == 403
    assert wanted_of(site, yard) is CameraWish.RUN


def test_adding_a_camera(watched: Watched, site: Site, client: httpx.Client) -> None:
    body = {"name": "dock", "url": "rtsp://10.0.0.9/dock", "secret": "dock", "settings": {"policy": "batch"}}
    answer = client.post("/api/cameras", json=body)
    assert answer.status_code == 201, answer.text
    dock = watched.camera("dock")
    assert dock.public_id == UUID(answer.json()["id"])
    assert dock.settings == {"url": "rtsp://10.0.0.9/dock", "secret": "dock", "policy": "batch"}
    twin = client.post("/api/cameras", json={**body, "url": "rtsp://10.0.0.8/"})
    assert (twin.status_code, "already" in twin.json()["detail"]) == (422, True)


def test_a_secret_is_sent_to_no_host_that_a_stranger_names(watched: Watched, site: Site) -> None:
    limits = Limits(login_hosts=("10.0.1.0/24", "dock.example"))
    with serving(make_app(site.services(limits=limits))) as address, asking(address) as client:

        def answer(name: str, url: str, secret: str | None) -> int:
            return client.post("/api/cameras", json={"name": name, "url": url, "secret": secret}).status_code

        assert answer("thief", "rtsp://evil.example/x", "gate") == 422
        assert answer("thief", "http://10.0.0.41/x", "gate") == 422
        assert answer("thief", "rtsp://10.0.0.4.evil.example/x", "gate") == 422
        assert answer("thief", "rtsp://evil.example/10.0.0.4", "gate") == 422
        assert answer("thief", "rtsp://10.0.0.4/x", "alarm") == 422  # of somebody else
        assert answer("lens 2", "rtsp://10.0.0.4:8554/x", "gate") == 201  # where it is known already
        assert answer("yard 2", "rtsp://10.0.1.7/x", "gate") == 201
        assert answer("dock", "rtsp://DOCK.example/x", "dock") == 201
        assert answer("open", "rtsp://evil.example/x", None) == 201


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"url": f"rtsp://admin:{SECRET}@10.0.0.4/live"}, "holds a password"),
        ({"url": f"rtsp://admin:p@:/?#{SECRET}@10.0.0.4/live"}, "holds a password"),
        ({"url": f"rtsp://10.0.0.4/live?password={SECRET}"}, "holds a password"),
        ({"url": f"admin:{SECRET}@10.0.0.4/live"}, "no such file or folder"),
        ({"url": "ftp://10.0.0.4/live"}, "begins with one of rtsp://"),
        ({"url": "/etc/passwd"}, "no file or folder"),
        ({"url": "/dev/video0"}, "no file or folder"),
        ({"url": ""}, "at least 1 character"),
        ({"name": f"admin:{SECRET}"}, "letters, digits"),
        ({"name": "../gate"}, "letters, digits"),
        ({"secret": f"admin:{SECRET}"}, "letters, digits"),
        ({"settings": {"policy": "fast"}}, "policy"),
        ({"settings": {"max_fps": -1}}, "max_fps"),
        ({"settings": {SECRET: 1}}, "from here a camera can be given"),
        ({"settings": {"secret": SECRET}}, "from here a camera can be given"),
        ({"password": SECRET}, "Extra inputs"),
    ],
)
def test_what_cannot_be_added(watched: Watched, client: httpx.Client, change: dict[str, object], reason: str) -> None:
    answer = client.post("/api/cameras", json={"name": "dock", "url": "rtsp://10.0.0.9/dock", **change})
    assert answer.status_code == 422
    detail = answer.json()["detail"]
    told = detail if isinstance(detail, str) else "; ".join(one["msg"] for one in detail)
    assert reason in told
    assert SECRET not in answer.text
    assert len(client.get("/api/cameras").json()["items"]) == 2


def test_a_service_that_is_gone_takes_nothing(watched: Watched, client: httpx.Client) -> None:
    with watched.database.write() as connection:
        connection.execute(update(tables.Run).where(tables.Run.kind == "live").values(heartbeat_at=1))
    answer = client.post("/api/cameras", json={"name": "dock", "url": "rtsp://10.0.0.9/dock"})
    assert (answer.status_code, "no service is at work" in answer.json()["detail"]) == (409, True)
    assert client.post(f"/api/cameras/{watched.camera('gate').public_id}/pause").status_code == 409


def test_a_stranger_sees_no_camera(watched: Watched, site: Site) -> None:
    gate = watched.camera("gate").public_id
    with serving(make_app(site.services(password="open sesame"))) as address, asking(address) as client:
        for method, path in (("GET", "/api/cameras"), ("GET", f"/api/cameras/{gate}/picture"), ("GET", "/api/events")):
            assert client.request(method, path).status_code == 401
        assert client.post(f"/api/cameras/{gate}/remove").status_code == 401
    assert wanted_of(site, gate) is CameraWish.RUN
