"""The review page: over a real run in a browser, and what it refuses to show or do."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import insert, select

from pipeline.config import load_settings
from pipeline.errors import ConfigError
from pipeline.page import cards, charts, words
from pipeline.page.access import check_host, read_password
from pipeline.page.pictures import data_uri
from pipeline.page.views import TRACKS_A_SHEET, Views
from pipeline.runs import Run
from pipeline.sinks.h264_file import H264File
from pipeline.store import tables
from pipeline.store.database import Database, open_database
from pipeline.store.filters import EVERYTHING, ObjectFilter, ObjectOrder
from pipeline.store.rows import MediaRow, ObservationTable
from pipeline.store.states import MediaKind
from pipeline.synthetic.scene import Scene
from tests.conftest import ROOT, unavailable

if TYPE_CHECKING:
    from playwright.sync_api import Page

JPEG = b"\xff\xd8\xff\xe0 a picture"
NASTY = "<img src=x onerror=document.title='hacked'>${document.title='hacked'} {{value}}.mp4"
BROWSER = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)


@dataclass(frozen=True)
class Stored:
    """A finished run over one clip with a name that tries to be a program."""

    folder: Path
    tracks: int

    @property
    def database(self) -> Path:
        return self.folder / "sightline.db"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Stored:
    folder = tmp_path_factory.mktemp("page")
    scene = Scene(8.0, size=(480, 270), fps=20.0, seed=5)
    with H264File(folder / "clip.mp4", fps=scene.fps) as video:
        for index in range(len(scene)):
            video.write(scene.frame(index).image, index / scene.fps)
    clip = (folder / "clip.mp4").rename(folder / NASTY)
    overrides = [f"store.database={folder / 'sightline.db'}", "embedder.backend=colour"]
    outcome = Run([str(clip)], load_settings("default", overrides)).execute()
    assert outcome.tracks >= 2
    return Stored(folder, outcome.tracks)


@pytest.fixture
def views(stored: Stored) -> Iterator[Views]:
    with open_database(stored.database) as database:
        yield Views(database, stored.folder / "media")


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Database]:
    """60 tracks without run or picture; the n-th lasts n seconds and has score n / 100."""
    with open_database(tmp_path / "crowd.db") as database:
        with database.write() as connection:
            project = connection.scalar(select(tables.Project.id))
            rows = [
                {
                    "public_id": uuid4(),
                    "project_id": project,
                    "class_name": "person" if n % 2 else "car",
                    "score_max": n / 100,
                    "first_at": n * 1_000_000,
                    "last_at": 2 * n * 1_000_000,
                }
                for n in range(60)
            ]
            connection.execute(insert(tables.Object), rows)
        yield database


def test_runs_tracks_and_a_track_in_a_browser(stored: Stored, tmp_path: Path) -> None:
    with serving("--database", stored.database, folder=tmp_path) as address, browsing(address) as page:
        page.wait_for_selector(".sl-run")
        assert page.locator(".sl-state").first.inner_text() == "finished"
        assert page.locator(".sl-run li b").inner_text() == NASTY
        page.get_by_text("Settings", exact=True).click()
        assert '"name": "deepsort"' in page.locator(".sl-run pre").inner_text()

        page.get_by_role("button", name="Show").click()
        page.wait_for_selector(".sl-card img")
        assert page.locator(".sl-card").count() == stored.tracks
        widths = page.locator(".sl-card img").evaluate_all("all => all.map(one => one.naturalWidth)")
        assert all(width > 0 for width in widths)

        longest = page.get_by_label("Shortest, seconds")
        longest.fill("1000")
        page.wait_for_selector("text=No track is like that")
        longest.fill("0")
        page.wait_for_selector(".sl-card")
        page.locator(".sl-card").first.click()
        page.wait_for_selector(".sl-track")
        facts = page.locator(".sl-facts").inner_text()
        assert NASTY in facts
        assert "by colour" in facts
        assert page.locator(".sl-path polyline").count() > 1
        assert page.locator(".sl-score polyline").count() >= 1

        page.get_by_role("tab", name="Tracks", exact=True).click()
        page.locator(".sl-card").last.click()
        page.wait_for_function("old => document.querySelector('.sl-facts').innerText !== old", arg=facts)
        page.get_by_role("button", name="Refresh").click()
        assert page.title() == "Sightline"  # nothing in the file's name was run
        for width, height in ((1280, 800), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_password_is_asked_for_and_an_empty_store_says_how_to_fill_it(tmp_path: Path) -> None:
    secret = {"SIGHTLINE_PASSWORD": "open sesame"}
    options = ("--database", "new/sightline.db")
    with serving(*options, folder=tmp_path, environment=secret) as address, browsing(address) as page:
        page.wait_for_selector("input[type=password]")
        assert page.locator(".sl-banner").count() == 0
        page.locator("input[type=password]").fill("open sesame")
        page.locator("input:not([type=password])").first.fill("sightline")
        page.get_by_role("button", name="Login").click()
        page.wait_for_selector("text=Nothing here yet")
        assert "sightline run VIDEO --database" in page.locator(".sl-hint").first.inner_text()


@pytest.mark.parametrize(
    ("words_", "reason"),
    [
        (("--host", "0.0.0.0"), "set SIGHTLINE_PASSWORD"),
        (("--database", "file.txt/sightline.db"), "file.txt"),
        (("--host", "192.0.2.1", "--port", "7999"), "cannot listen at 192.0.2.1, port 7999: Cannot assign"),
    ],
)
def test_what_cannot_be_is_one_line_and_code_2(tmp_path: Path, words_: tuple[str, ...], reason: str) -> None:
    (tmp_path / "file.txt").write_text("this is no database")
    environment = {"SIGHTLINE_PASSWORD": "x"} if "192.0.2.1" in words_ else {}
    done = subprocess.run(
        command(words_), cwd=tmp_path, env=surroundings(environment), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert reason in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_sheets_filters_and_order(crowd: Database, tmp_path: Path) -> None:
    views = Views(crowd, tmp_path)

    def sheet(number: int = 0, order: ObjectOrder = ObjectOrder.NEWEST, **wanted: Any) -> tuple[int, str, int]:
        found = views.tracks(ObjectFilter(**wanted), order, number)
        return found.html.count("data-track"), found.place, found.sheets

    assert sheet() == (TRACKS_A_SHEET, "1 to 24 of 60 tracks", 3)
    assert sheet(2) == (12, "49 to 60 of 60 tracks", 3)
    assert sheet(99) == sheet(2)
    assert sheet(-1) == sheet(0)
    assert sheet(names=("car",), min_seconds=50.0) == (5, "5 tracks", 1)
    assert sheet(min_score=0.585)[1] == "1 track"
    assert sheet(min_score=0.9)[:2] == (0, "no tracks")
    longest = views.tracks(EVERYTHING, ObjectOrder.LONGEST, 0).html
    assert longest.index("59.0 s") < longest.index("58.0 s")
    assert "no picture" in longest


def test_a_track_that_is_not_there_is_said_to_be_gone(views: Views) -> None:
    assert "This track is gone" in views.track(uuid4())
    assert "No track chosen" in views.track(None)


def test_the_run_and_source_are_choices(views: Views) -> None:
    choices = views.choices()
    assert [name for name, _ in choices.sources] == [NASTY]
    run = UUID(choices.runs[0][1])
    assert views.choices(run) == choices
    assert views.tracks(ObjectFilter(runs=(run,)), ObjectOrder.NEWEST).html.count("data-track") > 0
    assert views.tracks(ObjectFilter(runs=(uuid4(),)), ObjectOrder.NEWEST).place == "no tracks"


def test_text_from_the_store_is_never_markup(views: Views) -> None:
    for html in (views.runs().html, views.tracks(EVERYTHING, ObjectOrder.NEWEST).html):
        assert "<img src=x" not in html
        assert "&lt;img src=x" in html
    assert "<script>" not in cards.hint("<script>", "<script>") + cards.empty_store("<script>")


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "crops/../../secret.jpg", "link.jpg", "a\0b", ""])
def test_media_outside_their_folder_are_not_read(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "media"
    (folder / "crops").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "crops" / "fine.jpg").write_bytes(JPEG)
    (folder / "page.html").write_bytes(b"<script>alert(1)</script>")
    crop = MediaRow(uuid4(), MediaKind.BEST, path, "", len(JPEG), 0, 0, 8, 8, 1.0)
    assert data_uri(folder, crop) is None
    assert data_uri(folder, replace(crop, path="page.html")) is None
    assert data_uri(folder, None) is None
    uri = data_uri(folder, replace(crop, path="crops/fine.jpg"))
    assert uri is not None
    assert uri.startswith("data:image/jpeg;base64,/9j/")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_other_machines_need_a_password(host: str) -> None:
    with pytest.raises(ConfigError, match="SIGHTLINE_PASSWORD"):
        check_host(host, None)
    check_host(host, "secret")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_none(host: str) -> None:
    check_host(host, None)


def test_the_password_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from the file\n")
    assert read_password({}) is None
    assert read_password({"SIGHTLINE_PASSWORD": ""}) is None
    assert read_password({"SIGHTLINE_PASSWORD": "plain"}) == "plain"
    assert read_password({"SIGHTLINE_PASSWORD_FILE": str(file)}) == "from the file"
    file.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        read_password({"SIGHTLINE_PASSWORD_FILE": str(file)})
    with pytest.raises(ConfigError, match="cannot read"):
        read_password({"SIGHTLINE_PASSWORD_FILE": str(tmp_path / "none")})


def test_charts_of_nothing_of_one_and_of_a_broken_track() -> None:
    assert charts.score_chart(observations([])) == charts.path_chart(np.zeros((0, 4), np.float32), None) == ""
    assert charts.ways_of_knowing(observations([])) == ""
    one = observations([0])
    assert "<circle" in charts.score_chart(one)
    assert 'viewBox="0 0 10 20"' in charts.path_chart(one.boxes, None)
    broken = charts.score_chart(observations([0, 1, 2, 3, 20, 21, 22]))
    assert broken.count("<polyline") == 2
    assert broken.count('class="unseen"') == 1
    long = observations(range(10_000))
    assert charts.score_chart(long).count(",") <= charts.MOST_POINTS
    assert charts.ways_of_knowing(long) == "10,000 detected"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1 min 00 s"), (3599.6, "1 h 00 min"), (7325, "2 h 02 min")],
)
def test_durations_are_said_with_two_units(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def observations(seconds: Any) -> ObservationTable:
    at = np.array([round(second * 1e6) for second in seconds], np.int64)
    n = len(at)
    zeros = np.zeros(n, np.int64)
    boxes = np.tile(np.array([[0, 0, 10, 20]], np.float32), (n, 1))
    scores = np.full(n, 0.5, np.float32)
    return ObservationTable(at, zeros, boxes, scores, zeros.astype(np.int8), zeros, zeros, zeros)


def command(words_: tuple[object, ...]) -> list[str]:
    return [sys.executable, str(ROOT / "app_ui.py"), *map(str, words_)]


def surroundings(environment: dict[str, str]) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_PASSWORD")}
    return {**own, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200", **environment}


@contextmanager
def serving(*words_: object, folder: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    """The page as a process of its own, as a user would start it; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        command((*words_, "--port", port)),
        cwd=folder,
        env=surroundings({"PYTHONUNBUFFERED": "1", **(environment or {})}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert "Sightline shows" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        process.stdout.close()


@contextmanager
def browsing(address: str) -> Iterator[Page]:
    """The page in Chromium; every error in its console fails the test."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("playwright is not installed: pip install -e '.[dev]'")
    chromium = shutil.which("chromium")
    if chromium is None:
        unavailable("there is no chromium: apt-get install chromium")
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(BROWSER))
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        yield page
        browser.close()
    assert errors == []
