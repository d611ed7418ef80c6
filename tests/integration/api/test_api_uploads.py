"""What people send: videos, pictures to search by, and addresses to run on. None of it is trusted."""

from __future__ import annotations

import importlib
import os
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote
from uuid import UUID, uuid4

import cv2
import httpx
import numpy as np
import pytest

from pipeline.api.app import make_app
from pipeline.api.runs import STARTS_AT_ONCE
from pipeline.api.services import Limits
from pipeline.errors import SourceError
from tests.clips import write_clip, write_sound
from tests.fakes import FakePictures, FakeRunControl
from tests.integration.api.conftest import Site
from tests.integration.api.serving import asking, serving
from tests.promptness import until


@pytest.fixture
def clip(tmp_path: Path) -> bytes:
    return write_clip(tmp_path / "clip.mp4").read_bytes()


def send(client: httpx.Client, content: bytes | Iterator[bytes], name: str = "clip.mp4") -> httpx.Response:
    return client.post("/api/uploads", content=content, headers={"X-Filename": quote(name)})


def kept(site: Site) -> list[Path]:
    return [path for path in site.folder.parent.rglob("*") if path.is_file() and "uploads" in path.parts]


def empty(site: Site) -> bool:
    """No upload, and nothing left of one."""
    folder = site.media / "uploads"
    return not folder.exists() or not list(folder.iterdir())


def test_an_upload_can_be_run_on(site: Site, client: httpx.Client, clip: bytes) -> None:
    answer = send(client, clip, "Türkamera 3.mp4")
    assert answer.status_code == 201
    told = answer.json()
    assert told == {"id": told["id"], "name": "Türkamera 3.mp4", "bytes": len(clip), "kind": "video"}
    path = site.media / "uploads" / told["id"] / "Türkamera 3.mp4"
    assert path.read_bytes() == clip
    assert kept(site) == [path]
    body = {"upload": told["id"], "config": "people", "overrides": ["tracker.lost_seconds=3", "source.max_frames=10"]}
    started = client.post("/api/runs", json=body)
    assert (started.status_code, started.json()) == (201, {"id": str(site.runs.run)})
    assert site.runs.calls == [("start", (str(path),), "people", tuple(body["overrides"]))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../../etc/cron.d/evil.mp4", "evil.mp4"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\windows\\evil.mp4", "evil.mp4"),
        ("..", "upload"),
        ("", "upload"),
        (".part", "part"),
        (".bashrc", "bashrc"),
        ("-rf.mp4", "rf.mp4"),
        ("@list.txt", "list.txt"),
        ("a\0b.mp4", "a_b.mp4"),
        ("a\nb\x1b[31m.mp4", "a_b__31m.mp4"),
        ("*?[x]{y}$(z);|.mp4", "x__y__(z)__.mp4"),
        ("rtsp://user:pass@host/x.mp4", "x.mp4"),
        ("\u202egpj.exe\u202c.mp4", "gpj.exe_.mp4"),
        ("名前 été.mkv", "名前 été.mkv"),
        ("e\u0301.mp4", "é.mp4"),
        ("x" * 500 + ".mp4", "x" * 116 + ".mp4"),
        ("ü" * 200 + ".mp4", "ü" * 58 + ".mp4"),
        ("a." + "b" * 500, "a." + "b" * 15),
    ],
)
def test_names_become_harmless(site: Site, client: httpx.Client, clip: bytes, name: str, expected: str) -> None:
    answer = send(client, clip, name)
    assert answer.status_code == 201
    assert answer.json()["name"] == expected
    assert kept(site) == [site.media / "uploads" / answer.json()["id"] / expected]


def test_what_is_no_video_does_not_stay(site: Site, client: httpx.Client, tmp_path: Path) -> None:
    sound = write_sound(tmp_path / "sound.mp4").read_bytes()
    playlist = b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    concat = b"ffconcat version 1.0\nfile /etc/passwd\n"
    for content in (b"", b"x", os.urandom(5000), b"<html></html>", sound, playlist, concat, b"#!/bin/sh\nreboot\n"):
        answer = send(client, content)
        assert answer.status_code == 415, content[:20]
        assert "no video that can be read" in answer.json()["detail"]
        assert str(site.folder) not in answer.text
    assert empty(site)


def test_uploads_have_an_end(site: Site, clip: bytes) -> None:
    limits = Limits(upload_bytes=100_000)
    with serving(make_app(site.services(limits=limits))) as address, asking(address) as client:
        assert send(client, clip).status_code == 201
        before = kept(site)
        assert send(client, bytes(100_001)).status_code == 413
        assert send(client, (bytes(10_000) for _ in range(11))).status_code == 413  # does not say how long it is
        assert kept(site) == before
        assert len(list((site.media / "uploads").iterdir())) == 1


def test_a_disk_without_room_takes_nothing(site: Site, clip: bytes) -> None:
    limits = Limits(free_bytes=1 << 60)
    with serving(make_app(site.services(limits=limits))) as address, asking(address) as client:
        answer = send(client, clip)
        assert answer.status_code == 507
        assert "too little room" in answer.json()["detail"]
    assert empty(site)


def test_half_an_upload_does_not_stay(site: Site, client: httpx.Client, clip: bytes) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as plain:
        head = (
            f"POST /api/uploads HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Filename: a.mp4\r\nContent-Length: {len(clip)}\r\n\r\n"
        )
        plain.sendall(head.encode() + clip[:500])
        until(lambda: not empty(site), 10, "nothing arrives")
    until(lambda: empty(site), 10, "half an upload stays")


def test_only_uploads_and_allowed_folders_are_run_on(site: Site, tmp_path: Path) -> None:
    allowed, other = tmp_path / "videos", tmp_path / "other"
    for folder in (allowed, other):
        folder.mkdir()
        (folder / "a.mp4").write_bytes(b"x")
    (allowed / "link.mp4").symlink_to(other / "a.mp4")
    (allowed / "inner.mp4").symlink_to(allowed / "a.mp4")
    limits = Limits(media_roots=(allowed,))
    with serving(make_app(site.services(limits=limits))) as address, asking(address) as client:
        for good in (allowed / "a.mp4", allowed / "inner.mp4", allowed / ".." / "videos" / "a.mp4", allowed):
            assert client.post("/api/runs", json={"addresses": [str(good)]}).status_code == 201
        assert [call[1] for call in site.runs.calls] == [(str(allowed / "a.mp4"),)] * 3 + [(str(allowed),)]
        site.runs.calls.clear()
        for bad in (
            *(other / "a.mp4", allowed / "link.mp4", allowed / ".." / "other" / "a.mp4", allowed / "none.mp4"),
            *("/etc/passwd", "a\0b", "@/etc/passwd", f"{allowed}/*.mp4", f"{allowed}x/a.mp4", "~", ".", "/"),
        ):
            answer = client.post("/api/runs", json={"addresses": [str(allowed / "a.mp4"), str(bad)]})
            assert answer.status_code == 422, bad
            assert "that may be used from here" in answer.json()["detail"]
        assert client.post("/api/runs", json={"upload": str(uuid4())}).status_code == 404
        for body in (
            {},
            {"addresses": []},
            {"upload": "../x"},
            {"addresses": ["x"], "database": "y"},
            {"addresses": "x"},
        ):
            assert client.post("/api/runs", json=body).status_code == 422
    assert site.runs.calls == []


def test_streams_are_refused_without_their_password(site: Site, client: httpx.Client) -> None:
    answer = client.post("/api/runs", json={"addresses": ["rtsp://admin:hunter2@10.0.0.4/stream?token=abc"]})
    assert answer.status_code == 422
    assert "the address holds a password" in answer.json()["detail"]
    assert "hunter2" not in answer.text
    answer = client.post("/api/runs", json={"addresses": ["admin:hunter2@10.0.0.4/abc"]})
    assert (answer.status_code, "hunter2" in answer.text) == (422, False)
    assert client.post("/api/runs", json={"addresses": ["ftp://10.0.0.4/a.mp4"]}).status_code == 422
    assert "abc" not in answer.text
    assert site.runs.calls == []


def test_settings_that_lead_elsewhere_are_refused(site: Site, tmp_path: Path) -> None:
    allowed = tmp_path / "videos"
    allowed.mkdir()
    (allowed / "a.onnx").write_bytes(b"x")
    (tmp_path / "b.onnx").write_bytes(b"x")
    limits = Limits(media_roots=(allowed,))
    with serving(make_app(site.services(limits=limits))) as address, asking(address) as client:

        def start(*overrides: str, config: str = "default") -> int:
            body = {"addresses": [str(allowed)], "overrides": list(overrides), "config": config}
            return client.post("/api/runs", json=body).status_code

        for bad in (
            *(
                "store.database=/tmp/x.db",
                "store.media=/etc",
                "engine.capacity=999999",
                "detector.device=CPU",
                "x",
                "=1",
            ),
            *(f"detector.weights={tmp_path / 'b.onnx'}", "detector.weights=/etc/passwd", "embedder.weights=null"),
            *("detector.weights=[", "detector.weights=default", " store.media=/x", "detector.motion=1", "trackers.x=1"),
        ):
            assert start(bad) == 422, bad
        for config in ("../x", "/etc/passwd", "a.yaml", "", "a/b", "-x", "x\n"):
            assert start(config=config) == 422, config
        assert site.runs.calls == []
        assert (
            start(f'detector.weights="{allowed / "a.onnx"}"', "detector.keep=[person]", "tracker.name=bytetrack") == 201
        )
    assert site.runs.calls[0][3] == (
        f'detector.weights="{allowed / "a.onnx"}"', "detector.keep=[person]", "tracker.name=bytetrack"
    )  # fmt: skip


def test_the_runs_own_message_is_told(site: Site, tmp_path: Path) -> None:
    site.runs = FakeRunControl(error=SourceError("a.mp4 is empty (0 bytes); copy it again"))
    with serving(make_app(site.services(limits=Limits(media_roots=(tmp_path,))))) as address:
        answer = httpx.post(f"{address}/api/runs", json={"addresses": [str(tmp_path)]}, timeout=120)
    assert (answer.status_code, answer.json()) == (422, {"detail": "a.mp4 is empty (0 bytes); copy it again"})


def png(width: int, height: int, rows: int) -> bytes:
    """A grey PNG that says how large it is and packs `rows` rows of zeros, a million bytes of them at most."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    packed = zlib.compress(bytes(min(rows * (width + 1), 1_000_000)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_a_picture_that_unpacks_to_gigabytes_is_not_unpacked(site: Site, client: httpx.Client) -> None:
    for width, height in ((10_000, 10_000), (40_000, 40_000), (60_000, 60_000), (1_000_000, 2), (2**31 - 1, 2**31 - 1)):
        answer = client.post("/api/search", content=png(width, height, 1))
        assert answer.status_code == 413, (width, height, answer.text)
        assert "pixels" in answer.json()["detail"]
    assert site.pictures.shapes == []


def test_only_pictures_are_searched_by(site: Site, client: httpx.Client) -> None:
    gif = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x00\x00\x00\x00\x00,\x00"
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'
    for content in (
        b"",
        b"x",
        gif,
        svg,
        b"\xff\xd8\xff",
        b"RIFF\x10\0\0\0WEBPVP8 ",
        png(50, 50, 0)[:40],
        os.urandom(500),
    ):
        answer = client.post("/api/search", content=content)
        assert answer.status_code == 422, content[:10]
    assert site.pictures.shapes == []


def test_what_is_no_picture_stays_none_once_ultralytics_is_loaded(client: httpx.Client) -> None:
    """It puts a function of its own in the place of PIL's, which asks for a package that need not be there."""
    importlib.import_module("pipeline.models.yolo")
    importlib.import_module("ultralytics.utils.patches")
    assert client.post("/api/search", content=b"no picture at all").status_code == 422


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_pictures_of_each_kind_are_read(site: Site, suffix: str) -> None:
    site.pictures = FakePictures(np.ones(site_dimension(site), np.float32))
    done, content = cv2.imencode(suffix, np.full((30, 20, 3), 128, np.uint8))
    assert done
    with serving(make_app(site.services())) as address:
        answer = httpx.post(f"{address}/api/search", content=content.tobytes(), timeout=120)
    assert answer.status_code == 200, answer.text
    assert site.pictures.shapes == [(30, 20, 3)]


def site_dimension(site: Site) -> int:
    return site.services().similarity.models(site.scope())[0].dimension


def test_a_search_picture_has_an_end(site: Site) -> None:
    limits = Limits(picture_bytes=1000)
    with serving(make_app(site.services(limits=limits))) as address:
        assert httpx.post(f"{address}/api/search", content=bytes(1001), timeout=120).status_code == 413


def test_an_upload_is_found_by_its_id_alone(site: Site, client: httpx.Client, clip: bytes) -> None:
    public_id = UUID(send(client, clip).json()["id"])
    for wrong in (f"{public_id}/..", f"../uploads/{public_id}", "..", "crops"):
        assert client.post("/api/runs", json={"upload": wrong}).status_code == 422
    assert client.post("/api/runs", json={"upload": str(public_id)}).status_code == 201


def test_only_so_many_runs_are_started_at_once(site: Site, tmp_path: Path) -> None:
    go = threading.Event()
    site.runs = FakeRunControl(held=go)
    answers: list[int] = []
    with serving(make_app(site.services(limits=Limits(media_roots=(tmp_path,))))) as address:

        def start() -> int:
            return httpx.post(f"{address}/api/runs", json={"addresses": [str(tmp_path)]}, timeout=120).status_code

        threads = [threading.Thread(target=lambda: answers.append(start())) for _ in range(STARTS_AT_ONCE)]
        for thread in threads:
            thread.start()
        until(lambda: len(site.runs.calls) >= STARTS_AT_ONCE, 20)
        assert start() == 503
        go.set()
        for thread in threads:
            thread.join()
        assert answers == [201] * STARTS_AT_ONCE
        assert start() == 201
