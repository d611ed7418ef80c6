"""From an uploaded video to a clip of what was found in it, with real processes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from pipeline.api.app import make_app
from pipeline.run_control import RunControl
from tests.integration.api.conftest import Site
from tests.integration.api.serving import asking, serving
from tests.promptness import until


def test_upload_run_and_look(site: Site) -> None:
    services = replace(site.services(), runs=RunControl(site.database, site.media))
    with serving(make_app(services)) as address, asking(address) as client:
        upload = client.post("/api/uploads", content=site.clip.read_bytes(), headers={"X-Filename": "gate%20%231.mp4"})
        assert upload.status_code == 201
        body: dict[str, Any] = {"upload": upload.json()["id"]}

        refused = client.post("/api/runs", json=body | {"overrides": ["tracker.no_such_setting=1"]})
        assert refused.status_code == 422
        assert "no_such_setting" in refused.json()["detail"]

        started = client.post("/api/runs", json=body | {"overrides": ["source.max_frames=100"]})
        assert started.status_code == 201, started.text
        run = started.json()["id"]
        detail = finished(client, run)
        assert detail["status"] == "finished", detail
        [source] = detail["sources"]
        assert source["name"] == upload.json()["name"] == "gate _1.mp4"
        assert source["frames_read"] == 100

        tracks = client.get("/api/objects", params={"run": run, "order": "longest"}).json()["items"]
        assert tracks
        for what, kind in (("clip.mp4", "video/mp4"), ("frame.jpg", "image/jpeg"), ("crop.jpg", "image/jpeg")):
            answer = client.get(f"/objects/{tracks[0]['id']}/{what}")
            assert answer.status_code == 200, answer.text
            assert answer.headers["content-type"] == kind
        assert client.get(f"/runs/{run}/export", params={"format": "mot"}).text
        assert client.post(f"/api/runs/{run}/state", json={"wanted": "pause"}).status_code == 409
        assert client.post(f"/api/runs/{run}/resume").status_code in (409, 422)


def finished(client: httpx.Client, run: str) -> dict[str, Any]:
    """The run once it has ended."""

    def detail() -> dict[str, Any]:
        return dict(client.get(f"/api/runs/{run}").json())

    until(lambda: detail()["status"] not in ("pending", "running"), 40, lambda: f"it goes on: {detail()}", pause=0.2)
    return detail()
