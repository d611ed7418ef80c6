"""Pictures of every tab of the page, for docs/screenshots: a scene is rendered, tracked, reviewed and looked at.

    python -m tests.screenshots --out docs/screenshots

Look at what it writes: nothing else tells whether the page is pleasant to read.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from PIL import Image

from pipeline.config import load_settings
from pipeline.runs import Run
from pipeline.sinks.h264_file import H264File
from pipeline.store.event_queries import count_events
from pipeline.synthetic.scene import Scene
from tests.integration.page.browsing import PHONE, WIDE, browsing, launched, milliseconds, open_tab, serving
from tests.integration.watch.process import ServiceProcess

if TYPE_CHECKING:
    from playwright.sync_api import Page

STORE = "runs/sightline.db"  # as the page names it: relative to where it was started
EVENTS = 60  # before the pictures are taken
LARGEST = 300 * 1024  # bytes of a picture
COLOURS = 160
FOLLOWED = ((0.905, 0.475), (0.975, 0.705))  # corners of a walker's box at the gate, shares of the picture
SIZES = {"wide": WIDE, "phone": PHONE}


def main(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the pictures go.")] = Path("docs/screenshots"),
) -> None:
    """Take them all: every tab, at both sizes, light; the gallery and a track dark, too."""
    out.mkdir(parents=True, exist_ok=True)
    with launched() as chromium, tempfile.TemporaryDirectory() as folder, _site(Path(folder)) as address:
        for name, size in SIZES.items():
            with browsing(chromium, address, size=size, expected="404") as page:  # of a preview that was just removed
                _tabs(page, out, name, query=Path(folder) / "query.jpg")
            with browsing(chromium, address, size=size, dark=True) as page:
                _gallery_and_track(page, out, f"{name}-dark")
    with launched() as chromium, tempfile.TemporaryDirectory() as folder, _watched(Path(folder)) as address:
        for name, size in SIZES.items():
            for look, dark in ((name, False), (f"{name}-dark", True)):
                with browsing(chromium, address, size=size, dark=dark) as page:
                    _cameras(page, out, look)


@contextmanager
def _watched(folder: Path) -> Iterator[str]:
    """The page over a service with three cameras: videos that play again and again, and one that nobody answers for."""
    for name, seed in (("plaza", 5), ("gate", 11)):
        _render(folder / f"{name}.mp4", seed)
    line = {"start": [0.05, 0.75], "end": [0.95, 0.62]}
    zone = {"polygon": [[0.3, 0.42], [0.72, 0.42], [0.95, 0.95], [0.1, 0.95]], "dwell_seconds": 4}
    rules = {"lines": {"forecourt": line}, "zones": {"square": zone}}
    film = {"loop": True, "record": {"mode": "always", "segment_seconds": 5}, "analytics": rules}
    cameras = {name: {"url": str(folder / f"{name}.mp4"), **film} for name in ("plaza", "gate")}
    lost = {"dock": {"url": "rtsp://127.0.0.1:9/stream"}}
    settings = {"detector": {"backend": "motion"}, "cameras": {**cameras, **lost}}
    with (
        ServiceProcess(folder, settings, url=str(folder / STORE)) as service,
        serving("--database", STORE, folder=folder) as address,
    ):
        service.wait(lambda: _events(service) >= EVENTS, 60, "nothing happens")
        yield address


def _events(service: ServiceProcess) -> int:
    """Of all cameras."""
    with service.database.read() as connection:
        return count_events(service.scope(), connection)


def _cameras(page: Page, out: Path, name: str) -> None:
    """The tabs Cameras and Analytics."""
    page.wait_for_selector(".sl-cam.pictured:has-text('plaza')")
    _shoot(page, out / f"{name}-cameras.png")
    page.locator(".sl-cam:has-text('plaza') [data-do=events]").click()
    page.wait_for_selector(".sl-total")
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_label("Counted by").select_option("10 seconds")
    page.get_by_role("button", name="Visits").click()
    page.get_by_label("heat map").check()
    page.wait_for_selector(".sl-heat:visible")
    page.wait_for_selector(".sl-track-of-day .kept")
    _shoot(page, out / f"{name}-analytics.png", whole=True)


@contextmanager
def _site(folder: Path) -> Iterator[str]:
    """The page over two cameras' clips, each with a run, and one of them tracked with other settings."""
    for name, seed in (("plaza.mp4", 5), ("gate.mp4", 11)):
        _render(folder / name, seed)
        _track(folder, name)
    _track(folder, "plaza.mp4", "tracker.lost_seconds=1")
    with serving("--database", STORE, folder=folder) as address:
        yield address


def _render(path: Path, seed: int) -> None:
    scene = Scene(20.0, size=(960, 540), fps=15.0, seed=seed)
    with H264File(path, fps=scene.fps) as video:
        for index in range(len(scene)):
            video.write(scene.frame(index).image, index / scene.fps)


def _track(folder: Path, name: str, *overrides: str) -> None:
    settings = [f"store.database={folder / STORE}", "source.start_at=2026-11-21T10:00:00Z", *overrides]
    Run([str(folder / name)], load_settings("default", settings)).execute()


def _tabs(page: Page, out: Path, size: str, *, query: Path) -> None:
    page.wait_for_selector(".sl-run")
    page.locator(".sl-export summary").first.click()
    _shoot(page, out / f"{size}-runs.png")
    _compare(page)
    _shoot(page, out / f"{size}-comparison.png")
    _gallery_and_track(page, out, size)
    _explain(page, out / f"{size}-explain.png")
    page.locator("[data-similar]").click()
    page.wait_for_selector(".sl-asked")
    _shoot(page, out / f"{size}-search.png")
    address = page.evaluate("location.origin") + str(page.locator(".sl-card:visible img").first.get_attribute("src"))
    query.write_bytes(page.request.get(address).body())
    page.locator(".sl-query input[type=file]").set_input_files(query)
    page.wait_for_selector("text=Mark one object")
    _shoot(page, out / f"{size}-search-picture.png")
    open_tab(page, "Process")
    page.locator("[name=address]").fill("gate.mp4")
    page.locator("[name=frames]").fill(str(240 + len(size)))  # or it would be left out: it was tracked before
    page.get_by_role("button", name="Start").click()
    page.wait_for_selector(".sl-live-run:has-text('00 of ') .sl-live:not(.missing) img", timeout=milliseconds(40))
    _shoot(page, out / f"{size}-process.png", settle=0)
    page.wait_for_selector(".sl-live-run .sl-state.finished", timeout=milliseconds(40))
    _follow(page, out / f"{size}-follow.png")


def _explain(page: Page, path: Path) -> None:
    """Why the track on the tab Track was found."""
    page.get_by_role("button", name="Explain").click()
    page.wait_for_selector(".sl-explained img:visible", timeout=milliseconds(60))
    page.locator(".sl-explained").evaluate("one => one.scrollIntoView()")
    _shoot(page, path)


def _follow(page: Page, path: Path) -> None:
    """A walker at the gate, while she is followed from the fourth second on."""
    open_tab(page, "Follow")
    page.locator(".sl-follow [name=source] option", has_text="gate.mp4").wait_for(state="attached")
    page.locator(".sl-follow [name=source]").select_option(label="gate.mp4")
    page.wait_for_selector(".sl-follow .sl-frame img:visible")
    page.locator(".sl-follow [name=frame]").fill("60")
    page.keyboard.press("Tab")
    page.wait_for_function("document.querySelector('.sl-follow .sl-frame img').src.endsWith('frame=60')")
    page.locator(".sl-follow [name=tracker]").select_option("auto")
    page.locator(".sl-follow [name=label]").fill(
        f"walker, {path.stem.partition('-')[0]}"
    )  # or it would be known already
    over = page.locator(".sl-over:visible").bounding_box()
    assert over is not None
    corners = [(over["x"] + x * over["width"], over["y"] + y * over["height"]) for x, y in FOLLOWED]
    page.mouse.move(*corners[0])
    page.mouse.down()
    page.mouse.move(*corners[1], steps=4)
    page.mouse.up()
    page.get_by_role("button", name="Follow", exact=True).click()
    running = page.locator(".sl-live-run", has_text=re.compile(r"[1-9]\d+ of ")).locator(".sl-live:not(.missing) img")
    running.wait_for(timeout=milliseconds(40))
    _shoot(page, path, settle=0, whole=True)
    page.wait_for_selector(".sl-track h2:visible:has-text('walker, ')", timeout=milliseconds(60))  # nobody writes now


def _compare(page: Page) -> None:
    """The third run against the first one: the same clip, tracked with other settings."""
    page.get_by_role("button", name="Compare two runs").click()
    for field, age in (("This run", 3), ("against this one", 1)):
        options = page.locator("[role=option]:visible")
        while options.count() < age:  # they come after the page stands there
            page.keyboard.press("Escape")
            page.wait_for_timeout(300)
            page.get_by_label(field).click()
        options.nth(options.count() - age).click()
        page.wait_for_function("![...document.querySelectorAll('[role=option]')].some(one => one.offsetParent)")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_selector(".sl-compare")
    page.locator(".sl-compare").scroll_into_view_if_needed()


def _gallery_and_track(page: Page, out: Path, size: str) -> None:
    page.wait_for_selector(".sl-run")
    open_tab(page, "Tracks")
    page.wait_for_selector(".sl-card img")
    for number in (0, 2):
        page.locator(".sl-open").nth(number).click(modifiers=["Control"])
    _shoot(page, out / f"{size}-tracks.png")
    page.locator(".sl-open").nth(1).click()
    page.wait_for_selector(".sl-near .sl-card")
    page.wait_for_function("document.querySelector('.sl-clip video').readyState >= 2")
    page.evaluate("document.querySelector('.sl-clip video').currentTime = 1.5")
    page.wait_for_function("[...document.querySelectorAll('.sl-strip img')].every(one => one.naturalWidth > 0)")
    page.evaluate("document.querySelectorAll('img[loading]').forEach(one => { one.loading = 'eager'; })")
    _shoot(page, out / f"{size}-track.png", whole=True)


def _shoot(page: Page, path: Path, *, whole: bool = False, settle: int = 700) -> None:
    """A picture with few colours, made smaller where it would still be too large to keep.

    `settle`: milliseconds for toasts and transitions.
    """
    page.wait_for_timeout(settle)
    picture = Image.open(BytesIO(page.screenshot(full_page=whole))).convert("RGB")
    _save(picture, path)
    while path.stat().st_size > LARGEST:
        picture = picture.resize((round(picture.width * 0.9), round(picture.height * 0.9)), Image.Resampling.LANCZOS)
        _save(picture, path)
    typer.echo(f"{path}: {picture.width} x {picture.height}, {path.stat().st_size // 1024} KiB")


def _save(picture: Image.Image, path: Path) -> None:
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    typer.run(main)
