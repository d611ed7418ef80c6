"""The page in a browser, over a real run: what reviewers do with it, by pointer and by keys."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import is_zipfile

import pytest

from tests.integration.page.browsing import PHONE, Window, browsing, open_tab, opened, place, serving
from tests.integration.page.conftest import NASTY, Stored

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

TABS = ("Cameras", "Analytics", "Runs", "Tracks", "Track", "Search", "Process", "Follow")


@pytest.fixture(scope="module")
def address(recorded: Stored, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page that several tests look at."""
    with serving("--database", recorded.database, folder=tmp_path_factory.mktemp("shown")) as address:
        yield address


@pytest.fixture(scope="module")
def window(chromium: Browser, address: str) -> Iterator[Window]:
    with opened(chromium, address) as window:
        yield window


@pytest.fixture
def page(window: Window, address: str) -> Page:
    """At the tab Tracks, for a test that changes nothing."""
    return at_tracks(window.anew(address))


@pytest.fixture(scope="module")
def changing(recorded: Stored, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page over a copy of the store, for tests that change it one after the other."""
    folder = tmp_path_factory.mktemp("changing")
    copied = Stored(Path(shutil.copytree(recorded.folder, folder / "stored")), recorded.tracks)
    with serving("--database", copied.database, folder=folder) as address:
        yield address


@pytest.fixture
def own_page(chromium: Browser, changing: str) -> Iterator[Page]:
    """The page over that store, at the tab Tracks."""
    with browsing(chromium, changing) as page:
        yield at_tracks(page)


def test_runs_tell_their_numbers_and_lead_to_their_tracks(page: Page, stored: Stored) -> None:
    open_tab(page, "Runs")
    assert page.locator(".sl-state").first.inner_text() == "finished"
    assert page.locator(".sl-run li b").inner_text() == NASTY
    page.get_by_text("Settings", exact=True).click()
    assert '"name": "deepsort"' in page.locator(".sl-run pre").inner_text()
    page.get_by_role("button", name=f"Show {stored.tracks} tracks").first.click()
    page.wait_for_selector(".sl-card img")
    assert page.locator(".sl-card").count() == stored.tracks
    page.wait_for_function("[...document.querySelectorAll('.sl-card img')].every(one => one.naturalWidth > 0)")
    page.get_by_role("button", name="Refresh").click()
    assert page.title() == "Sightline"  # nothing in the file's name was run


def test_filters_leave_out_tracks(page: Page, stored: Stored) -> None:
    page.get_by_role("button", name="More filters").click()
    shortest = page.get_by_label("Shortest, seconds").locator("visible=true")
    shortest.fill("1000")
    page.wait_for_selector("text=No track is like that")
    shortest.fill("0")
    page.wait_for_selector(".sl-card")
    assert place(page) == f"{stored.tracks} tracks"
    seen_from = page.locator(".sl-from input:visible").first
    seen_from.fill("2000-01-01 00:00:00")
    seen_from.press("Enter")
    before = page.locator(".sl-before input:visible").first
    before.fill("2000-01-02 00:00:00")
    before.press("Enter")
    page.wait_for_selector("text=No track is like that")


def test_a_clip_plays_and_the_timeline_moves_it(page: Page) -> None:
    open_longest(page)
    page.wait_for_function("document.querySelector('.sl-clip video').readyState >= 1")
    blur(page)
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('.sl-clip video').currentTime > 0.3")
    page.keyboard.press("Space")
    assert page.evaluate("document.querySelector('.sl-clip video').paused")
    duration = page.evaluate("document.querySelector('.sl-clip video').duration")
    lane = page.locator(".sl-lane svg").first.bounding_box()
    assert lane is not None
    page.mouse.click(lane["x"] + lane["width"] * 0.9, lane["y"] + lane["height"] / 2)
    page.wait_for_function("share => document.querySelector('.sl-clip video').currentTime > share", arg=0.5 * duration)
    assert "score" in page.locator(".sl-axis output").inner_text()
    stopped = page.evaluate("document.querySelector('.sl-clip video').currentTime")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("at => document.querySelector('.sl-clip video').currentTime < at", arg=stopped)
    page.wait_for_function("[...document.querySelectorAll('.sl-strip img')].every(one => one.naturalWidth > 0)")
    assert page.locator(".sl-path image").count() == 1
    page.wait_for_selector(".sl-near .sl-card")


def test_merging_and_splitting_are_undone_and_done_again(own_page: Page, stored: Stored) -> None:
    page = own_page
    whole = f"{stored.tracks} tracks"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    assert page.locator(".sl-chosen:visible").inner_text() == "2 selected"
    page.keyboard.press("m")
    wait_for_place(page, f"{stored.tracks - 1} tracks")
    assert page.locator("[data-op=undo]:visible").get_attribute("title") == "Undo: 2 tracks merged into 1"
    page.keyboard.press("Control+z")
    wait_for_place(page, whole)
    page.keyboard.press("Control+Shift+Z")
    wait_for_place(page, f"{stored.tracks - 1} tracks")
    page.keyboard.press("Control+z")
    wait_for_place(page, whole)

    open_longest(page)
    page.wait_for_function("document.querySelector('.sl-clip video').readyState >= 1")
    lane = page.locator(".sl-lane svg").first.bounding_box()
    assert lane is not None
    page.mouse.click(lane["x"] + lane["width"] / 2, lane["y"] + lane["height"] / 2)
    page.wait_for_function("document.querySelector('.sl-clip video').currentTime > 0.5")
    page.keyboard.press("s")
    page.wait_for_selector(".sl-list li:has-text('split at')")
    page.keyboard.press("Control+z")
    page.wait_for_selector(".sl-list li:has-text('undone: 1 track split')")
    page.keyboard.press("4")
    page.get_by_role("button", name="Refresh").click()
    wait_for_place(page, whole)


def test_labels_and_verdicts_by_keys_and_never_while_typing(own_page: Page, stored: Stored) -> None:
    page = own_page
    page.keyboard.press("ArrowRight")
    page.keyboard.press("l")
    page.wait_for_selector("dialog input")
    page.keyboard.type("xmcrlsdu? <b>")  # all of them would be keys
    assert page.locator("dialog input").input_value() == "xmcrlsdu? <b>"
    page.keyboard.press("Enter")
    page.wait_for_selector('.sl-card[data-label="xmcrlsdu? <b>"]')
    page.keyboard.press("ArrowRight")
    page.keyboard.press("c")
    page.wait_for_selector(".sl-card.confirmed")
    page.keyboard.press("/")
    page.wait_for_function("document.activeElement.matches('.sl-filters input')")
    page.keyboard.press("c")  # typed into the filter
    page.keyboard.press("Delete")
    assert page.locator("dialog").count() == 0
    page.keyboard.press("Escape")
    blur(page)
    page.keyboard.press("?")
    page.wait_for_selector("dialog.sl-keys")
    page.keyboard.press("c")
    page.keyboard.press("?")
    page.wait_for_selector("dialog.sl-keys", state="detached")
    assert page.locator(".sl-card.confirmed").count() == 1
    page.locator(".sl-card .sl-open").first.focus()
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Cancel").click()
    assert place(page) == f"{stored.tracks} tracks"
    page.locator(".sl-card .sl-open").first.focus()
    page.keyboard.press("Delete")
    page.locator("dialog").get_by_role("button", name="Delete").click()
    wait_for_place(page, f"{stored.tracks - 1} tracks")
    page.keyboard.press("Control+z")  # other tests of this store count on all of them
    wait_for_place(page, f"{stored.tracks} tracks")


def test_why_a_track_cannot_be_explained_is_told(chromium: Browser, address: str) -> None:
    """The run's detector goes by what moves: no picture alone says why. The browser's console hears of the refusal."""
    with browsing(chromium, address, expected="status of 422") as page:
        open_longest(at_tracks(page))
        page.get_by_role("button", name="Explain").click()
        page.wait_for_selector(".sl-explained .sl-why:has-text('judges a picture by those before it')")
        assert not page.locator(".sl-explained img").is_visible()


def test_several_are_selected_by_pointer(page: Page) -> None:
    cards = page.locator(".sl-card .sl-open")
    cards.nth(0).click(modifiers=["Control"])
    cards.nth(2).click(modifiers=["Shift"])
    assert page.locator(".sl-chosen:visible").inner_text() == "3 selected"
    page.locator(".sl-pick input").nth(1).click()
    assert page.locator(".sl-chosen:visible").inner_text() == "2 selected"
    page.get_by_role("button", name="Clear").locator("visible=true").click()
    assert page.locator(".sl-chosen:visible").count() == 0


def test_a_search_by_a_track_and_by_an_uploaded_picture(page: Page, tmp_path: Path, stored: Stored) -> None:
    page.locator(".sl-card .sl-open").first.click()
    page.wait_for_selector(".sl-track")
    page.wait_for_selector(".sl-near .sl-card")
    page.keyboard.press("f")
    page.wait_for_selector(".sl-asked")
    page.wait_for_selector(".sl-query ~ *, .sl-card:visible")
    assert page.locator(".sl-card:visible").count() == stored.tracks - 1

    track = page.locator(".sl-card:visible").first
    address = track.locator("img").get_attribute("src")
    wanted = track.get_attribute("data-track")
    picture = tmp_path / "someone.jpg"
    picture.write_bytes(page.request.get(str(page.evaluate("location.origin")) + str(address)).body())
    page.locator(".sl-query input[type=file]").set_input_files(picture)
    page.wait_for_selector("text=Mark one object")
    page.wait_for_function(
        "tracks => [...document.querySelectorAll('.sl-card')].filter(one => one.offsetParent).length === tracks",
        arg=stored.tracks,
    )
    distances = [float(one) for one in page.locator(".sl-card:visible .sl-name i").all_inner_texts()]
    assert distances == sorted(distances)
    assert page.locator(".sl-card:visible").first.get_attribute("data-track") == wanted

    canvas = page.locator(".sl-own canvas").bounding_box()
    assert canvas is not None
    page.mouse.move(canvas["x"] + 4, canvas["y"] + 4)
    page.mouse.down()
    page.mouse.move(canvas["x"] + canvas["width"] / 2, canvas["y"] + canvas["height"] / 2)
    page.mouse.up()
    page.wait_for_selector("text=Searched by the marked part")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    page.locator(".sl-query input[type=file]").set_input_files(broken)
    page.wait_for_selector("text=broken.jpg is no picture")


@pytest.mark.long
def test_the_reviewed_result_is_exported(own_page: Page, tmp_path: Path) -> None:
    page = own_page
    page.keyboard.press("ArrowRight")
    page.keyboard.press("l")
    page.wait_for_selector("dialog input")
    page.keyboard.type("courier")
    page.keyboard.press("Enter")
    page.wait_for_selector('.sl-card[data-label="courier"]')
    open_tab(page, "Runs")
    page.locator(".sl-export summary").click()
    texts = {}
    for name in ("Reviewed", "As tracked"):
        with page.expect_download() as waiting:
            page.locator(f".sl-export p:has-text('{name}') a:has-text('CSV')").click()
        path = tmp_path / f"{name}.csv"
        waiting.value.save_as(path)
        assert not is_zipfile(path)
        texts[name] = path.read_text()
    assert "courier" in texts["Reviewed"]
    assert "courier" not in texts["As tracked"]


@pytest.mark.parametrize("size", [(1280, 800), PHONE])
def test_no_tab_is_wider_than_the_screen(page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.locator(".sl-card .sl-open").first.click()
    page.wait_for_selector(".sl-track")
    for name in TABS:
        open_tab(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], name


def test_the_keys_lead_to_every_tab(page: Page) -> None:
    for number, name in enumerate(TABS, 1):
        page.keyboard.press(str(number))
        tab = page.get_by_role("tab", name=name, exact=True)
        assert re.search("true", tab.get_attribute("aria-selected") or "")


def at_tracks(page: Page) -> Page:
    """Wait until the page stands there, and go to its gallery."""
    page.wait_for_selector(".sl-run")
    open_tab(page, "Tracks")
    page.wait_for_selector(".sl-card img")
    return page


def open_longest(page: Page) -> None:
    """Open the track that lasts longest."""
    page.get_by_label("Sort").locator("visible=true").click()
    page.evaluate("document.querySelector('.sl-gallery').dataset.before = true")
    page.get_by_role("option", name="Longest first").click()
    page.wait_for_function("!document.querySelector('.sl-gallery').dataset.before")  # it is another one now
    page.locator(".sl-card .sl-open").first.click()
    page.wait_for_selector(".sl-track")


def wait_for_place(page: Page, text: str) -> None:
    """Wait until the gallery says so, and its tools are drawn anew with it."""
    page.wait_for_selector(f".sl-place p:visible:text-is('{text}')")
    shown = "n => [...document.querySelectorAll('.sl-card')].filter(one => one.offsetParent).length === n"
    page.wait_for_function(shown, arg=int(text.split()[0]))
    page.wait_for_timeout(150)


def blur(page: Page) -> None:
    """Take the focus from whatever has it."""
    page.evaluate("document.activeElement.blur()")
