"""Stored pictures over HTTP: parts of them, versions, whose they are, and nothing but them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import insert, select, update

from pipeline.api.app import make_app
from pipeline.api.guard import DATA_POLICY
from pipeline.store import review, tables
from pipeline.store.filters import scope_of
from pipeline.store.rows import MediaRow
from tests.integration.api.conftest import Site
from tests.integration.api.serving import asking, plain_request, serving
from tests.promptness import until

SECRET = b"\xff\xd8\xff a picture of something else"


def best(site: Site) -> MediaRow:
    crop = site.objects()[0].crop
    assert crop is not None
    return crop


def move_crop(site: Site, path: str) -> UUID:
    """Let the store name another file for the best crop."""
    crop = best(site)
    with site.database.write() as connection:
        connection.execute(update(tables.Media).where(tables.Media.public_id == crop.public_id).values(path=path))
    return crop.public_id


def test_a_stored_picture(site: Site, client: httpx.Client) -> None:
    crop = best(site)
    answer = client.get(f"/media/{crop.public_id}")
    assert answer.status_code == 200
    assert hashlib.sha256(answer.content).hexdigest() == crop.sha256
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(crop.bytes)
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["cache-control"].startswith("private")
    assert answer.headers["content-security-policy"] == DATA_POLICY
    assert "set-cookie" not in answer.headers


def test_parts(site: Site, client: httpx.Client) -> None:
    address = f"/media/{best(site).public_id}"
    whole = client.get(address)
    size = len(whole.content)
    for value, first, end in [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=100-", 100, size),
        ("bytes=-5", size - 5, size),
        (f"bytes=5-{size + 99}", 5, size),
        (f"bytes=-{size + 99}", 0, size),
    ]:
        part = client.get(address, headers={"range": value})
        assert part.status_code == 206, value
        assert part.content == whole.content[first:end]
        assert part.headers["content-range"] == f"bytes {first}-{end - 1}/{size}"
        assert part.headers["content-length"] == str(end - first)
        assert part.headers["etag"] == whole.headers["etag"]
    for value in ("bytes=0-1,5-6", "bytes=5-2", "items=0-1", "bytes=x"):
        ignored = client.get(address, headers={"range": value})
        assert (ignored.status_code, ignored.content) == (200, whole.content), value
        assert "content-range" not in ignored.headers
    for value in (f"bytes={size}-", f"bytes={size}-{size + 1}", "bytes=-0"):
        refused = client.get(address, headers={"range": value})
        assert (refused.status_code, refused.content) == (416, b"")
        assert refused.headers["content-range"] == f"bytes */{size}"


def test_only_what_is_not_known_is_sent(site: Site, client: httpx.Client) -> None:
    address = f"/media/{best(site).public_id}"
    etag = client.get(address).headers["etag"]
    for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        answer = client.get(address, headers={"if-none-match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert client.get(address, headers={"if-none-match": '"x"'}).status_code == 200
    assert client.get(address, headers={"range": "bytes=0-1", "if-range": etag}).status_code == 206
    assert client.get(address, headers={"range": "bytes=0-1", "if-range": '"x"'}).status_code == 200


def test_head_says_how_long_it_is(site: Site, client: httpx.Client) -> None:
    crop = best(site)
    answer = client.head(f"/media/{crop.public_id}", headers={"range": "bytes=0-1"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(crop.bytes)


def test_who_leaves_in_the_middle_holds_nothing_open(site: Site, client: httpx.Client) -> None:
    large = site.media / "crops" / "large.jpg"
    large.write_bytes(b"\xff\xd8\xff" + bytes(64 << 20))
    public_id = move_crop(site, "crops/large.jpg")
    with client.stream("GET", f"/media/{public_id}") as answer:
        next(answer.iter_raw())
    until(lambda: not _is_open(large), 10, "the file is still open")


def _is_open(path: Path) -> bool:
    links = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            links.append(link.readlink())
        except FileNotFoundError:  # the one this listing has used
            continue
    return path in links


@pytest.mark.parametrize(
    "target",
    [
        "/media/../sightline.db",
        "/media/..%2fsightline.db",
        "/media/%2e%2e/sightline.db",
        "/media/..%252fsightline.db",
        "/media/..\\sightline.db",
        "/media//etc/passwd",
        "/media/%2fetc%2fpasswd",
        "/media/crops",
        "/media/",
        "/media/%00",
        "/media/018f0000-0000-7000-8000-000000000001%00.jpg",
        "/media/018f0000-0000-7000-8000-000000000001/../../sightline.db",
        "/runs/../../etc/passwd/preview.jpg",
        "/objects/..%2f..%2fetc/clip.mp4",
        "/../../../../etc/passwd",
    ],
)
def test_addresses_are_no_paths(client: httpx.Client, target: str) -> None:
    answer = plain_request(str(client.base_url).rstrip("/"), target)
    assert answer.status in (404, 422)
    assert b"root:" not in answer.body
    assert b"SQLite" not in answer.body


@pytest.mark.parametrize(
    "path",
    ["../secret.jpg", "/etc/passwd", "crops/../../secret.jpg", "link.jpg", "linked/secret.jpg", "a\0b.jpg", "", "."],
)
def test_paths_in_the_store_do_not_lead_out_of_the_folder(site: Site, client: httpx.Client, path: str) -> None:
    (site.folder / "secret.jpg").write_bytes(SECRET)
    (site.media / "link.jpg").symlink_to(site.folder / "secret.jpg")
    (site.media / "linked").symlink_to(site.folder)
    answer = client.get(f"/media/{move_crop(site, path)}")
    assert answer.status_code == 404
    assert SECRET not in answer.content


@pytest.mark.parametrize("name", ["page.html", "image.svg", "program.js", "sightline.db", "folder.jpg"])
def test_what_is_no_picture_is_not_sent(site: Site, client: httpx.Client, name: str) -> None:
    (site.media / "folder.jpg").mkdir()
    if name != "folder.jpg":
        (site.media / name).write_bytes(b"<script>alert(1)</script>")
    assert client.get(f"/media/{move_crop(site, name)}").status_code == 404


def test_a_file_that_is_gone(site: Site, client: httpx.Client) -> None:
    crop = best(site)
    (site.media / crop.path).unlink()
    assert client.get(f"/media/{crop.public_id}").status_code == 404


def test_another_projects_rows_do_not_exist(site: Site) -> None:
    """The same answer, byte for byte, as for an id that nobody has."""
    object_ = site.objects()[0]
    with site.database.write() as connection:
        connection.execute(insert(tables.Project).values(name="other"))
        other = connection.scalar(select(tables.Project.id).where(tables.Project.name == "other"))
        run = connection.scalar(select(tables.Run.public_id))
        source = connection.scalar(select(tables.Source.public_id))
        for table in (tables.Run, tables.Object, tables.Source):
            connection.execute(update(table).values(project_id=other))
    (site.media / "preview").mkdir()
    (site.media / "preview" / f"{run}.jpg").write_bytes(SECRET)
    assert object_.crop is not None
    patterns = [
        ("/media/{}", object_.crop.public_id),
        *((f"/objects/{{}}/{what}", object_.public_id) for what in ("clip.mp4", "frame.jpg", "crop.jpg")),
        ("/api/objects/{}", object_.public_id),
        ("/api/objects/{}/observations", object_.public_id),
        ("/api/objects/{}/similar", object_.public_id),
        ("/api/runs/{}", run),
        ("/runs/{}/preview.jpg", run),
        ("/runs/{}/export?format=mot", run),
    ]
    posts = [
        ("/api/objects/{}/split", object_.public_id, {"at": object_.first_at + 1}),
        ("/api/runs/{}/resume", run, {}),
        ("/api/runs/{}/state", run, {"wanted": "stop"}),
    ]
    with serving(make_app(site.services())) as address, asking(address) as client:
        for pattern, public_id in patterns:
            mine, nobodys = client.get(pattern.format(public_id)), client.get(pattern.format(uuid4()))
            assert mine.status_code == nobodys.status_code == 404, pattern
            assert mine.content == nobodys.content
        for pattern, public_id, body in posts:
            assert client.post(pattern.format(public_id), json=body).status_code == 404, pattern
        for what in ("label", "verdict", "delete", "merge"):
            body = {"objects": [str(object_.public_id)] * 2, "label": "x", "verdict": "confirmed"}
            body = {key: value for key, value in body.items() if key in ("objects", what)}
            assert client.post(f"/api/objects/{what}", json=body).status_code == 404
        for listed in ("/api/runs", "/api/objects", "/api/sources", "/api/edits"):
            assert client.get(listed).json() == {"items": [], "total": 0, "limit": 50, "offset": 0}
        assert client.get("/api/objects", params={"source": str(source)}).json()["total"] == 0
    assert site.runs.calls == []


def test_pictures_of_deleted_tracks_are_not_shown(site: Site, client: httpx.Client) -> None:
    object_ = site.objects()[0]
    assert object_.crop is not None
    address = f"/media/{object_.crop.public_id}"
    with site.database.write() as connection:
        scope = scope_of(connection, ["default"])
        review.delete_objects(scope, connection, [object_.public_id], actor="test")
    assert client.get(address).status_code == 404
    with site.database.write() as connection:
        review.undo(scope, connection, actor="test")
    assert client.get(address).status_code == 200


def test_a_runs_preview(site: Site, client: httpx.Client) -> None:
    with site.database.read() as connection:
        run = connection.scalar(select(tables.Run.public_id))
    address = f"/runs/{run}/preview.jpg"
    assert client.get(address).status_code == 404
    (site.media / "preview").mkdir()
    (site.media / "preview" / f"{run}.jpg").write_bytes(SECRET)
    answer = client.get(address)
    assert (answer.status_code, answer.content) == (200, SECRET)
    assert answer.headers["cache-control"] == "no-store"
    (site.media / "preview" / f"{run}.jpg").write_bytes(SECRET + b"!")
    assert client.get(address).headers["etag"] != answer.headers["etag"]
