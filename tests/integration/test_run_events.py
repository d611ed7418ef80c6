"""Events of runs over files: rules of settings and drawn ones, what is left out, and `sightline events`."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import cv2
import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import ConfigError, SightlineError
from pipeline.store.database import open_database
from pipeline.store.filters import scope_of
from pipeline.store.rules import add_rule
from pipeline.store.run_queries import list_sources
from tests.integration.command import MOTION, Finished, call_main
from tests.integration.rules import RULES
from tests.integration.stored import count, rows_of_run

NOTHING_HELD = ("--set", "tracker.hold=none")  # what is tracked again has no pictures
PATH = {"start": [0.5, 0.0], "end": [0.5, 1.0], "directions": ["west", "east"]}


@pytest.fixture(scope="module")
def watched(pets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store: 150 frames of PETS, what moves in it, a zone and a line."""
    folder = tmp_path_factory.mktemp("watched")
    assert run(pets, folder, *RULES).code == 0
    return folder


@pytest.fixture
def folder(watched: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(watched, tmp_path / "copy"))


def run(pets: Path, folder: Path, *words: object) -> Finished:
    return call_main("run", *MOTION, *NOTHING_HELD, pets / "video.mp4", "--max-frames", 150, *words, folder=folder)


def asked(folder: Path, *words: object) -> Result:
    """A command of which only the answer is of interest, in this process."""
    database = ["--database", str(folder / "runs" / "sightline.db")]
    return CliRunner().invoke(app, [*map(str, words), *database], env={"COLUMNS": "200"})


def run_here(pets: Path, folder: Path, *words: object) -> Result:
    """The same in this process, where nothing is left to do or it is refused."""
    return asked(folder, "run", *MOTION, *NOTHING_HELD, pets / "video.mp4", "--max-frames", 150, *words)


def draw(folder: Path, name: str) -> None:
    with open_database(folder / "runs" / "sightline.db") as store:
        with store.read() as connection:
            scope = scope_of(connection, ["default"])
            source = list_sources(scope, connection)[0].public_id
        add_rule(store, scope, source, name, "line", PATH)


def test_what_is_drawn_counts_in_runs_and_retracks(folder: Path, pets: Path) -> None:
    database = folder / "runs" / "sightline.db"
    first = rows_of_run(database, 1).events
    assert {row[2] for row in first} == {"lawn", "path"}
    again = run_here(pets, folder, *RULES)
    assert again.exit_code == 0, again.output
    assert count(database, "runs") == 1  # finished before with these rules
    draw(folder, "drawn")
    retracked = call_main("retrack", "last", folder=folder)
    assert retracked.code == 0, retracked.err
    third = run(pets, folder, *RULES, "--video-out", folder / "drawn.mp4")
    assert third.code == 0, third.err
    assert count(database, "runs") == 3
    of_retrack, of_run = (rows_of_run(database, number).events for number in (2, 3))
    assert of_retrack == of_run
    assert [row for row in of_run if row[2] != "drawn"] == first
    ways = {"in": "west", "out": "east"}
    crossings = [(row[0], row[1], ways[row[4]]) for row in first if row[2] == "path"]
    assert crossings
    assert [(row[0], row[1], row[4]) for row in of_run if row[2] == "drawn"] == crossings
    assert run_here(pets, folder, *RULES, "--video-out", folder / "drawn.mp4").exit_code == 0
    assert count(database, "runs") == 3


def test_rules_that_cannot_be_are_refused_before_anything_is_written(folder: Path, pets: Path) -> None:
    draw(folder, "path")
    for words, said in (
        (RULES, "the line 'path' that was drawn has the name of a rule in the settings"),
        (("--set", "analytics.lines.gate={start: [0, 0], end: [1, 1], classes: [dog]}"), "'gate' counts dog"),
    ):
        done = run_here(pets, folder, *words)
        assert isinstance(done.exception, ConfigError)
        assert said in str(done.exception)
    assert count(folder / "runs" / "sightline.db", "runs") == 1


def test_events_are_listed_counted_and_written(watched: Path, tmp_path: Path) -> None:
    total = count(watched / "runs" / "sightline.db", "events")
    listed = asked(watched, "events", "--limit", 3)
    assert listed.exit_code == 0
    assert f"{total - 3} rows more" in listed.output
    assert f"{total} events" in listed.output
    assert "lawn" in listed.output or "path" in listed.output
    crossings = asked(watched, "events", "last", "--kind", "cross", "--rule", "path", "--by", "day")
    assert "cross in" in crossings.output or "cross out" in crossings.output
    written = asked(watched, "events", "all", "--csv-out", tmp_path / "events.csv")
    assert written.exit_code == 0
    with (tmp_path / "events.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == total
    assert rows == sorted(rows, key=lambda row: row["at"], reverse=True)
    assert {row["rule"] for row in rows} == {"lawn", "path"}
    assert asked(watched, "events", "--json-out", tmp_path / "events.jsonl", "--rule", "path").exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {line["kind"] for line in lines} == {"cross"}
    none = asked(watched, "events", "--since", "2100-01-01")
    assert none.exit_code == 0
    assert "no event" in none.output


def test_a_heat_map_is_drawn_over_the_video(watched: Path, tmp_path: Path) -> None:
    done = asked(watched, "heatmap", "video.mp4", "--out", tmp_path / "heat.png")
    assert done.exit_code == 0
    assert "sightings" in done.output
    drawn = cv2.imread(str(tmp_path / "heat.png"))
    assert drawn is not None
    assert drawn.shape == (360, 480, 3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("events", "--rule", "gate"), "there is no event at gate; zones and lines with events: lawn, path"),
        (("events", "--source", "nowhere"), "names no source"),
        (("events", "--since", "yesterday"), "--since 'yesterday' is no time"),
        (("events", "--csv-out", "a.csv", "--json-out", "a.json"), "give one of them"),
        (("events", "ffff0000"), "there is no run"),
        (("heatmap", "nowhere", "--out", "heat.png"), "names no source"),
        (("heatmap", "video.mp4", "--out", "heat.gif"), "is written as .png"),
        (("heatmap", "video.mp4", "--out", "heat.png", "--since", "2100-01-01"), "no track of 'video.mp4' was seen"),
    ],
)
def test_what_does_not_exist_is_named(watched: Path, words: tuple[str, ...], said: str) -> None:
    done = asked(watched, *words)
    assert isinstance(done.exception, SightlineError)
    assert said in str(done.exception)
