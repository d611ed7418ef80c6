"""Events, zones and lines, heat maps and recordings over HTTP."""

from __future__ import annotations

from io import BytesIO
from uuid import uuid4

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.integration.api.conftest import Site
from tests.integration.api.watching import DOOR, SECOND, Watched, watch
from tests.integration.store.examples import START

ZONE = {"polygon": [[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]], "dwell_seconds": 10}


@pytest.fixture
def watched(site: Site) -> Watched:
    return watch(site.database, site.media)


def test_pages_of_events(watched: Watched, client: httpx.Client) -> None:
    asked: dict[str, str] = {"source": str(watched.source), "limit": "2"}
    seen, after = [], None
    while True:
        page = client.get("/api/events", params=asked | ({"after": after} if after else {})).json()
        seen += page["items"]
        after = page["next"]
        if after is None:
            break
    assert [one["kind"] for one in seen] == ["count", "leave", *["cross"] * 2, "enter"]
    assert [one["time"]["us"] for one in seen] == [START + s * SECOND for s in (130, 70, 1, 1, 0)]
    count, leave = seen[:2]
    assert (count["value"], count["object"], count["place"]) == (3.0, None, None)
    assert (leave["value"], leave["rule"], leave["source_name"], leave["place"]) == (70.0, "lobby", "gate", [10, 20])
    found = client.get(f"/api/objects/{leave['object']}").json()
    assert (found["name"], leave["object_name"]) == ("person", "person")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "cross"}, 2),
        ({"kind": ["cross", "enter"]}, 3),
        ({"rule": "door"}, 2),
        ({"class": "car"}, 1),
        ({"from": START + SECOND}, 4),
        ({"to": START + SECOND}, 1),
        ({"source": str(uuid4())}, 0),
        ({"run": str(uuid4())}, 0),
    ],
)
def test_filters(watched: Watched, client: httpx.Client, query: dict[str, object], expected: int) -> None:
    assert len(client.get("/api/events", params=query).json()["items"]) == expected  # type: ignore[arg-type]
    counts = client.get("/api/events/counts", params={**query, "bucket": 60}).json()["items"]  # type: ignore[arg-type]
    assert sum(one["count"] for one in counts) == expected


def test_counts_by_time(watched: Watched, client: httpx.Client) -> None:
    told = client.get("/api/events/counts", params={"bucket": 100}).json()
    begin = START - START % (100 * SECOND)
    assert told["bucket"] == 100
    rows = [
        (one["start"]["us"] - begin, one["rule"], one["kind"], one["direction"], one["count"]) for one in told["items"]
    ]
    assert (0, "door", "cross", "in", 1) in rows
    assert (0, "door", "cross", "out", 1) in rows
    assert sum(row[-1] for row in rows) == 5
    assert client.get("/api/events/counts", params={"bucket": 10**10}).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=501",
        "kind=fell",
        "after=x",
        "after=1_2",
        "source=1",
        "from=x",
        "rule=%00",
        "after=1_" + "-" * 36,
    ],
)
def test_questions_that_make_no_sense(client: httpx.Client, query: str) -> None:
    assert client.get(f"/api/events?{query}").status_code == 422


def test_buckets_that_make_no_sense(client: httpx.Client) -> None:
    for bucket in ("0", "-1", "x", "99999999999"):
        assert client.get("/api/events/counts", params={"bucket": bucket}).status_code == 422


def test_rules_are_drawn_and_removed(watched: Watched, client: httpx.Client) -> None:
    address = f"/api/sources/{watched.source}/rules"
    fixed = client.get(address).json()["items"]
    assert [(one["name"], one["kind"], one["origin"], one["id"]) for one in fixed] == [
        ("lobby", "zone", "settings", None),
        ("door", "line", "settings", None),
    ]
    answer = client.post(address, json={"name": "desk", "kind": "zone", "definition": ZONE})
    assert answer.status_code == 201, answer.text
    desk = answer.json()
    assert (desk["origin"], desk["definition"]["dwell_seconds"]) == ("drawn", 10)
    assert [one["name"] for one in client.get(address).json()["items"]] == ["lobby", "door", "desk"]
    assert client.post(address, json={"name": "desk", "kind": "line", "definition": DOOR}).status_code == 422
    assert client.post(address, json={"name": "door", "kind": "line", "definition": DOOR}).status_code == 422
    assert client.delete(f"{address}/{desk['id']}", headers={"origin": "https://evil.example"}).status_code == 403
    assert client.delete(f"{address}/{desk['id']}").status_code == 204
    assert client.delete(f"{address}/{desk['id']}").status_code == 404
    assert [one["name"] for one in client.get(address).json()["items"]] == ["lobby", "door"]
    assert client.get(f"/api/sources/{uuid4()}/rules").status_code == 404


@pytest.mark.parametrize(
    ("kind", "definition"),
    [
        ("zone", {"polygon": [[0, 0], [1, 1]]}),
        ("zone", {"polygon": [[0, 0], [1, 1], [2, 0]]}),
        ("zone", {**ZONE, "dwell_seconds": -1}),
        ("zone", {**ZONE, "colour": "red"}),
        ("zone", DOOR),
        ("line", {"start": [0.5, 0.5], "end": [0.5, 0.5]}),
        ("line", {"start": [0.5, 0.5]}),
        ("ring", ZONE),
        ("zone", None),
    ],
)
def test_rules_that_cannot_be(watched: Watched, client: httpx.Client, kind: str, definition: object) -> None:
    address = f"/api/sources/{watched.source}/rules"
    answer = client.post(address, json={"name": "desk", "kind": kind, "definition": definition})
    assert answer.status_code == 422
    assert answer.json()["detail"]
    for name in ("", "x" * 500):
        answer = client.post(address, json={"name": name, "kind": "zone", "definition": ZONE})
        assert answer.status_code == 422
    assert len(client.get(address).json()["items"]) == 2


def test_a_rule_that_counts_what_the_detector_does_not_know(watched: Watched, client: httpx.Client) -> None:
    address = f"/api/sources/{watched.source}/rules"
    ducks = {"name": "pond", "kind": "zone", "definition": ZONE | {"classes": ["person", "duck"]}}
    refused = client.post(address, json=ducks)
    assert refused.status_code == 422
    assert "'pond' counts duck, but the detector knows person, car" in refused.json()["detail"]
    people = ducks | {"definition": ZONE | {"classes": ["person"]}}
    assert client.post(address, json=people).status_code == 201


def test_a_speed_is_drawn_only_where_pixels_have_a_length(site: Site, client: httpx.Client) -> None:
    fast = {"kind": "zone", "definition": ZONE | {"speed_above": 2}}
    watched = watch(site.database, site.media)
    address = f"/api/sources/{watched.source}/rules"
    refused = client.post(address, json=fast | {"name": "fast"})
    assert refused.status_code == 422
    assert "set analytics.scale" in refused.json()["detail"]
    plain = {"kind": "zone", "definition": ZONE | {"speed_above": None}}
    assert client.post(address, json=plain | {"name": "plain"}).status_code == 201
    scaled = watch(site.database, site.media / "scaled", scale={"metres_per_pixel": 0.02})
    address = f"/api/sources/{scaled.source}/rules"
    assert client.post(address, json=fast | {"name": "fast"}).status_code == 201


def test_a_heat_map(watched: Watched, site: Site, client: httpx.Client) -> None:
    address = f"/api/sources/{watched.source}/heat"
    told = client.get(address, params={"columns": 16}).json()
    assert (told["columns"], told["rows"]) == (16, 12)
    assert np.sum(told["cells"]) == 100  # two tracks, fifty frames
    picture = Image.open(BytesIO(client.get(f"{address}.png").content))
    assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (640, 480))
    clear = np.asarray(picture)[..., 3]
    assert clear.max() > 150
    assert (clear == 0).mean() > 0.5
    nothing = client.get(f"{address}.png", params={"from": START + 3600 * SECOND})
    assert np.asarray(Image.open(BytesIO(nothing.content)))[..., 3].max() == 0
    assert client.get(f"/api/sources/{uuid4()}/heat").status_code == 404
    assert client.get(address, params={"columns": 1}).status_code == 422


def test_a_picture_of_a_video(site: Site, client: httpx.Client) -> None:
    source = site.objects()[0].source
    picture = client.get(f"/api/sources/{source}/picture")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    assert Image.open(BytesIO(picture.content)).size == (480, 270)
    assert client.get(f"/api/sources/{uuid4()}/picture").status_code == 404
    told = client.get(f"/api/sources/{source}").json()
    assert (told["runs"][0]["kind"], told["picture"]) == ("files", f"/api/sources/{source}/picture")


def test_recordings(watched: Watched, client: httpx.Client) -> None:
    camera = watched.camera("gate").public_id
    told = client.get("/api/recordings", params={"camera": str(camera)}).json()
    assert told == client.get("/api/recordings", params={"source": str(watched.source)}).json()
    assert [one["begins"]["us"] for one in told["items"]] == [START, START + 60 * SECOND]
    assert [(gap["begins"]["us"], gap["reason"]) for gap in told["gaps"]] == [
        (START + 120 * SECOND, "no frame for 5 s")
    ]
    first = client.get("/api/recordings", params={"camera": str(camera), "limit": 1}).json()
    assert [one["id"] for one in first["items"]] == [told["items"][0]["id"]]
    rest = client.get("/api/recordings", params={"camera": str(camera), "from": first["next"]}).json()
    assert ([one["id"] for one in rest["items"]], rest["next"]) == ([told["items"][1]["id"]], None)
    early = client.get("/api/recordings", params={"camera": str(camera), "to": START + SECOND}).json()
    assert (len(early["items"]), early["gaps"]) == (1, [])
    part = client.get(told["items"][0]["address"], headers={"range": "bytes=2-7"})
    assert (part.status_code, part.content, part.headers["content-type"]) == (206, b"minute", "video/mp4")


def test_keeping_a_recording(watched: Watched, client: httpx.Client) -> None:
    one = client.get("/api/recordings", params={"source": str(watched.source)}).json()["items"][0]
    assert one["protected"] is False
    for on in (True, False):
        answer = client.post(f"/api/recordings/{one['id']}/protect", json={"protected": on})
        assert (answer.status_code, answer.json()["protected"]) == (200, on)
    assert client.post(f"/api/recordings/{uuid4()}/protect", json={"protected": True}).status_code == 404


def test_recordings_of_nobody(watched: Watched, client: httpx.Client) -> None:
    assert client.get("/api/recordings").status_code == 422
    both = {"camera": str(watched.camera("gate").public_id), "source": str(watched.source)}
    assert client.get("/api/recordings", params=both).status_code == 422
    assert client.get("/api/recordings", params={"camera": str(uuid4())}).status_code == 404
    assert client.get("/api/recordings", params={"source": str(uuid4())}).status_code == 404
    yard = str(watched.camera("yard").public_id)
    assert client.get("/api/recordings", params={"camera": yard}).json() == {"items": [], "gaps": [], "next": None}


def test_keeping_a_track(site: Site, client: httpx.Client) -> None:
    row = site.objects()[0]
    answer = client.post("/api/objects/protect", json={"objects": [str(row.public_id)], "protected": True})
    assert (answer.status_code, answer.json()["op"]) == (200, "protect")
    assert client.get(f"/api/objects/{row.public_id}").json()["protected"] is True
    assert client.post("/api/objects/delete", json={"objects": [str(row.public_id)]}).status_code == 409
