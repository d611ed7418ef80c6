"""Exports of a stored run, each read back by something that did not write it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import update

from pipeline.errors import ConfigError, OutputError, StoreError
from pipeline.evaluation.sequences import read_tracks
from pipeline.exports.export import ExportFormat, export_run, file_names
from pipeline.exports.parquet_table import COLUMNS, META
from pipeline.store.database import Database, open_database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.run_queries import run_detail
from pipeline.store.states import RunStatus
from pipeline.store.tables import Object, Observation
from pipeline.store.writer import RunWriter
from tests.integration.store.changing import changing
from tests.integration.store.conftest import KINDS, NewUrl
from tests.integration.store.examples import DETECTOR, RUN, START, STEP, VIDEO, chunk
from tests.unit.exports.test_coco_rle import read_mask

MASKED = replace(VIDEO, name="masked.mp4", uri_redacted="/videos/masked.mp4", fingerprint="masked", width=16, height=12)


@dataclass(frozen=True)
class Stored:
    """A run: `a.mp4` has tracks 1 and 2 in frames 0 to 10, `masked.mp4` one track with masks in three of 5 frames."""

    database: Database
    scope: Scope
    run: UUID
    sources: dict[str, UUID]  # by name


@pytest.fixture(scope="module", params=KINDS)
def stored(
    request: pytest.FixtureRequest, new_url: NewUrl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stored]:
    with open_database(new_url(str(request.param))) as opened:
        writer = RunWriter.begin(opened, RUN, media_folder=tmp_path_factory.mktemp("media"))
        writer.register_model(DETECTOR)
        plain = chunk(0, 10)
        plain = replace(plain, observations=replace(plain.observations, mask_rle=None))
        for source, data in ((VIDEO, plain), (MASKED, changing(0, [1, 1, 0, 0, 0], [-1, 0, 0, 0, -1]))):
            part = writer.add_source(source)
            writer.add_session(part, 0, started_at=START)
            writer.write_chunk(part, data)
        writer.finish_run(RunStatus.FINISHED)
        with opened.read() as connection:
            scope = scope_of(connection, ["default"])
            detail = run_detail(scope, connection, writer.public_id)
        assert detail is not None
        yield Stored(opened, scope, writer.public_id, {one.name: one.public_id for one in detail.sources})


def export(stored: Stored, format: ExportFormat, out: Path, *, name: str = "a.mp4", reviewed: bool = False) -> Path:
    """Of one source."""
    wanted = stored.sources[name]
    (path,) = export_run(
        stored.database, stored.scope, stored.run, format=format, out=out, reviewed=reviewed, source=wanted
    )
    assert path == out
    assert [file.name for file in out.parent.iterdir()] == [out.name]  # nothing half-written
    return path


def test_mot(stored: Stored, tmp_path: Path) -> None:
    boxes = read_tracks(export(stored, ExportFormat.MOT, tmp_path / "a.txt"))
    assert boxes.frames.tolist() == [frame for frame in range(1, 11) for _ in range(2)]
    assert boxes.ids.tolist() == [1, 2] * 10
    assert boxes.boxes[3].tolist() == [51, 60, 71, 80]


def test_csv(stored: Stored, tmp_path: Path) -> None:
    table = pd.read_csv(export(stored, ExportFormat.CSV, tmp_path / "a.csv"), parse_dates=["utc"])
    assert table["frame"].tolist() == [frame for frame in range(10) for _ in range(2)]
    assert table["utc"].astype("datetime64[us, UTC]").astype("int64").tolist() == [
        START + frame * STEP for frame in table["frame"]
    ]
    assert set(table["class"]) == {"person"}
    assert set(table["evidence"]) == {"detected"}


def test_coco(stored: Stored, tmp_path: Path) -> None:
    coco = json.loads(export(stored, ExportFormat.COCO, tmp_path / "a.json").read_text())
    assert coco["categories"] == [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}]
    assert [image["id"] for image in coco["images"]] == list(range(1, 11))
    assert coco["images"][9] == {
        **{"id": 10, "video_id": 1, "file_name": "a/000010.jpg", "frame_index": 9, "width": 640, "height": 480}
    }
    assert [one["id"] for one in coco["annotations"]] == list(range(1, 21))
    assert coco["annotations"][3] == {
        **{"id": 4, "image_id": 2, "category_id": 1, "track_id": 2, "bbox": [51, 60, 20, 20], "area": 400},
        **{"iscrowd": 0, "score": 0.5, "evidence": "detected"},
    }


def test_coco_masks(stored: Stored, tmp_path: Path) -> None:
    coco = json.loads(export(stored, ExportFormat.COCO, tmp_path / "a.json", name="masked.mp4").read_text())
    assert len(coco["images"]) == 5
    masked = [one for one in coco["annotations"] if "segmentation" in one]
    assert [(one["image_id"], one["category_id"], one["area"]) for one in masked] == [(2, 2, 4), (3, 1, 4), (4, 1, 4)]
    wanted = np.zeros((12, 16), bool)
    wanted[4:6, 3:5] = True
    for one in masked:
        assert one["segmentation"]["size"] == [12, 16]
        assert np.array_equal(read_mask(one["segmentation"]["counts"], width=16, height=12), wanted)


def test_parquet(stored: Stored, tmp_path: Path) -> None:
    path = export(stored, ExportFormat.PARQUET, tmp_path / "a.parquet", name="masked.mp4")
    frame = pd.read_parquet(path)
    assert list(frame.columns) == [name for name, _, _ in COLUMNS]
    assert frame["frame"].tolist() == [0, 1, 2, 3, 4]
    assert frame["class"].tolist() == ["person", "car", "person", "person", "person"]
    assert frame["at"].astype("int64").tolist() == [START + number * STEP for number in range(5)]
    assert frame["det_row"].isna().tolist() == frame["mask"].isna().tolist() == [True, False, False, False, True]
    assert frame[["x1", "y1", "x2", "y2"]].to_numpy().tolist() == [[0, 0, 20, 40]] * 5
    schema = pq.read_schema(path)
    assert all(schema.field(name).metadata[b"description"] for name in schema.names)
    origin = json.loads(schema.metadata[META])
    assert (origin["run"], origin["name"], origin["view"], origin["frames"]) == (
        *(str(stored.run), "masked.mp4", "raw", 5),
    )


def test_mots(stored: Stored, tmp_path: Path) -> None:
    lines = export(stored, ExportFormat.MOTS, tmp_path / "a.txt", name="masked.mp4").read_text().splitlines()
    rows = [line.split(" ") for line in lines]
    assert [row[:5] for row in rows] == [
        ["2", "1", "1", "12", "16"],  # a car
        ["3", "1", "2", "12", "16"],  # a person
        ["4", "1", "2", "12", "16"],
    ]
    assert all(read_mask(row[5], width=16, height=12).sum() == 4 for row in rows)


def test_mots_of_a_run_without_masks_is_refused(stored: Stored, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"stored no masks of 'a\.mp4'"):
        export(stored, ExportFormat.MOTS, tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []


def test_reviewed(stored: Stored, tmp_path: Path) -> None:
    """Of the two tracks one is called a dog and the other is deleted; then both are restored."""
    with stored.database.read() as connection:
        keys = connection.scalars(Object.__table__.select().with_only_columns(Object.id).order_by(Object.id)).all()
    changes = ({"label": "dog"}, {"hidden": True})
    before = ({"label": None}, {"hidden": False})
    for values, back in ((changes, False), (before, True)):
        with stored.database.write() as connection:
            for key, value in zip(keys, values, strict=False):
                connection.execute(update(Object).where(Object.id == key).values(value))
        path = export(stored, ExportFormat.COCO, tmp_path / "a.json", reviewed=True)
        coco = json.loads(path.read_text())
        names = {one["id"]: one["name"] for one in coco["categories"]}
        found = {(one["track_id"], names[one["category_id"]]) for one in coco["annotations"]}
        assert found == ({(1, "person"), (2, "person")} if back else {(1, "dog")})
        assert len(coco["images"]) == 10


def test_everything_deleted(stored: Stored, tmp_path: Path) -> None:
    with stored.database.write() as connection:
        connection.execute(update(Object).values(hidden=True))
    try:
        for format in ExportFormat:
            out = tmp_path / format.value
            out.mkdir()
            path = export(stored, format, out / f"a{format.suffix}", reviewed=True)
            match format:
                case ExportFormat.PARQUET:
                    assert pq.read_table(path).num_rows == 0
                case ExportFormat.COCO:
                    assert json.loads(path.read_text())["annotations"] == []
                case ExportFormat.CSV:
                    assert len(pd.read_csv(path)) == 0
                case _:
                    assert path.read_text() == ""
    finally:
        with stored.database.write() as connection:
            connection.execute(update(Object).values(hidden=False))


def test_several_sources_are_several_files(stored: Stored, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    paths = export_run(
        stored.database,
        stored.scope,
        stored.run,
        format=ExportFormat.MOT,
        out=tmp_path / "t.txt",
        reviewed=False,
        told=lambda done, total: steps.append((done, total)),
    )
    assert [path.name for path in paths] == ["t-a.txt", "t-masked.txt"]
    assert [len(path.read_text().splitlines()) for path in paths] == [20, 5]
    assert steps == [(20, 20), (5, 5)]


def test_what_is_not_there(stored: Stored, tmp_path: Path) -> None:
    def attempt(scope: Scope, run: UUID, source: UUID | None) -> None:
        export_run(
            stored.database, scope, run, format=ExportFormat.CSV, out=tmp_path / "a", reviewed=False, source=source
        )

    with pytest.raises(StoreError, match="there is no run"):
        attempt(stored.scope, uuid4(), None)
    with pytest.raises(StoreError, match="there is no run"):
        attempt(Scope(()), stored.run, None)
    with pytest.raises(StoreError, match=r"it has a\.mp4, masked\.mp4"):
        attempt(stored.scope, stored.run, uuid4())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", list(ExportFormat))
def test_a_path_that_cannot_be_written(stored: Stored, tmp_path: Path, format: ExportFormat) -> None:
    with pytest.raises(OutputError, match="there is no folder"):
        export(stored, format, tmp_path / "missing" / "a", name="masked.mp4")


@pytest.mark.parametrize("format", list(ExportFormat))
def test_a_damaged_mask_leaves_the_older_file(stored: Stored, tmp_path: Path, format: ExportFormat) -> None:
    """A failure in the middle: formats without masks do not look at them."""
    out = tmp_path / "a"
    out.write_text("older")
    with stored.database.write() as connection:
        connection.execute(update(Observation).where(Observation.frame == 3).values(mask_rle=b"damaged"))
    try:
        if format.masks:
            with pytest.raises(StoreError, match="mask of 7 bytes is damaged"):
                export(stored, format, out, name="masked.mp4")
            assert out.read_text() == "older"
        else:
            export(stored, format, out, name="masked.mp4")
        assert [file.name for file in tmp_path.iterdir()] == ["a"]
    finally:
        with stored.database.write() as connection:
            connection.execute(update(Observation).values(mask_rle=None))


def test_the_database_and_the_sources_are_not_overwritten(stored: Stored) -> None:
    held = [Path("/videos/a.mp4")]
    if stored.database.engine.dialect.name == "sqlite":
        held.append(Path(str(stored.database.engine.url.database)))
    for path in held:
        with pytest.raises(ConfigError, match="name another file"):
            export(stored, ExportFormat.CSV, path)


def test_file_names() -> None:
    assert file_names(Path("out/t.txt"), ["a.mp4"]) == [Path("out/t.txt")]
    assert file_names(Path("out/{name}.txt"), ["a.mp4"]) == [Path("out/a.txt")]
    assert file_names(Path("out/t.txt"), ["a.mp4", "a.mkv", "b"]) == [
        Path("out/t-a.txt"),
        Path("out/t-a-2.txt"),
        Path("out/t-b.txt"),
    ]
    names = ["../../etc/passwd", "..", "a/b\\c:d\n.mp4", ""]
    found = file_names(Path("out/{name}.csv"), names)
    assert {path.parent for path in found} == {Path("out")}
    assert [path.name for path in found] == ["passwd.csv", "source.csv", "b_c_d_.csv", "source-2.csv"]
