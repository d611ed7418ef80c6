"""The page as its users meet it: a process that serves it, and a browser that opens it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tests.conftest import ROOT, unavailable
from tests.promptness import allowed

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Page

BROWSER = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)
WIDE, PHONE = (1280, 800), (390, 844)
LEAVING = "AbortError: signal is aborted|Connection errored out"  # what Gradio's page says of its connection then


def command(words: tuple[object, ...]) -> list[str]:
    """The command line that serves the page."""
    return [sys.executable, str(ROOT / "app_ui.py"), *map(str, words)]


def surroundings(environment: dict[str, str] | None = None) -> dict[str, str]:
    """The environment of that process: ours without passwords, and what the test adds."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_PASSWORD")}
    plain = {"PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}
    return {**own, **plain, **(environment or {})}


@contextmanager
def serving(*words: object, folder: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    """The page as a process of its own, as a user would start it; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        command((*words, "--port", port)),
        cwd=folder,
        env=surroundings(environment),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert "Sightline shows" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=allowed(20)) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@contextmanager
def launched() -> Iterator[Browser]:
    """Chromium, for several pages one after the other. As long as it runs, its thread has an event loop."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        unavailable("playwright is not installed: pip install -e '.[dev]'")
    chromium = shutil.which("chromium")
    if chromium is None:
        unavailable("there is no chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(BROWSER))
        yield browser
        browser.close()


def milliseconds(seconds: float) -> float:
    """How long Playwright waits for what takes at most so many seconds on a machine at rest."""
    return 1000 * allowed(seconds)


@dataclass
class Window:
    """A page, and the errors in its console and its requests to other machines."""

    page: Page
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(milliseconds(20))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda told: self.errors.append(told.text) if told.type == "error" else None)
        self.page.on("request", lambda asked: self.errors.append(asked.url) if _leaves(asked.url) else None)

    def anew(self, address: str) -> Page:
        """The page once more, as wide as at first and with nothing kept; what the browser has read of it need not be
        read and compiled again. That Gradio's page complains of its connection while it is left does not count."""
        self.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        count = len(self.errors)
        self.page.goto("about:blank")
        self.errors[count:] = [error for error in self.errors[count:] if not re.search(LEAVING, error)]
        self.page.goto(address)
        return self.page


@contextmanager
def opened(
    browser: Browser, address: str, *, size: tuple[int, int] = WIDE, dark: bool = False, expected: str = ""
) -> Iterator[Window]:
    """The page, with nothing known of earlier ones. Every error in its console and every request to another machine
    fails the test.

    `expected`: a regular expression that is found in errors that are meant to come.
    """
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light")
    window = Window(page)
    try:
        page.goto(address)
        yield window
    finally:
        page.close()
    unexpected = [error for error in window.errors if not expected or not re.search(expected, error)]
    assert not unexpected, unexpected


@contextmanager
def browsing(
    browser: Browser, address: str, *, size: tuple[int, int] = WIDE, dark: bool = False, expected: str = ""
) -> Iterator[Page]:
    """`opened`, where the page is all that is asked for."""
    with opened(browser, address, size=size, dark=dark, expected=expected) as window:
        yield window.page


def _leaves(url: str) -> bool:
    """Whether a request goes to another machine."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "ws", "wss") and parts.hostname != "127.0.0.1"


def open_tab(page: Page, name: str) -> None:
    """Go to a tab; on a phone the last ones are behind three dots."""
    tab = page.get_by_role("tab", name=name, exact=True)
    if not tab.is_visible():
        page.locator(".overflow-menu > button").click()
        tab = page.locator(".overflow-dropdown").get_by_text(name, exact=True)
    tab.click()


def place(page: Page) -> str:
    """What the visible pager says: "12 tracks"."""
    return page.locator(".sl-place p:visible").inner_text()
