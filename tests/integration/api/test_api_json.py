"""Runs, tracks, observations, similar tracks and the edit log as JSON, and review over HTTP."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from sqlalchemy import select, update

from pipeline.api.app import make_app
from pipeline.errors import StoreError
from pipeline.store import tables
from pipeline.store.search import SimilarityIndex
from pipeline.store.states import RequestedState, RunStatus
from tests.fakes import FakePictures, FakeRunControl
from tests.integration.api.conftest import Site
from tests.integration.api.serving import asking, serving


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


def test_health_tells_nothing_else(client: httpx.Client, site: Site) -> None:
    answer = client.get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "reachable", "version": "0.1.0"}
    site.database.close()
    (site.folder / "sightline.db").rename(site.folder / "gone.db")
    (site.folder / "sightline.db").mkdir()
    answer = client.get("/healthz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "unavailable", "database": "unreachable", "version": "0.1.0"}
    assert client.get("/api/runs").status_code == 503


def test_a_page_of_tracks(site: Site, client: httpx.Client) -> None:
    expected = [str(row.public_id) for row in site.objects()]
    page = client.get("/api/objects", params={"order": "longest"}).json()
    assert [item["id"] for item in page["items"]] == expected
    assert (page["total"], page["limit"], page["offset"]) == (len(expected), 50, 0)
    second = client.get("/api/objects", params={"order": "longest", "limit": 1, "offset": 1})
    assert ids(second) == expected[1:2]
    assert second.json()["total"] == len(expected)
    assert ids(client.get("/api/objects", params={"offset": 10_000})) == []


def test_one_track(site: Site, client: httpx.Client) -> None:
    row = site.objects()[0]
    found = client.get(f"/api/objects/{row.public_id}").json()
    assert found["observations"] == row.count
    assert found["seconds"] == row.seconds
    assert found["first"]["us"] == row.first_at
    moment = datetime.fromisoformat(found["first"]["iso"])
    assert round(moment.timestamp() * 1e6) == row.first_at
    assert moment.tzinfo == UTC
    assert found["run"] == str(row.run)
    assert "detected" in found["evidence"]
    assert client.get(found["picture"]).status_code == 200
    [part] = found["parts"]
    assert part["run"] == str(row.run)
    assert (part["begins"]["us"], part["ends"]) == (row.first_at, None)


def test_filters(site: Site, client: httpx.Client) -> None:
    rows = site.objects()
    everything = {str(row.public_id) for row in rows}

    def wanted(**asked: Any) -> set[str]:
        return set(ids(client.get("/api/objects", params=asked)))

    longest = rows[0]
    assert wanted(run=str(longest.run)) == everything
    assert wanted(run=str(uuid4())) == set()
    assert wanted(run=[str(uuid4()), str(longest.run)]) == everything
    assert wanted(source=str(longest.source)) == everything
    assert wanted(name=longest.name) == {str(row.public_id) for row in rows if row.name == longest.name}
    assert wanted(name="no such name") == set()
    assert wanted(min_seconds=longest.seconds) == {str(row.public_id) for row in rows if row.seconds >= longest.seconds}
    assert wanted(min_score=1.0) == {str(row.public_id) for row in rows if row.score_max >= 1.0}
    assert wanted(to=min(row.first_at for row in rows)) == set()
    assert wanted(**{"from": max(row.last_at for row in rows) + 1}) == set()
    assert wanted(evidence="detected") == everything
    assert wanted(evidence="target") == set()
    assert wanted(verdict="none") == everything
    assert wanted(verdict="confirmed") == set()


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=501", "limit=x", "offset=-1", "offset=99999999999999999999", "order=best", "run=1",
        "min_score=2", "min_score=nan", "min_seconds=-1", "min_seconds=inf", "from=x", "from=99999999999999999999",
        "evidence=seen", "verdict=maybe", "run=../x", "name=%00",
    ],
)  # fmt: skip
def test_questions_that_make_no_sense(client: httpx.Client, query: str) -> None:
    answer = client.get(f"/api/objects?{query}")
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], list)


def test_observations(site: Site, client: httpx.Client) -> None:
    row = site.objects()[0]
    address = f"/api/objects/{row.public_id}/observations"
    page = client.get(address, params={"limit": 5, "offset": 2}).json()
    assert page["total"] == row.count
    assert len(page["items"]) == 5
    times = [item["time"]["us"] for item in page["items"]]
    assert times == sorted(times)
    first = client.get(address).json()["items"][0]
    assert first["time"]["us"] == row.first_at
    assert first["evidence"] == "detected"
    x1, y1, x2, y2 = first["box"]
    assert x1 < x2
    assert y1 < y2
    assert client.get(address, params={"limit": 5001}).status_code == 422


def test_runs_and_sources(site: Site, client: httpx.Client) -> None:
    [run] = client.get("/api/runs").json()["items"]
    assert (run["status"], run["can_resume"], run["error"]) == ("finished", False, None)
    detail = client.get(f"/api/runs/{run['id']}").json()
    assert {key: detail[key] for key in run} == run
    assert detail["settings"]["tracker"]["name"] == "deepsort"
    [source] = detail["sources"]
    assert (source["name"], source["frames_read"], source["status"]) == ("plaza.mp4", 160, "finished")
    assert {model["task"] for model in detail["models"]} == {"detect", "embed"}
    assert ids(client.get("/api/sources")) == [source["id"]]
    assert ids(client.get("/api/sources", params={"offset": 1})) == []


def test_a_run_whose_process_is_gone_is_interrupted(site: Site, client: httpx.Client) -> None:
    with site.database.write() as connection:
        connection.execute(update(tables.Run).values(status=RunStatus.RUNNING, heartbeat_at=1))
    [run] = client.get("/api/runs").json()["items"]
    assert (run["status"], run["can_resume"]) == ("interrupted", True)


@pytest.mark.parametrize(
    "address",
    [
        "/api/objects/{}", "/api/objects/{}/observations", "/api/objects/{}/similar", "/api/runs/{}", "/media/{}",
        "/objects/{}/clip.mp4", "/objects/{}/frame.jpg", "/objects/{}/crop.jpg", "/runs/{}/preview.jpg",
        "/runs/{}/export?format=csv",
    ],
)  # fmt: skip
def test_what_is_not_there(client: httpx.Client, address: str) -> None:
    answer = client.get(address.format(uuid4()))
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("there is no such")
    assert client.get(address.format("not-an-id")).status_code == 422


def test_addresses_of_the_api_that_do_not_exist(client: httpx.Client) -> None:
    for method in ("GET", "POST", "DELETE", "PUT"):
        assert client.request(method, "/api/nothing/at/all").status_code == 404
    assert client.get("/docs").status_code == 404  # its scripts would come from elsewhere
    assert client.get("/redoc").status_code == 404
    assert client.get("/openapi.json").status_code == 200


def test_similar_tracks(site: Site, client: httpx.Client) -> None:
    row = site.objects()[0]
    scope = site.scope()
    expected = SimilarityIndex(site.database).similar_to_object(scope, row.public_id, limit=3)
    assert expected
    found = client.get(f"/api/objects/{row.public_id}/similar", params={"limit": 3}).json()["hits"]
    assert [hit["object"]["id"] for hit in found] == [str(hit.object.public_id) for hit in expected]
    assert [hit["distance"] for hit in found] == pytest.approx([hit.distance for hit in expected])
    assert found[0]["seen"]["us"] == expected[0].at
    none = client.get(f"/api/objects/{row.public_id}/similar", params={"min_seconds": 1000})
    assert none.json() == {"hits": []}
    [model] = client.get("/api/models").json()["items"]
    assert model["exemplars"] > 0


def test_review(site: Site, client: httpx.Client) -> None:
    first, second, third = (str(row.public_id) for row in site.objects()[:3])

    def post(address: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = client.post(address, json=body)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    assert post("/api/objects/label", {"objects": [first, second], "label": "Ada"})["op"] == "label"
    assert post("/api/objects/verdict", {"objects": [first], "verdict": "confirmed"})["objects"] == [first]
    assert ids(client.get("/api/objects", params={"verdict": "confirmed"})) == [first]
    merged = post("/api/objects/merge", {"objects": [first, second]})
    assert merged["summary"] == "2 tracks merged into 1"
    [survivor] = merged["objects"]
    gone = second if survivor == first else first
    assert client.get(f"/api/objects/{gone}").status_code == 404
    assert client.get(f"/api/objects/{survivor}").json()["members"] == 2
    assert post("/api/objects/delete", {"objects": [third]})["objects"] == []
    assert client.get(f"/api/objects/{third}").status_code == 404
    assert post("/api/edits/undo")["op"] == "undo"
    assert client.get(f"/api/objects/{third}").status_code == 200
    assert post("/api/edits/redo")["op"] == "redo"
    assert client.get(f"/api/objects/{third}").status_code == 404
    assert post("/api/edits/undo")["objects"] == [third]
    whole = client.get(f"/api/objects/{third}").json()
    middle = (whole["first"]["us"] + whole["last"]["us"]) // 2
    halves = post(f"/api/objects/{third}/split", {"at": middle})["objects"]
    assert len(halves) == 2
    counts = [client.get(f"/api/objects/{half}").json()["observations"] for half in halves]
    assert sum(counts) == whole["observations"]
    log = client.get("/api/edits").json()
    assert log["total"] == 8
    assert [item["op"] for item in log["items"]] == [
        "split", "undo", "redo", "undo", "delete", "merge", "verdict", "label"
    ]  # fmt: skip
    assert {item["actor"] for item in log["items"]} == {"local"}
    of_one = client.get("/api/edits", params={"object": third, "limit": 1}).json()
    assert (of_one["total"], len(of_one["items"])) == (5, 1)


def test_edits_that_cannot_be(site: Site, client: httpx.Client) -> None:
    one = str(site.objects()[0].public_id)
    unknown = str(uuid4())
    for address, body, status in [
        ("/api/edits/undo", None, 409),
        ("/api/edits/redo", None, 409),
        ("/api/objects/merge", {"objects": [one]}, 409),
        (f"/api/objects/{one}/split", {"at": 5}, 409),
        ("/api/objects/merge", {"objects": [one, unknown]}, 404),
        ("/api/objects/label", {"objects": [unknown], "label": "x"}, 404),
        (f"/api/objects/{unknown}/split", {"at": 5}, 404),
        ("/api/objects/label", {"objects": [], "label": "x"}, 422),
        ("/api/objects/label", {"objects": [one]}, 422),
        ("/api/objects/label", {"objects": [one], "label": "x" * 101}, 422),
        ("/api/objects/label", {"objects": [one] * 501, "label": "x"}, 422),
        ("/api/objects/label", {"objects": [one], "label": "x", "actor": "somebody else"}, 422),
        ("/api/objects/verdict", {"objects": [one], "verdict": "maybe"}, 422),
        (f"/api/objects/{one}/split", {"at": "now"}, 422),
        (f"/api/objects/{one}/split", {"at": 2**70}, 422),
    ]:
        answer = client.post(address, json=body)
        assert answer.status_code == status, (address, body, answer.text)
        assert answer.json()["detail"]
    assert client.post("/api/objects/label", content=b"{").status_code == 422
    assert client.get("/api/edits").json()["total"] == 0


def test_who_edits_is_named(site: Site) -> None:
    one = str(site.objects()[0].public_id)
    with (
        serving(make_app(site.services(password="open sesame"))) as address,
        asking(address) as client,
    ):
        client.post("/login", data={"password": "open sesame"})
        assert client.post("/api/objects/label", json={"objects": [one], "label": "Ada"}).status_code == 200
        assert client.get("/api/edits").json()["items"][0]["actor"] == "sightline"


def test_steering_a_run(site: Site, client: httpx.Client) -> None:
    with site.database.read() as connection:
        run = connection.scalar(select(tables.Run.public_id))
    for wanted in ("pause", "run", "stop"):
        assert client.post(f"/api/runs/{run}/state", json={"wanted": wanted}).status_code == 202
    assert client.post(f"/api/runs/{run}/resume").status_code == 202
    assert site.runs.calls == [
        ("request", run, RequestedState.PAUSE),
        ("request", run, RequestedState.RUN),
        ("request", run, RequestedState.STOP),
        ("resume", run),
    ]
    assert client.post(f"/api/runs/{run}/state", json={"wanted": "explode"}).status_code == 422
    assert client.post(f"/api/runs/{uuid4()}/resume").status_code == 404
    site.runs = FakeRunControl(error=StoreError("the run is not alive; resume it"))
    with serving(make_app(site.services())) as address:
        answer = httpx.post(f"{address}/api/runs/{run}/state", json={"wanted": "stop"}, timeout=120)
        assert (answer.status_code, answer.json()) == (409, {"detail": "the run is not alive; resume it"})


def test_exports(site: Site, client: httpx.Client) -> None:
    with site.database.read() as connection:
        run = connection.scalar(select(tables.Run.public_id))
    address = f"/runs/{run}/export"
    raw = client.get(address, params={"format": "mot", "reviewed": False})
    assert raw.status_code == 200
    assert raw.headers["content-disposition"] == f'attachment; filename="raw-{run}.txt"'
    total = sum(row.count for row in site.objects())
    assert len(raw.text.splitlines()) == total
    gone = site.objects()[0]
    client.post("/api/objects/delete", json={"objects": [str(gone.public_id)]})
    assert len(client.get(address, params={"format": "mot"}).text.splitlines()) == total - gone.count
    assert len(client.get(address, params={"format": "mot", "reviewed": False}).text.splitlines()) == total
    assert json.loads(client.get(address, params={"format": "coco"}).content)["annotations"]
    assert "," in client.get(address, params={"format": "csv"}).text
    assert client.get(address, params={"format": "exe"}).status_code == 422
    assert client.get(address).status_code == 422
    assert not list(site.media.glob(".export-*"))


def test_search_by_picture(site: Site, client: httpx.Client) -> None:
    row = site.objects()[0]
    with site.database.read() as connection:
        vector = connection.scalars(
            select(tables.Embedding.vector).where(tables.Embedding.kind == "exemplar").limit(1)
        ).one()
    site.pictures = FakePictures(np.asarray(vector))
    assert row.crop is not None
    content = (site.media / row.crop.path).read_bytes()
    with serving(make_app(site.services())) as address:
        answer = httpx.post(f"{address}/api/search", params={"limit": 2}, content=content, timeout=120)
        assert answer.status_code == 200, answer.text
        hits = answer.json()["hits"]
        assert len(hits) == 2
        assert hits[0]["distance"] == pytest.approx(0, abs=1e-5)
        assert site.pictures.shapes == [(row.crop.height, row.crop.width, 3)]
        assert (
            httpx.post(f"{address}/api/search", params={"model": 99}, content=content, timeout=120).status_code == 404
        )
        assert (
            httpx.post(f"{address}/api/search", params={"limit": 1000}, content=content, timeout=120).status_code == 422
        )
