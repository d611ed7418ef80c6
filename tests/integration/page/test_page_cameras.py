"""The tab Cameras over a real service: cameras added, paused, resumed, removed, a line drawn, the service stopped."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import func, select

from pipeline.sinks.h264_file import H264File
from pipeline.store import tables
from tests.integration.page.browsing import browsing, milliseconds, open_tab, serving
from tests.integration.watch.process import ServiceProcess, nothing_left
from tests.promptness import allowed, promptly

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SECRET = "hunter2"
MEANT = "status of (422|404)"  # what is refused; the picture of a camera that was just removed
SECONDS = 2.0  # within which what is pressed has its effect


@pytest.mark.timeout(600)
def test_cameras_are_steered_from_the_page(chromium: Browser, tmp_path: Path) -> None:
    lorries(tmp_path / "plaza.mp4")
    shutil.copy(tmp_path / "plaza.mp4", tmp_path / "gate.mp4")
    plaza = {"url": "plaza.mp4", "loop": True, "record": {"mode": "always", "segment_seconds": 2}}
    settings = {"detector": {"backend": "motion"}, "cameras": {"plaza": plaza}}
    with (
        ServiceProcess(tmp_path, settings) as service,
        serving("--database", service.url, folder=tmp_path) as address,
        browsing(chromium, address, expected=MEANT) as page,
    ):
        page.wait_for_selector(".sl-cam:has-text('plaza') .sl-state.live")  # without a click
        page.wait_for_selector(".sl-cam.pictured")
        page.wait_for_function("parseFloat(document.querySelector('.sl-cam [data-f=fps]').textContent) > 1")
        refused(page, "rtsp://admin:hunter2@10.0.0.4/live", "the address holds a password")
        refused(page, "/etc/passwd", "there is no file or folder")
        added(page)
        assert SECRET not in page.content()
        steered(page, service)
        watched_line(page)
        live_run(page, service)
        stopped(page, service)


def lorries(file: Path) -> None:
    """A road of two minutes, a lorry in each direction every 10 s: large and slow, so that a busy machine that skips
    most frames still sees each of them cross the line, and each of another colour, or the detector would learn to take
    them for part of the road."""
    random = np.random.default_rng(3)
    road = random.integers(110, 150, (136, 240, 3)).astype(np.uint8)
    with H264File(file, fps=10) as video:
        for index in range(1200):
            if index % 100 == 0:
                east, west = random.integers(0, 256, (2, 3))
            image = road.copy()
            place = 3 * (index % 100)
            for left, top, colour in ((place - 60, 20, east), (240 - place, 80, west)):
                image[top : top + 40, max(0, left) : max(0, left + 60)] = colour
            video.write(image, index / 10)


def refused(page: Page, url: str, reason: str) -> None:
    """The form says why."""
    page.get_by_role("button", name="Add camera").click()
    fill(page, url)
    page.wait_for_selector(f".sl-adding .sl-said.sl-trouble:has-text('{reason}')")
    assert SECRET not in page.locator(".sl-adding .sl-said").inner_text()
    page.locator(".sl-adding").get_by_role("button", name="Cancel").click()


def added(page: Page) -> None:
    """A second camera, on the server's disk."""
    page.get_by_role("button", name="Add camera").click()
    fill(page, "gate.mp4")
    page.wait_for_selector(".sl-cam:has-text('gate') .sl-state.live")
    page.wait_for_selector(".sl-cam.pictured:has-text('gate')")


def fill(page: Page, url: str) -> None:
    form = page.locator(".sl-adding")
    form.locator("[name=name]").fill("gate")
    form.locator("[name=url]").fill(url)
    form.get_by_role("button", name="Add", exact=True).click()


def steered(page: Page, service: ServiceProcess) -> None:
    """Paused, resumed and removed; the other camera goes on under the same numbers."""
    gate = page.locator(".sl-cam:has-text('gate')")
    before, tracks = service.camera("plaza"), last_number(service)
    for button, state in (("Pause", "paused"), ("Resume", "live"), ("Pause", "paused")):
        with promptly(SECONDS):
            gate.get_by_role("button", name=button).click()
            gate.locator(f".sl-state.{state}").filter(has_text=re.compile(f"^{state}$")).wait_for()
    gate.get_by_role("button", name="Remove").click()
    page.locator("dialog[open]").get_by_role("button", name="Remove").click()
    gate.wait_for(state="detached")
    service.await_frames(["plaza"])
    after = service.camera("plaza")
    assert (after.run_source_id, after.status["connections"]) == (before.run_source_id, before.status["connections"])
    assert after.status["outages"] == 0
    assert last_number(service) >= tracks


def last_number(service: ServiceProcess) -> int:
    """The highest number of a track of the camera plaza."""
    query = select(func.max(tables.Track.local_id)).where(
        tables.Track.run_source_id == service.camera("plaza").run_source_id
    )
    with service.database.read() as connection:
        return connection.scalar(query) or 0


def watched_line(page: Page) -> None:
    """A line is drawn over the picture, and who crosses it is counted; the moment plays from the recording."""
    page.locator(".sl-cam:has-text('plaza') [data-do=events]").click()
    page.wait_for_selector(".sl-frame img:visible")
    page.get_by_role("button", name="Draw a line").click()
    page.wait_for_function("document.querySelector('.sl-frame img').naturalWidth > 0")  # it has its size
    over = page.locator(".sl-over")
    box = over.bounding_box()
    assert box is not None
    for count, share in enumerate((0.01, 0.99), start=1):  # scrolled to, wherever the list of events has moved it
        over.click(position={"x": 0.7 * box["width"], "y": share * box["height"]})
        page.wait_for_function(f"document.querySelectorAll('.sl-over .corner').length === {count}")
    page.locator(".sl-rule [name=name]").fill("middle")
    page.get_by_role("button", name="Save").click()
    page.wait_for_selector(".sl-rules li:has-text('middle')")
    page.wait_for_selector(".sl-total:has-text('middle')", timeout=milliseconds(50))  # busy, it loses walkers
    assert int(page.locator(".sl-total dd").first.inner_text()) >= 1
    page.wait_for_selector(".sl-plot rect[fill]")
    page.locator(".sl-events li:has-text('middle') button:has-text('Play')").first.click()
    page.wait_for_function("document.querySelector('.sl-player video').readyState >= 2")


def live_run(page: Page, service: ServiceProcess) -> None:
    """The tab Runs shows the service as live, the tab Tracks what its camera has seen."""
    open_tab(page, "Runs")
    page.get_by_role("button", name="Refresh").click()
    page.wait_for_selector(".sl-run .sl-state.live")
    assert "camera" in page.locator(".sl-run .sl-sub").first.inner_text()
    open_tab(page, "Cameras")
    page.locator(".sl-cam:has-text('plaza')").get_by_role("button", name="Tracks").click()
    page.wait_for_selector(".sl-card img")
    assert service.camera("plaza").source is not None


def stopped(page: Page, service: ServiceProcess) -> None:
    """The button ends the service in less than three seconds; the tab says so, and how to start it again."""
    open_tab(page, "Cameras")
    page.get_by_role("button", name="Stop the service").click()
    with nothing_left(service), promptly(3):
        page.locator("dialog[open]").get_by_role("button", name="Stop").click()
        service.process.wait(allowed(20))
    assert service.process.returncode == 0
    page.wait_for_selector("text=The service is not running")
    assert "sightline watch cameras.yaml" in page.locator("[data-f=restart]").inner_text()
    page.wait_for_selector(".sl-cam .sl-state:has-text('no service')")
    assert SECRET not in page.content()
