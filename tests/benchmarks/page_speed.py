"""How long the page takes in a browser: the gallery's first sheet, the next one, a track. On a store of any size.

    python -m tests.benchmarks.page_speed --database large/large.db

The page runs as a process of its own and is looked at with headless Chromium; a sheet is there when every picture that
is in view is drawn. Nothing here passes or fails.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.table import Table

from tests.conftest import ROOT

BUDGET = 1.0  # seconds: what the gallery's first sheet should stay under
_BROWSER = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
# The sheet whose place is said is there, and so are its pictures as far as they are in view.
_DRAWN = """place => {
    const said = [...document.querySelectorAll('.sl-place')].some(
        one => one.offsetParent && one.innerText.startsWith(place));
    const pictures = [...document.querySelectorAll('.sl-gallery .sl-card img')].filter(one => {
        const box = one.getBoundingClientRect();
        return one.offsetParent && box.top < innerHeight && box.bottom > 0;
    });
    return said && pictures.length > 3 && pictures.every(one => one.complete && one.naturalWidth > 0);
}"""

Spent = dict[str, list[float]]  # what -> seconds


def main(
    database: Annotated[Path, typer.Option(metavar="FILE", help="SQLite file; crops lie in media/ beside it.")],
    rounds: Annotated[int, typer.Option(min=1)] = 10,
) -> None:
    """Measure and print."""
    spent: Spent = {}
    with _serving(database) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_BROWSER))
        for _ in range(rounds):
            _visit(browser, address, spent)
        browser.close()
    table = Table(title=f"Seconds in the browser, {rounds} visits; over {BUDGET:g} s at the 95th percentile in red")
    for heading in ("what", "median", "p95", "most"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for what, seconds in spent.items():
        p50, p95, most = np.percentile(seconds, [50, 95, 100])
        table.add_row(what, f"{p50:.2f}", f"{p95:.2f}", f"{most:.2f}", style="red" if p95 > BUDGET else None)
    Console(width=120).print(table)


def _visit(browser: Browser, address: str, spent: Spent) -> None:
    """A new reader with an empty cache looks at the first two sheets and a track."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(30_000)
    with _timed(spent, "open the address, until tabs can be clicked"):
        page.goto(address)
        page.get_by_role("tab", name="Tracks", exact=True).wait_for()
    with _timed(spent, "click Tracks, until the first sheet is drawn"):
        page.get_by_role("tab", name="Tracks", exact=True).click()
        _drawn(page, "1 to 24 ")
    with _timed(spent, "next sheet"):
        page.get_by_role("button", name="Next").locator("visible=true").click()
        _drawn(page, "25 to 48 ")
    with _timed(spent, "previous sheet, the first one again"):
        page.get_by_role("button", name="Previous").locator("visible=true").click()
        _drawn(page, "1 to 24 ")
    with _timed(spent, "refresh"):
        with page.expect_response(lambda response: "/gradio_api/queue/data" in response.url):
            page.get_by_role("button", name="Refresh").click()
        _drawn(page, "1 to 24 ")
    with _timed(spent, "open a track, until its facts are there"):
        page.locator(".sl-card .sl-open, button.sl-card").locator("visible=true").first.click()
        page.locator(".sl-track h2").wait_for()
    context.close()


def _drawn(page: Page, place: str) -> None:
    page.wait_for_function(_DRAWN, arg=place, polling="raf")


@contextmanager
def _timed(spent: Spent, what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    spent.setdefault(what, []).append(time.perf_counter() - started)


@contextmanager
def _serving(database: Path) -> Iterator[str]:
    """The page as a user would start it; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "app_ui.py"), "--database", str(database), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        if "Sightline shows" not in said:
            raise typer.BadParameter(f"the page does not start; see above: {said}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        process.stdout.close()


if __name__ == "__main__":
    typer.run(main)
