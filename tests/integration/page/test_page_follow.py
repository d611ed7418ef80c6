"""The tab Follow in a browser: a picture is chosen, a box drawn on it, and the track that comes of it opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pipeline.sinks.h264_file import H264File
from pipeline.store.database import Database, open_database
from pipeline.store.filters import ObjectFilter, scope_of
from pipeline.store.queries import observations_of_object, page_objects
from pipeline.store.rows import ObjectRow, ObservationTable
from pipeline.store.run_queries import list_runs
from tests.integration.page.browsing import PHONE, browsing, milliseconds, open_tab, serving
from tests.unit.trackers.target_scenes import Pictures, moving
from trackers.geometry import iou_pairs
from trackers.structures import Evidence

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FIRST = 5  # picture in which the box is drawn


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    return moving(40, starts=np.array([[60.0, 70.0]]), steps=np.array([[2.0, 1.0]]))


@pytest.fixture(scope="module")
def folder(pictures: Pictures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video, and beside it what is none."""
    folder = tmp_path_factory.mktemp("to-follow")
    with H264File(folder / "walk.mp4", quality=12) as video:
        for number, frame in enumerate(pictures.frames):
            video.write(frame, number / 25)
    (folder / "broken.mp4").write_bytes(b"no video")
    return folder


@pytest.fixture(scope="module")
def page(chromium: Browser, folder: Path) -> Iterator[Page]:
    """At the tab Follow of an empty store. Refusals that are meant to come stand in the browser's console, too."""
    with (
        serving("--database", "s.db", folder=folder) as address,
        browsing(chromium, address, expected="status of (422|404)") as page,
    ):
        page.wait_for_selector(".sl-hint:visible")
        open_tab(page, "Follow")
        page.wait_for_selector(".sl-follow")
        yield page


def newest(database: Database) -> tuple[ObjectRow, ObservationTable]:
    """The only object of the newest run."""
    with database.read() as connection:
        scope = scope_of(connection, ["default"])
        run = list_runs(scope, connection)[0]
        (row,) = page_objects(scope, connection, ObjectFilter(runs=(run.public_id,)))
        return row, observations_of_object(scope, connection, row.public_id)


def draw(page: Page, box: list[float]) -> None:
    """Drag from one corner to the other. `box`: x1 y1 x2 y2, pixels of the video of 320 x 240."""
    over = page.locator(".sl-over:visible").bounding_box()
    assert over is not None
    scale = over["width"] / 320
    assert over["height"] == pytest.approx(240 * scale, abs=2)
    page.mouse.move(over["x"] + box[0] * scale, over["y"] + box[1] * scale)
    page.mouse.down()
    page.mouse.move(over["x"] + box[2] * scale, over["y"] + box[3] * scale, steps=4)
    page.mouse.up()


def test_a_box_is_drawn_and_its_track_opens(page: Page, pictures: Pictures, folder: Path) -> None:
    said = page.locator(".sl-follow [data-f=said]")
    page.locator(".sl-follow [type=submit]").click()
    assert said.inner_text() == "Choose a video first, or name its path."
    page.locator(".sl-follow [name=address]").fill(str(folder / "broken.mp4"))
    page.keyboard.press("Enter")
    page.wait_for_selector(".sl-follow .sl-trouble:has-text('broken.mp4')")
    page.locator(".sl-follow [name=address]").fill("walk.mp4")
    page.keyboard.press("Enter")
    page.wait_for_selector(".sl-follow .sl-frame img:visible")
    page.locator(".sl-follow [name=frame]").fill(str(FIRST))
    page.keyboard.press("Tab")
    page.wait_for_function(
        "n => document.querySelector('.sl-follow .sl-frame img').src.endsWith(`frame=${n}`)", arg=FIRST
    )
    page.locator(".sl-follow [type=submit]").click()
    assert said.inner_text() == "Draw a box around the target first."
    page.locator(".sl-follow [name=tracker]").select_option("mosse")
    page.locator(".sl-follow [name=label]").fill("<b>walker</b>")
    draw(page, pictures.boxes[FIRST, 0].tolist())
    assert "Box: 40 x 40 pixels" in page.locator(".sl-follow [data-f=how]").inner_text()
    page.locator(".sl-follow [type=submit]").click()

    page.wait_for_selector(".sl-track h2:visible:text-is('<b>walker</b>')", timeout=milliseconds(40))
    with open_database(folder / "s.db") as database:
        row, seen = newest(database)
    assert page.locator(".sl-track").get_attribute("data-track") == str(row.public_id)
    assert seen.frames.tolist() == [*range(FIRST, 40)]
    assert seen.evidence.tolist() == [Evidence.DETECTED] + [Evidence.TARGET] * 34
    assert iou_pairs(seen.boxes, pictures.boxes[FIRST:, 0]).min() > 0.6
    page.wait_for_function("document.querySelector('.sl-clip video').readyState >= 2")


def test_a_track_is_followed_on_from_the_moment_of_its_clip(page: Page, pictures: Pictures, folder: Path) -> None:
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.evaluate("document.querySelector('.sl-clip video').currentTime = 0.8")
    page.wait_for_function("!document.querySelector('.sl-clip video').seeking")
    page.get_by_role("button", name="Follow from here").click()
    page.wait_for_function("n => document.querySelector('.sl-follow [name=frame]').value > n", arg=FIRST)
    page.wait_for_selector(".sl-follow [data-f=how]:has-text('Box: ')")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    begin = int(page.locator(".sl-follow [name=frame]").input_value())
    assert FIRST < begin < 35
    assert page.locator(".sl-follow [name=label]").input_value() == "<b>walker</b>"
    page.locator(".sl-follow [name=tracker]").select_option("flow")
    page.locator(".sl-follow [type=submit]").click()
    page.wait_for_selector(".sl-track:visible", timeout=milliseconds(40))
    with open_database(folder / "s.db") as database:
        row, seen = newest(database)
    page.wait_for_selector(f".sl-track[data-track='{row.public_id}']")
    assert seen.frames[0] == begin
    assert iou_pairs(seen.boxes, pictures.boxes[seen.frames, 0]).min() > 0.5


def test_what_the_tracker_refuses_is_told(page: Page, folder: Path) -> None:
    open_tab(page, "Follow")
    page.locator(".sl-follow summary").click()
    page.locator(".sl-follow [name=settings]").fill("target.cells=1")
    page.locator(".sl-follow [type=submit]").click()
    page.wait_for_selector(".sl-follow .sl-trouble:has-text('target.cells')", timeout=milliseconds(40))
    with open_database(folder / "s.db") as database, database.read() as connection:
        assert len(list_runs(scope_of(connection, ["default"]), connection)) == 2
