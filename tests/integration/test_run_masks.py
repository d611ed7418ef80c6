"""A run with masks on a real video: in the database, in the video, in MOTS and COCO files, tracked again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from pycocotools import mask as coco_masks
from sqlalchemy import func, select

from pipeline import build
from pipeline.config import load_settings
from pipeline.store import mask_rle, tables
from pipeline.store.database import open_database
from pipeline.store.packing import unpack_detections
from tests.integration.command import call_main
from trackers.structures import Detections, Frame, Masks

FRAMES = 12
WEIGHTS = "weights/yolov8n_seg_int8/yolov8n-seg_int8.onnx"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """Where a run over the first frames of TUD-Campus has left its database and its video."""
    found = tmp_path_factory.mktemp("masked")
    video = shared / "data/mot15/TUD-Campus/video.mp4"
    detector = [f"detector.weights={shared / WEIGHTS}", "detector.precision=f32", "embedder.weights=null"]
    words = [*detector, f"source.max_frames={FRAMES}", "store.chunk=5"]
    done = call_main("run", video, "--video-out", "seen.mp4", *_set(words), folder=found)
    assert done.code == 0, done.err
    return found


def _set(words: list[str]) -> list[str]:
    return [part for word in words for part in ("--set", word)]


def frames(shared: Path) -> list[Frame]:
    with av.open(str(shared / "data/mot15/TUD-Campus/video.mp4")) as container:
        pictures = [picture.to_ndarray(format="bgr24") for picture in container.decode(video=0)][:FRAMES]
    return [Frame(picture, number, number / 25, number) for number, picture in enumerate(pictures)]


def stored_detections(folder: Path) -> list[Detections]:
    with open_database(folder / "runs/sightline.db") as database, database.read() as connection:
        chunks = connection.scalars(select(tables.DetectionChunk.payload).order_by(tables.DetectionChunk.first_frame))
        return [found for payload in chunks for found in unpack_detections(payload).detections]


def same(some: Masks, others: Masks) -> bool:
    pairs = zip(some.crops, others.crops, strict=True)
    return np.array_equal(some.origins, others.origins) and all(np.array_equal(a, b) for a, b in pairs)


def test_what_is_stored_is_what_the_network_saw(folder: Path, shared: Path) -> None:
    detector = build.detector(
        load_settings("default", [f"detector.weights={shared / WEIGHTS}", "detector.precision=f32"]).detector
    )
    seen = detector.detect(frames(shared))
    stored = stored_detections(folder)
    assert len(stored) == FRAMES
    assert sum(len(found) for found in stored) > 3 * FRAMES
    for once, kept in zip(seen, stored, strict=True):
        np.testing.assert_array_equal(once.boxes, kept.boxes)
        assert once.masks is not None
        assert kept.masks is not None
        assert same(once.masks, kept.masks)


def observations(folder: Path, *, after: int = 0) -> list[tuple[int, int, bytes | None]]:
    """Frame, row of the detection and mask; of the part of a run whose number is above `after`."""
    seen = tables.Observation
    with open_database(folder / "runs/sightline.db") as database, database.read() as connection:
        rows = connection.execute(
            select(seen.frame, seen.det_row, seen.mask_rle).where(seen.run_source_id > after).order_by(seen.frame)
        )
        return [tuple(row) for row in rows]


def last_part(folder: Path) -> int:
    """The number of the newest part of a run."""
    with open_database(folder / "runs/sightline.db") as database, database.read() as connection:
        return connection.scalars(select(func.max(tables.Observation.run_source_id))).one()


def refuse_other_masks(stored: list[Detections], rows: list[tuple[int, int, bytes | None]]) -> None:
    """Each observation has the mask of its own row of its frame's detections, and none where it has no row."""
    for frame, row, payload in rows:
        masks = stored[frame].masks
        if row < 0:
            assert payload is None
            continue
        assert masks is not None
        assert payload is not None
        origin, crop = mask_rle.decode(payload)
        assert origin == tuple(masks.origins[row].tolist())
        np.testing.assert_array_equal(crop, masks.crops[row])


def test_each_observation_has_the_mask_of_its_detection(folder: Path) -> None:
    stored = stored_detections(folder)
    rows = observations(folder)
    assert sum(payload is not None for *_, payload in rows) > FRAMES
    refuse_other_masks(stored, rows)


def test_files_hold_the_same_pixels(folder: Path) -> None:
    for format, name in (("mots", "masks.txt"), ("coco", "masks.json")):
        done = call_main("export", "last", "--format", format, "--out", name, folder=folder)
        assert done.code == 0, done.err
    stored = stored_detections(folder)
    pictures = {}
    for frame, row, payload in observations(folder):
        masks = stored[frame].masks
        if payload is not None and masks is not None:
            pictures.setdefault(frame + 1, []).append(masks[np.array([row])].full(480, 640)[0])
    lines = [line.split() for line in (folder / "masks.txt").read_text(encoding="utf-8").splitlines()]
    assert {int(line[0]) for line in lines} == set(pictures)
    for number, masks in pictures.items():
        written = [
            coco_masks.decode({"size": [int(line[3]), int(line[4])], "counts": line[5]}).astype(bool)
            for line in lines
            if int(line[0]) == number
        ]
        assert np.array_equal(np.any(written, axis=0), np.any(masks, axis=0))
        assert np.sum(written, axis=0).max() == 1  # no pixel belongs to two
    annotations = json.loads((folder / "masks.json").read_text(encoding="utf-8"))["annotations"]
    areas = sorted(one["area"] for one in annotations if "segmentation" in one)
    assert areas == sorted(int(mask.sum()) for masks in pictures.values() for mask in masks)


def test_the_video_shows_them(folder: Path, shared: Path) -> None:
    """Where a mask is, the picture has more colour than it had."""
    stored, rows = stored_detections(folder), observations(folder)
    last = FRAMES - 1
    masks = stored[last].masks
    assert masks is not None
    chosen = [row for frame, row, payload in rows if frame == last and payload is not None]
    inside = masks[np.array(chosen)].full(480, 640).any(axis=0)
    before = frames(shared)[last].image.astype(float)
    with av.open(str(folder / "seen.mp4")) as container:
        after = [picture.to_ndarray(format="bgr24") for picture in container.decode(video=0)][last].astype(float)
    change = np.abs(after - before).sum(axis=2)
    assert change[inside].mean() > 40
    assert change[inside].mean() > 3 * change[~inside].mean()


def test_tracked_again_each_has_the_mask_of_its_detection(folder: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    before = last_part(copied)
    done = call_main("retrack", "last", "--set", "tracker.name=bytetrack", folder=copied)
    assert done.code == 0, done.err
    again = observations(copied, after=before)
    assert sum(payload is not None for *_, payload in again) > FRAMES
    refuse_other_masks(stored_detections(copied), again)


def test_another_segmenter_is_another_run(tmp_path: Path, shared: Path) -> None:
    """Given boxes of another detector: the run says who segmented, and masks are those of its instances."""
    detector = shared / "weights/person-vehicle-bike-detection-2004/person-vehicle-bike-detection-2004.xml"
    words = [f"detector.weights={detector}", "embedder.weights=null", "source.max_frames=3"]
    words += [f"segmenter.weights={shared / WEIGHTS}", "segmenter.every=2"]
    video = shared / "data/mot15/TUD-Campus/video.mp4"
    done = call_main("run", video, *_set(words), folder=tmp_path)
    assert done.code == 0, done.err
    assert "segmenter yolov8n-seg_int8" in done.out
    stored = stored_detections(tmp_path)
    counts = [sum(bool(crop.any()) for crop in found.masks.crops) if found.masks else 0 for found in stored]
    assert counts[1] == 0
    assert min(counts[0], counts[2]) >= 3
    with open_database(tmp_path / "runs/sightline.db") as database, database.read() as connection:
        assert "segment" in set(connection.scalars(select(tables.RunModel.task)))
