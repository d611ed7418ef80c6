"""The tab Analytics in a browser: counts, drawing by pointer and by keys, a day's recording, and the way to a track."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from pipeline.heart import Heart
from pipeline.store import tables
from pipeline.store.database import open_database
from pipeline.store.rules import living_rules
from tests.integration.api.watching import Watched, watch
from tests.integration.page.browsing import PHONE, Window, opened, serving
from tests.integration.page.conftest import Stored

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def watched(recorded: Stored, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A service beside the finished run, with its clip as recording and one of its pictures."""
    folder = tmp_path_factory.mktemp("watched") / "store"
    shutil.copytree(recorded.folder, folder)
    with open_database(folder / "sightline.db") as database:
        watched = watch(database, folder / "media", film=recorded.clip.read_bytes())
        watched.picture(next((folder / "media").rglob("*.jpg")).read_bytes())
        with Heart(watched.writer.heartbeat, lambda _: None):  # a service that is silent for 30 s counts as gone
            yield watched


@pytest.fixture(scope="module")
def address(watched: Watched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = watched.media.parent / "sightline.db"
    with serving("--database", store, folder=tmp_path_factory.mktemp("served")) as address:
        yield address


@pytest.fixture(scope="module")
def window(chromium: Browser, address: str) -> Iterator[Window]:
    with opened(chromium, address) as window:
        yield window


@pytest.fixture
def page(window: Window, address: str) -> Page:
    """At Analytics, with all that the gate has seen."""
    return at_gate(window.anew(address))


def test_counts_are_numbers_and_bars(page: Page) -> None:
    totals = {
        card.locator("h4").inner_text(): card.locator("dl").inner_text().split()
        for card in page.locator(".sl-total").all()
    }
    assert totals["door"] == ["1", "in", "1", "out"]
    assert totals["lobby"] == ["1", "came", "1", "left", "1", "too", "many"]
    assert page.locator(".sl-plot rect[fill]").count() == 2
    page.get_by_role("button", name="door: in").click()
    assert page.locator(".sl-plot rect[fill]").count() == 1
    page.locator(".sl-plot svg").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert "door: out 1" in page.locator(".sl-tip").inner_text()
    page.get_by_role("button", name="Visits").click()
    page.wait_for_selector(".sl-key:has-text('lobby: came')")
    page.get_by_role("button", name="Hour").click()
    page.wait_for_selector("text=Nothing happened at the zones and lines at this time.")


def test_a_zone_is_drawn_by_pointer_and_removed(page: Page, watched: Watched) -> None:
    assert page.locator(".sl-rules b").all_inner_texts()[:2] == ["lobby", "door"]
    assert page.locator(".sl-rules li:has-text('from the settings file') button").count() == 0
    page.get_by_role("button", name="Draw a zone").click()
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector("text=A zone needs three corners")
    over = page.locator(".sl-over").bounding_box()
    assert over is not None
    for x, y in ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75)):
        page.mouse.click(over["x"] + x * over["width"], over["y"] + y * over["height"])
    page.mouse.move(over["x"] + 0.75 * over["width"], over["y"] + 0.75 * over["height"])
    page.mouse.down()
    page.mouse.move(over["x"] + 0.5 * over["width"], over["y"] + 0.8 * over["height"], steps=3)
    page.mouse.up()
    page.locator("[name=dwell_seconds]").fill("12")
    page.locator(".sl-rule [name=name]").fill("<b>desk</b>")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector(".sl-rules li:has-text('<b>desk</b>')")
    with watched.database.read() as connection:
        rule = living_rules(watched.writer.scope, connection, watched.source)[-1]
    assert (rule.name, rule.kind, rule.definition["dwell_seconds"]) == ("<b>desk</b>", "zone", 12)
    corners = [tuple(round(value, 1) for value in corner) for corner in rule.definition["polygon"]]
    assert corners[0] in ((0.2, 0.2), (0.3, 0.3), (0.2, 0.3), (0.3, 0.2))
    assert corners[2] == (0.5, 0.8)
    page.get_by_role("button", name="Remove <b>desk</b>").click()
    page.locator("dialog").get_by_role("button", name="Remove").click()
    page.wait_for_selector(".sl-rules li:has-text('desk')", state="detached")


def test_a_line_is_drawn_by_keys_on_a_phone(page: Page, watched: Watched) -> None:
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.get_by_role("button", name="Draw a line").click()
    for keys in (["ArrowLeft"] * 3 + ["Enter"], ["Shift+ArrowRight"] * 3 + ["ArrowDown", "Enter"]):
        for key in keys:
            page.keyboard.press(key)
    page.locator(".sl-rule [name=first]").fill("up")
    assert page.locator(".sl-over .draft text").text_content() == "up"
    page.get_by_role("button", name="Turn the arrow").click()
    page.locator(".sl-rule [name=classes]").fill("person, car")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector(".sl-rules li:has-text('line 1')")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    with watched.database.read() as connection:
        rule = living_rules(watched.writer.scope, connection, watched.source)[-1]
    assert rule.definition["end"] == [0.47, 0.5]
    assert rule.definition["start"] == [0.77, 0.51]
    assert list(rule.definition["directions"]) == ["up", "out"]
    assert list(rule.definition["classes"]) == ["person", "car"]
    page.get_by_role("button", name="Draw a line").click()
    page.keyboard.press("Escape")
    page.wait_for_selector(".sl-rule", state="hidden")


def test_a_moment_is_played_and_kept(page: Page, watched: Watched) -> None:
    events = page.locator(".sl-events li")
    assert events.count() == 5
    page.locator(".sl-events li:has-text('came into lobby')").get_by_role("button", name="Play").click()
    page.wait_for_function("document.querySelector('.sl-player video').readyState >= 2")
    assert page.locator(".sl-recording [data-f=said]").inner_text().startswith("2 min 00 s recorded. 1 gap: ")
    assert "no frame for 5 s" in page.locator(".sl-recording [data-f=said]").inner_text()
    page.get_by_role("button", name="Keep").click()
    page.wait_for_selector("[data-keep]:has-text('Kept')")
    with watched.database.read() as connection:
        kept = connection.scalars(select(tables.Media.protected).where(tables.Media.kind == "segment")).all()
    assert sorted(kept) == [False, True]
    line = page.locator(".sl-track-of-day").bounding_box()
    assert line is not None
    page.locator("[data-day='-1']").click()
    page.wait_for_selector("text=Nothing was recorded on this day.")


def test_an_event_leads_to_its_track(page: Page) -> None:
    page.locator(".sl-events li:has-text('left lobby')").get_by_role("button", name="person").click()
    page.wait_for_selector(".sl-track h2:has-text('person')")
    page.get_by_role("button", name="Protect").click()
    page.wait_for_selector(".sl-track .pressed:has-text('Protect')")


def test_a_heat_map_lies_over_the_picture(page: Page) -> None:
    page.get_by_label("heat map").check()
    page.wait_for_function("document.querySelector('.sl-heat').naturalWidth === 640")
    page.wait_for_selector(".sl-heat:visible")


def at_gate(page: Page) -> Page:
    """All that the gate has seen."""
    page.wait_for_selector(".sl-cam:has-text('gate') .sl-state.live")
    page.locator(".sl-cam:has-text('gate') [data-do=events]").click()
    page.wait_for_selector(".sl-rules b")
    page.get_by_role("button", name="All", exact=True).click()
    page.wait_for_selector(".sl-total")
    return page
