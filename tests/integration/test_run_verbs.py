"""`sightline runs`, `export`, `compare`, `delete` and `relink` on runs that the command itself made."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from pipeline.evaluation.sequences import read_tracks
from pipeline.store import review
from pipeline.store.database import open_database
from pipeline.store.filters import scope_of
from pipeline.store.queries import page_objects
from tests.clips import write_clip
from tests.integration.command import MOTION, Finished, call_main

FRAMES = 120
FORMATS = {"mot": "txt", "csv": "csv", "coco": "json", "parquet": "parquet"}


@dataclass(frozen=True)
class Place:
    """A folder with a database of two runs over the first seconds of PETS; the second one's tracker is ByteTrack."""

    folder: Path
    ids: list[str]  # the newest first

    def call(self, *words: object, fails: int = 0) -> Finished:
        done = call_main(*words, folder=self.folder)
        assert done.code == fails, done.out + done.err
        return done


@pytest.fixture(scope="session")
def made(pets: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Made once; tests that change it work on a copy. Files of the runs: one.txt, one.csv, two.txt."""
    folder = tmp_path_factory.mktemp("verbs")
    shutil.copy(pets / "video.mp4", folder / "video.mp4")
    common = ["run", *MOTION, "video.mp4", "--max-frames", FRAMES]
    for words in (
        ["--mot-out", "one.txt", "--csv-out", "one.csv"],
        ["--mot-out", "two.txt", "--set", "tracker.name=bytetrack"],
    ):
        done = call_main(*common, *words, folder=folder)
        assert done.code == 0, done.err
    place = Place(folder, [])
    listed = json.loads(place.call("runs", "--json").out)
    return Place(folder, [run["id"] for run in listed])


@pytest.fixture
def copied(made: Place, tmp_path: Path) -> Place:
    folder = tmp_path / "copy"
    shutil.copytree(made.folder, folder)
    return Place(folder, made.ids)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """One run over two clips, with more than one file of each kind."""
    folder = tmp_path_factory.mktemp("several")
    for number, name in enumerate(("left", "right")):
        write_clip(folder / f"{name}.mp4", count=20 + number)
    done = call_main(
        *(
            "run",
            *MOTION,
            "left.mp4",
            "right.mp4",
            "--csv-out",
            "{name}.csv",
            "--set",
            "detector.motion.warm_up_frames=0",
        ),
        folder=folder,
    )
    assert done.code == 0, done.err
    return Place(folder, [json.loads(call_main("runs", "--json", folder=folder).out)[0]["id"]])


def test_exports_are_the_files_that_the_run_wrote(made: Place, tmp_path: Path) -> None:
    """Byte for byte; reviewed exports too, as nobody has reviewed anything."""
    newest, oldest = made.ids
    for run, wanted in ((oldest, "one.txt"), (oldest, "one.csv"), (newest, "two.txt")):
        for more in ([], ["--reviewed"]):
            out = tmp_path / wanted
            made.call("export", run, "--out", out, *more)
            assert out.read_bytes() == (made.folder / wanted).read_bytes()
            assert len(out.read_bytes()) > 1000


def test_runs(made: Place) -> None:
    done = made.call("runs")
    for run in made.ids:
        assert run.replace("-", "")[-8:] in done.out
    assert "motion + colour + bytetrack" in done.out
    assert done.out.index("bytetrack") < done.out.index("deepsort")
    listed = json.loads(made.call("runs", "--json", "--limit", "1").out)
    assert [(run["id"], run["status"], run["frames"]) for run in listed] == [(made.ids[0], "finished", FRAMES)]
    assert listed[0]["sources"][0]["name"] == "video.mp4"
    assert "1 of 2 runs" in made.call("runs", "--limit", "1").out


@pytest.mark.parametrize("form", list(FORMATS))
def test_every_format_has_the_same_boxes(made: Place, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"tracks.{FORMATS[form]}"
    made.call("export", made.ids[1], "--format", form, "--out", out)
    wanted = read_tracks(made.folder / "one.txt")
    match form:
        case "mot":
            frames = read_tracks(out).frames.tolist()
        case "csv":
            frames = [frame + 1 for frame in pd.read_csv(out)["frame"]]
        case "coco":
            frames = [one["image_id"] for one in json.loads(out.read_text())["annotations"]]
        case _:
            frames = [frame + 1 for frame in pd.read_parquet(out)["frame"]]
    assert frames == wanted.frames.tolist()


def test_an_export_after_review(copied: Place) -> None:
    """Two tracks are merged, another is deleted; the machine's own tracks stay as they are."""
    with open_database(copied.folder / "runs" / "sightline.db") as store, store.write() as connection:
        scope = scope_of(connection, ["default"])
        mine = [row for row in page_objects(scope, connection, limit=100) if str(row.run) == copied.ids[1]]
        first, second, third = (row.public_id for row in mine[:3])
        review.merge_objects(scope, connection, [first, second], actor="ann")
        review.delete_objects(scope, connection, [third], actor="ann")
    copied.call("export", copied.ids[1], "--reviewed", "--out", "reviewed.txt")
    copied.call("export", copied.ids[1], "--out", "raw.txt")
    reviewed, before = (read_tracks(copied.folder / name) for name in ("reviewed.txt", "one.txt"))
    assert len(set(reviewed.ids.tolist())) == len(set(before.ids.tolist())) - 2
    assert set(reviewed.ids.tolist()) < set(before.ids.tolist())
    assert (copied.folder / "raw.txt").read_bytes() == (copied.folder / "one.txt").read_bytes()


def test_several_sources(several: Place) -> None:
    several.call("export", "last", "--out", "all.csv")
    for name in ("left", "right"):
        assert (several.folder / f"all-{name}.csv").read_bytes() == (several.folder / f"{name}.csv").read_bytes()
    several.call("export", "last", "--out", "only.csv", "--source", "right.mp4")
    assert (several.folder / "only.csv").read_bytes() == (several.folder / "right.csv").read_bytes()
    (several.folder / "out").mkdir(exist_ok=True)
    several.call("export", "last", "--out", "out", "--format", "mot")
    assert sorted(path.name for path in (several.folder / "out").iterdir()) == ["left.txt", "right.txt"]
    assert (
        "names 0 sources of the run" in several.call("export", "last", "--out", "x.csv", "--source", "up", fails=2).err
    )


def test_compare(made: Place, pets: Path, tmp_path: Path) -> None:
    newest, oldest = made.ids
    done = made.call("compare", oldest, newest)
    assert "tracker.name" in done.out
    assert "bytetrack" in done.out
    told = json.loads(made.call("compare", oldest, "last", "--json").out)
    assert (told["a"], told["b"]) == (oldest, newest)
    assert told["settings"]["tracker.name"] == {"a": "deepsort", "b": "bytetrack"}
    assert 0 < told["total"]["agreement"]["IDF1"] < 1
    truth = tmp_path / "gt.txt"
    lines = (pets / "gt" / "gt.txt").read_text().splitlines(keepends=True)
    truth.write_text("".join(line for line in lines if int(line.split(",")[0]) <= FRAMES))
    scored = json.loads(made.call("compare", oldest, newest, "--truth", truth, "--json").out)["total"]
    wanted = tmp_path / "scores.json"
    made.call("evaluate", "mot", "--truth", truth, "--tracks", made.folder / "one.txt", "--json", wanted)
    assert scored["truth_a"]["HOTA"] == pytest.approx(json.loads(wanted.read_text())["COMBINED"]["HOTA"], abs=1e-4)
    same = made.call("compare", "last", "last")
    assert "identical" in same.out


def test_delete(copied: Place) -> None:
    newest, oldest = copied.ids
    crops = copied.folder / "runs" / "media"
    before = len(list(crops.rglob("*.jpg")))
    assert "--yes" in copied.call("delete", oldest, fails=2).err
    assert len(json.loads(copied.call("runs", "--json").out)) == 2
    done = copied.call("delete", oldest, "--yes")
    assert f"deleted   {oldest}" in done.out
    (left,) = json.loads(copied.call("runs", "--json").out)
    assert left["id"] == newest
    assert 0 < len(list(crops.rglob("*.jpg"))) < before
    copied.call("export", newest, "--out", "again.txt")
    assert (copied.folder / "again.txt").read_bytes() == (copied.folder / "two.txt").read_bytes()
    copied.call("delete", "last", "--yes")
    assert list(crops.rglob("*.jpg")) == []
    assert "no run is stored yet" in copied.call("runs").out
    assert json.loads(copied.call("runs", "--json").out) == []


def test_delete_sweeps_crops_that_no_run_knows(copied: Place) -> None:
    lost = copied.folder / "runs" / "media" / "crops" / "ab" / "ab12.jpg"
    lost.parent.mkdir(exist_ok=True)
    lost.write_bytes(b"x" * 100)
    upload = copied.folder / "runs" / "media" / "uploads" / "cd34" / "street.mp4"
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"x" * 100)
    for path in (lost, upload):
        os.utime(path, (0, 0))
    asked = copied.call("delete", "--sweep", fails=2).out
    assert "2 files in runs/media (0.0 MiB) are known to no run" in asked
    assert "1 of them came as uploads" in asked
    assert lost.exists()
    assert upload.exists()
    assert "deleted   2 files" in copied.call("delete", "--sweep", "--yes").out
    assert not lost.exists()
    assert not upload.parent.exists()
    assert "no crop in runs/media is left over" in copied.call("delete", "--sweep", "--yes").out
    assert len(json.loads(copied.call("runs", "--json").out)) == 2


def test_relink(copied: Place) -> None:
    source = json.loads(copied.call("runs", "--json").out)[0]["sources"][0]
    archive = copied.folder / "archive"
    archive.mkdir()
    (copied.folder / "video.mp4").rename(archive / "moved.mp4")
    done = copied.call("relink", source["id"][-8:], "archive/moved.mp4")
    assert "is now" in done.out
    now = json.loads(copied.call("runs", "--json").out)[0]["sources"][0]
    assert (now["id"], now["name"], now["uri"]) == (source["id"], "moved.mp4", str(archive / "moved.mp4"))
    write_clip(copied.folder / "other.mp4")
    refused = copied.call("relink", source["id"], "other.mp4", fails=2)
    assert "give the unchanged file" in refused.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["export", "00000000", "--out", "a.csv"], "there is no run '00000000'"),
        (["export", "last", "--out", "a.xyz"], "its suffix tells no format"),
        (["export", "last", "--out", "a.txt", "--format", "mots"], "stored no masks"),
        (["export", "last", "--out", "missing/a.txt"], "there is no folder"),
        (["export", "last", "--out", "runs/sightline.db", "--format", "csv"], "is the database"),
        (["compare", "last", "00000000"], "there is no run '00000000'"),
        (["delete"], "nothing to delete"),
        (["delete", "last", "00000000", "--yes"], "there is no run '00000000'"),
        (["relink", "00000000", "one.txt"], "there is no source '00000000'"),
        (["runs", "--database", "none.db"], "there is no database none.db"),
    ],
)
def test_bad_input_changes_nothing(made: Place, words: list[str], message: str) -> None:
    done = made.call(*words, fails=2)
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not list(made.folder.glob(".*"))
    assert not (made.folder / "none.db").exists()
    with closing(sqlite3.connect(made.folder / "runs" / "sightline.db")) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (2,)
