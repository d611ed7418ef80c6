"""Clips, frames and crops over HTTP: cut from the source, cached, and what is said where the source is gone."""

from __future__ import annotations

import logging
import shutil
import threading
from io import BytesIO
from pathlib import Path

import av
import cv2
import httpx
import numpy as np
import pytest
from sqlalchemy import select, update

from pipeline.api.app import make_app
from pipeline.api.services import Limits
from pipeline.clips.cache import FileCache
from pipeline.clips.cutter import ClipCutter
from pipeline.sources.excerpt import VideoFootage
from pipeline.store import mask_rle, review, tables
from pipeline.store.filters import scope_of
from pipeline.store.queries import observations_of_object
from pipeline.store.rows import ObjectRow, ObservationTable
from tests.integration.api.conftest import Site
from tests.integration.api.serving import asking, serving
from trackers.structures import Evidence, Frame, ImageArray

MARGIN = 1_000_000
STEP = 50_000  # microseconds between frames


def seen(site: Site, object_: ObjectRow) -> ObservationTable:
    with site.database.read() as connection:
        return observations_of_object(scope_of(connection, ["default"]), connection, object_.public_id)


def source_frames(site: Site, from_at: int, to_at: int) -> list[Frame]:
    with site.database.read() as connection:
        start = connection.scalar(select(tables.Session.started_at))
    assert start is not None
    return list(VideoFootage(site.clip, start_at=start).between(from_at, to_at))


def decode(content: bytes) -> tuple[str, list[ImageArray], list[float]]:
    with av.open(BytesIO(content)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        images = [frame.to_ndarray(format="bgr24") for frame in frames]
        return stream.codec_context.name, images, [float(frame.pts * frame.time_base) for frame in frames]


def picture(content: bytes) -> ImageArray:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image


@pytest.fixture
def moved(site: Site, tmp_path: Path) -> Path:
    """The clip at a place of the test's own, known to the store."""
    path = tmp_path / "moved.mp4"
    shutil.copy(site.clip, path)
    with site.database.write() as connection:
        connection.execute(update(tables.Source).values(uri_redacted=str(path)))
    return path


def test_a_clip_shows_the_track_in_its_frames(site: Site, client: httpx.Client) -> None:
    object_ = site.objects()[0]
    table = seen(site, object_)
    answer = client.get(f"/objects/{object_.public_id}/clip.mp4")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "video/mp4"
    codec, images, times = decode(answer.content)
    frames = source_frames(site, object_.first_at - MARGIN, object_.last_at + MARGIN)
    assert codec == "h264"
    assert len(images) == len(frames)
    assert times == pytest.approx([frame.time - frames[0].time for frame in frames], abs=1e-3)
    drawn = _changed_at_boxes(images, frames, table)
    assert drawn[True] > 40  # whole boxes
    assert drawn[False] < 8  # where nothing was seen, nothing is drawn
    assert client.get(f"/objects/{object_.public_id}/clip.mp4", headers={"range": "bytes=0-99"}).status_code == 206


def _changed_at_boxes(images: list[ImageArray], frames: list[Frame], table: ObservationTable) -> dict[bool, float]:
    """How far the pixels of the boxes' lower edges are from the source's, in frames with and without the track."""
    boxes = {int(at): box for at, box, kind in zip(table.at, table.boxes, table.evidence, strict=True) if kind == 0}
    last = table.boxes[-1]
    found: dict[bool, list[float]] = {True: [], False: []}
    for image, frame in zip(images, frames, strict=True):
        seen_here = frame.at in boxes
        x1, _, x2, y2 = np.clip(boxes.get(frame.at, last).round(), 0, (479, 268, 479, 268)).astype(int).tolist()
        if x2 - x1 < 4 or (not seen_here and frame.at in table.at):
            continue
        edge = slice(y2 - 1, y2 + 1), slice(x1 + 2, x2 - 2)
        found[seen_here].append(float(np.abs(image[:270][edge].astype(int) - frame.image[edge]).mean()))
    assert found[True]
    return {kind: float(np.median(values)) if values else 0.0 for kind, values in found.items()}


def test_carried_boxes_are_corners(site: Site) -> None:
    object_ = site.objects()[0]
    cutter = ClipCutter(site.database, FileCache(site.media / "clips", limit=1 << 30))
    whole = cutter.clip(site.scope(), object_.public_id)
    with site.database.write() as connection:
        connection.execute(update(tables.Observation).values(evidence=int(Evidence.PREDICTED)))
    corners = cutter.clip(site.scope(), object_.public_id)
    assert whole is not None
    assert corners is not None
    assert whole.key != corners.key
    table = seen(site, object_)
    middle = len(table) // 2
    x1, y1, _, y2 = table.boxes[middle].round().astype(int).tolist()
    number = round((int(table.at[middle]) - max(object_.first_at - MARGIN, _start(site))) / STEP)
    left = (slice((y1 + y2) // 2 - 2, (y1 + y2) // 2 + 2), slice(max(x1 - 1, 0), x1 + 2))
    one, other = (decode(cut.path.read_bytes())[1][number][left].astype(int) for cut in (whole, corners))
    assert np.abs(one - other).max() > 40  # the side is drawn, or not


def _start(site: Site) -> int:
    with site.database.read() as connection:
        return int(connection.scalar(select(tables.Session.started_at)) or 0)


def test_a_clip_is_drawn_without_its_damaged_masks(
    site: Site, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Two of three stored masks cannot be decoded: the box of all is drawn, the third is tinted, the log says which."""
    object_ = site.objects()[0]
    table = seen(site, object_)
    rows = [len(table) // 2 + offset for offset in (0, 6, 12)]
    x1, y1, x2, y2 = table.boxes[rows[2]].round().clip(0, (479, 269, 479, 269)).astype(int).tolist()
    sound = mask_rle.encode((x1, y1), np.ones((y2 - y1, x2 - x1), bool))
    with site.database.write() as connection:
        for row, payload in zip(rows, (b"damaged", sound[:-4], sound), strict=True):
            of_row = tables.Observation.frame == int(table.frames[row])
            of_track = tables.Observation.track_id == int(table.track_ids[row])
            connection.execute(update(tables.Observation).where(of_row, of_track).values(mask_rle=payload))
    span = {"from": int(table.at[rows[0]]), "to": int(table.at[rows[2]])}
    with caplog.at_level(logging.WARNING, "pipeline.clips"):
        answers = [client.get(f"/objects/{object_.public_id}/clip.mp4", params=span) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    [told] = [record.getMessage() for record in caplog.records if record.name == "pipeline.clips.cutting"]
    with site.database.read() as connection:
        query = select(tables.Track.local_id).where(tables.Track.id == int(table.track_ids[rows[0]]))
        number = connection.scalar(query)
    frames = [int(table.frames[row]) for row in rows]
    assert "plaza.mp4, run " in told
    assert "2 stored masks are damaged and left out of a clip" in told
    assert told.endswith(f": track {number} in frame {frames[0]}, track {number} in frame {frames[1]}")
    images, sources = decode(answers[0].content)[1], source_frames(site, span["from"], span["to"])
    assert _changed_at_boxes(images, sources, table)[True] > 40
    inside = slice(y1 + 4, y2 - 4), slice(x1 + 4, x2 - 4)
    changed = [np.abs(images[n][:270][inside].astype(int) - sources[n].image[inside]).mean() for n in (0, -1)]
    assert changed[1] > changed[0] + 10


def test_a_part_of_the_time(site: Site, client: httpx.Client) -> None:
    object_ = site.objects()[0]
    address = f"/objects/{object_.public_id}/clip.mp4"
    part = client.get(address, params={"from": object_.first_at, "to": object_.first_at + 10 * STEP})
    assert len(decode(part.content)[1]) == 11
    for wrong in (
        {"from": object_.first_at, "to": object_.first_at},
        {"from": object_.first_at, "to": object_.first_at + 63_000_000},
        {"from": "x"},
        {"from": -1},
        {"from": 2**63},
    ):
        assert client.get(address, params=wrong).status_code == 422, wrong
    nothing = client.get(address, params={"from": object_.last_at + 10**12, "to": object_.last_at + 10**12 + 10**6})
    assert nothing.status_code == 422  # the source is not gone
    assert "shows nothing" in nothing.json()["detail"]


def test_a_long_track_is_shown_around_its_best_moment(site: Site) -> None:
    object_ = site.objects()[0]
    cutter = ClipCutter(site.database, FileCache(site.media / "clips", limit=1 << 30), seconds=1.0)
    cut = cutter.clip(site.scope(), object_.public_id)
    assert cut is not None
    count = len(decode(cut.path.read_bytes())[1])
    assert 20 <= count <= 61  # a second with a margin of one on both sides, as far as the video goes
    assert object_.seconds > 3


def test_wide_pictures_are_made_smaller(site: Site) -> None:
    object_ = site.objects()[0]
    cutter = ClipCutter(site.database, FileCache(site.media / "clips", limit=1 << 30), width=240)
    clip, frame = cutter.clip(site.scope(), object_.public_id), cutter.frame(site.scope(), object_.public_id)
    assert clip is not None
    assert frame is not None
    assert decode(clip.path.read_bytes())[1][0].shape[:2] == (136, 240)  # 135, made even
    assert picture(frame.path.read_bytes()).shape[:2] == (135, 240)


def test_frames_and_crops_are_those_of_the_moment(site: Site, client: httpx.Client) -> None:
    object_ = site.objects()[0]
    table = seen(site, object_)
    for row in (0, len(table) // 2, len(table) - 1):
        at = int(table.at[row])
        [expected] = source_frames(site, at, at)
        whole = picture(client.get(f"/objects/{object_.public_id}/frame.jpg", params={"at": at + STEP // 3}).content)
        assert whole.shape == expected.image.shape
        assert np.abs(whole.astype(int) - expected.image).mean() < 4
        crop = picture(client.get(f"/objects/{object_.public_id}/crop.jpg", params={"at": at}).content)
        width, height = table.boxes[row][2:] - table.boxes[row][:2]
        margin = 0.12 * max(width, height)
        assert crop.shape[0] <= height + 2 * margin + 2
        assert crop.shape[1] <= width + 2 * margin + 2
        x, y = (int(max(0, np.floor(edge - margin))) for edge in table.boxes[row][:2])
        assert np.abs(crop.astype(int) - expected.image[y : y + crop.shape[0], x : x + crop.shape[1]]).mean() < 8
    assert object_.crop is not None
    [expected] = source_frames(site, object_.crop.from_at, object_.crop.from_at)
    best = picture(client.get(f"/objects/{object_.public_id}/frame.jpg").content)
    assert np.abs(best.astype(int) - expected.image).mean() < 4


def test_what_was_cut_is_kept(site: Site, client: httpx.Client) -> None:
    address = f"/objects/{site.objects()[0].public_id}/clip.mp4"
    first = client.get(address)
    files = list((site.media / "clips").rglob("*.mp4"))
    assert len(files) == 1
    made = files[0].stat().st_ino
    assert client.get(address, headers={"if-none-match": first.headers["etag"]}).status_code == 304
    assert client.get(address).content == first.content
    assert files[0].stat().st_ino == made


def test_an_edit_makes_another_clip(site: Site, client: httpx.Client) -> None:
    object_ = site.objects()[0]
    address = f"/objects/{object_.public_id}/clip.mp4"
    before = client.get(address).headers["etag"]
    body = {"objects": [str(object_.public_id)], "label": "Ada"}
    assert client.post("/api/objects/label", json=body).status_code == 200
    named = client.get(address).headers["etag"]
    assert named != before
    middle = (object_.first_at + object_.last_at) // 2
    with site.database.write() as connection:
        review.split_object(scope_of(connection, ["default"]), connection, object_.public_id, at=middle, actor="test")
    assert client.get(address).headers["etag"] not in (before, named)


def test_who_asks_at_the_same_time_gets_the_same_file(site: Site, client: httpx.Client) -> None:
    address = f"/objects/{site.objects()[0].public_id}/clip.mp4"
    answers: list[httpx.Response] = []
    threads = [threading.Thread(target=lambda: answers.append(client.get(address))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({answer.content for answer in answers}) == 1
    assert len(list((site.media / "clips").rglob("*.mp4"))) == 1


def test_a_source_that_is_gone(site: Site, client: httpx.Client, moved: Path) -> None:
    object_ = site.objects()[0]
    assert client.get(f"/objects/{object_.public_id}/frame.jpg").status_code == 200
    moved.rename(moved.with_name("elsewhere.mp4"))
    for what in ("clip.mp4", "frame.jpg", "crop.jpg"):
        answer = client.get(f"/objects/{object_.public_id}/{what}")
        assert answer.status_code == 410
        assert "is no longer at" in answer.json()["detail"]
        assert "sightline relink" in answer.json()["detail"]
    assert object_.crop is not None
    assert client.get(f"/media/{object_.crop.public_id}").status_code == 200  # what was stored is still there
    moved.with_name("elsewhere.mp4").rename(moved)
    assert client.get(f"/objects/{object_.public_id}/clip.mp4").status_code == 200


@pytest.mark.parametrize("content", [b"", b"no video at all", None])
def test_a_source_that_holds_something_else(
    site: Site, client: httpx.Client, moved: Path, content: bytes | None
) -> None:
    address = f"/objects/{site.objects()[0].public_id}/clip.mp4"
    assert client.get(address).status_code == 200
    moved.write_bytes(moved.read_bytes() + b"\0" if content is None else content)
    answer = client.get(address)
    assert answer.status_code == 410
    assert "has changed" in answer.json()["detail"]


def test_a_camera_keeps_no_pictures(site: Site, client: httpx.Client) -> None:
    with site.database.write() as connection:
        connection.execute(update(tables.Source).values(kind="stream", fingerprint="", uri_redacted="rtsp://***@cam/1"))
    answer = client.get(f"/objects/{site.objects()[0].public_id}/clip.mp4")
    assert answer.status_code == 410
    assert "is a stream" in answer.json()["detail"]


def test_two_sources_of_one_track(site: Site, client: httpx.Client) -> None:
    """Merged over two files: each has a clip of its own."""
    object_ = site.objects()[0]
    assert object_.source is not None
    address = f"/objects/{object_.public_id}/clip.mp4"
    own = client.get(address, params={"source": str(object_.source)})
    assert own.status_code == 200
    assert own.headers["etag"] == client.get(address).headers["etag"]
    assert client.get(address, params={"source": "018f0000-0000-7000-8000-000000000001"}).status_code == 404
    assert client.get(address, params={"source": "../x"}).status_code == 422


def test_the_cache_stays_small(site: Site) -> None:
    limits = Limits(cache_bytes=1)  # the newest file alone
    with serving(make_app(site.services(limits=limits))) as address, asking(address) as client:
        for object_ in site.objects()[:3]:
            assert client.get(f"/objects/{object_.public_id}/crop.jpg").status_code == 200
    assert len(list((site.media / "clips").rglob("*.jpg"))) == 1
