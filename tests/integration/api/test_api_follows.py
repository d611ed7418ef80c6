"""Looking at the pictures of a video over HTTP, and starting to follow what a box on one of them shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import cv2
import httpx
import numpy as np
import pytest

from pipeline.api.app import make_app
from pipeline.api.services import Limits
from pipeline.store.run_queries import list_sources
from tests.clips import number_in, picture, write_clip
from tests.integration.api.conftest import Site
from tests.integration.api.serving import asking, serving

BOX = [10, 20.5, 30, 40]


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A folder that may be used, with a clip whose pictures hold their numbers, and those pictures in a folder."""
    folder = tmp_path / "videos"
    (folder / "stills").mkdir(parents=True)
    write_clip(folder / "numbered.mp4", count=20, size=(192, 128))
    for index in range(3):
        cv2.imwrite(str(folder / "stills" / f"{index}.png"), picture(index, width=1500, height=96))
    (folder / "broken.mp4").write_bytes(b"no video at all")
    return folder


def seen(answer: httpx.Response) -> np.ndarray[Any, Any]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/jpeg"
    image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


def test_any_picture_of_a_video_is_shown(site: Site, videos: Path) -> None:
    app = make_app(site.services(limits=Limits(media_roots=(videos,))))
    with serving(app) as url, asking(url) as client:
        clip = {"address": str(videos / "numbered.mp4")}
        told = client.get("/api/videos", params=clip).json()
        assert told == {"name": "numbered.mp4", "width": 192, "height": 128, "fps": 10, "frames": 20}
        for number in (0, 7, 19, 3):
            assert number_in(seen(client.get("/api/videos/picture", params={**clip, "frame": number}))) == number
        beyond = client.get("/api/videos/picture", params={**clip, "frame": 20})
        assert (beyond.status_code, "no picture 20" in beyond.text) == (422, True)
        stills = {"address": str(videos / "stills"), "frame": 2}
        assert client.get("/api/videos", params={"address": stills["address"]}).json()["frames"] == 3
        small = seen(client.get("/api/videos/picture", params=stills))
        assert (small.shape[1], number_in(small)) == (1280, 2)
        broken = client.get("/api/videos", params={"address": str(videos / "broken.mp4")})
        assert broken.status_code == 422
        for named in ("/etc/passwd", str(videos / "none.mp4"), "rtsp://10.0.0.4/stream"):
            assert client.get("/api/videos", params={"address": named}).status_code == 422
        assert client.get("/api/videos").status_code == 422
        assert client.get("/api/videos", params={"source": str(uuid4())}).status_code == 404


def test_a_source_of_the_store_is_followed_in(site: Site, client: httpx.Client) -> None:
    with site.database.read() as connection:
        (source,) = list_sources(site.scope(), connection)
    named = {"source": str(source.public_id)}
    assert client.get("/api/videos", params=named).json()["name"] == site.clip.name
    assert seen(client.get("/api/videos/picture", params={**named, "frame": 5})).shape[:2] == (270, 480)
    body = {**named, "box": BOX, "start_frame": 5, "tracker": "mosse", "label": " courier ", "max_frames": 9}
    started = client.post("/api/follows", json={**body, "overrides": ["target.rate=0.2"]})
    assert (started.status_code, started.json()) == (201, {"id": str(site.runs.run)})
    overrides = ("target.rate=0.2", "source.max_frames=9")
    assert site.runs.calls == [("follow", source.uri_redacted, tuple(BOX), 5, "mosse", "courier", overrides)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"box": [10, 10, 0, 5]},
        {"box": [10, 10, 5]},
        {"box": None},
        {"tracker": "kcf"},
        {"start_frame": -1},
        {"address": "/etc/passwd"},  # as well as the source
        {"overrides": ["store.database=/tmp/other.db"]},
        {"overrides": ["target.weights=/etc/passwd"]},
        {"overrides": ["target.backbone=/etc/passwd"]},
        {"overrides": ["target.siamese.head=/etc/passwd"]},
        {"overrides": ["target.siamese={head: /etc/passwd}"]},
        {"overrides": ["target={name: mdnet}"]},
        {"overrides": ["target. weights=/etc/passwd"]},
        {"overrides": ["target.siamese .head=/etc/passwd"]},
        {"overrides": ["target.\tbackbone=/etc/passwd"]},
        {"overrides": ["target..rate=0.2"]},
        {"overrides": ["tracker.Name=sort"]},
        {"overrides": ["follow.start_frame=3"]},
        {"colour": "red"},
    ],
)
def test_what_makes_no_sense_or_reaches_too_far_is_refused(
    site: Site, client: httpx.Client, wrong: dict[str, Any]
) -> None:
    with site.database.read() as connection:
        (source,) = list_sources(site.scope(), connection)
    body = {"source": str(source.public_id), "box": BOX, **wrong}
    assert client.post("/api/follows", json=body).status_code == 422
    assert site.runs.calls == []


def test_nobody_follows_without_the_password(site: Site) -> None:
    app = make_app(site.services(password="correct horse"))
    with serving(app) as url, asking(url) as client:
        assert client.get("/api/videos/picture", params={"address": "a.mp4"}).status_code == 401
        assert client.post("/api/follows", json={"address": "a.mp4", "box": BOX}).status_code == 401
