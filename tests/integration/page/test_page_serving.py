"""Serving the page: who may come in, what is refused, and runs that are started and stopped from it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from app_ui import configs
from tests.conftest import ROOT
from tests.integration.alerts.receiver import free_port
from tests.integration.page.browsing import browsing, command, milliseconds, open_tab, serving, surroundings
from tests.integration.page.conftest import Stored
from tests.promptness import allowed

if TYPE_CHECKING:
    from playwright.sync_api import Browser


def test_a_password_is_asked_for_and_an_empty_store_says_how_to_fill_it(chromium: Browser, tmp_path: Path) -> None:
    secret = {"SIGHTLINE_PASSWORD": "open sesame"}
    options = ("--database", "new/sightline.db")
    leaving = "AbortError|Connection errored out"  # to log out ends what the page was listening to
    with (
        serving(*options, folder=tmp_path, environment=secret) as address,
        browsing(chromium, address, expected=leaving) as page,
    ):
        page.wait_for_selector("input[type=password]")
        assert page.locator(".sl-banner").count() == 0
        page.locator("input[type=password]").fill("open sesame")
        page.get_by_role("button", name="Log in").click()
        page.wait_for_selector("text=Nothing here yet")
        assert "sightline run VIDEO --database" in page.locator(".sl-hint").first.inner_text()
        page.get_by_role("button", name="Log out").click()
        page.wait_for_selector("input[type=password]")


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a store that is empty at first."""
    return tmp_path_factory.mktemp("own") / "own" / "own.db"


@pytest.fixture(scope="module")
def address(database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page over it."""
    with serving("--database", database, folder=tmp_path_factory.mktemp("served")) as address:
        yield address


def test_gradio_serves_and_takes_no_file(address: str, database: Path) -> None:
    assert database.exists()
    for path in (database, ROOT / "app_ui.py", "/etc/passwd"):
        answer = httpx.get(f"{address}/gradio_api/file={path}", timeout=120)
        assert answer.status_code in (403, 404), path
    answer = httpx.post(f"{address}/gradio_api/upload", files={"files": ("a.txt", b"two bytes")}, timeout=120)
    assert answer.status_code >= 400
    assert httpx.get(address, headers={"host": "evil.example"}, timeout=120).status_code == 421
    assert httpx.get(address, timeout=120).status_code == 200


@pytest.mark.parametrize(
    ("words_", "reason"),
    [
        (("--host", "0.0.0.0"), "set SIGHTLINE_PASSWORD"),
        pytest.param(("--database", "file.txt/sightline.db"), "file.txt", marks=pytest.mark.long),
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


def test_ctrl_c_ends_it_while_a_browser_looks_on(chromium: Browser, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{(port := free_port())}"
    process = subprocess.Popen(
        [*command(("--database", "new.db", "--port", port))],
        cwd=tmp_path,
        env=surroundings(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert address in process.stdout.readline()
        leaving = "ERR_|network error|Cancelled|Failed to fetch|Connection errored out"  # when the server went
        with browsing(chromium, address, expected=leaving) as page:
            page.wait_for_selector("text=Nothing here yet")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=allowed(20))
            assert process.returncode == 0
            assert "Traceback" not in errors
    finally:
        process.kill()
        process.communicate()


def test_a_run_is_started_watched_and_stopped(chromium: Browser, address: str, recorded: Stored) -> None:
    refused = "status of (422|404)"  # 404 where the preview was just removed
    with browsing(chromium, address, expected=refused) as page:
        page.wait_for_selector("text=Nothing here yet")
        open_tab(page, "Process")
        page.get_by_role("button", name="Start").click()
        page.wait_for_selector("text=Choose a video first")
        page.locator(".sl-drop input:visible, .sl-form input[type=file]").first.set_input_files(recorded.clip)
        page.wait_for_selector(".sl-drop b:has-text('.mp4')")
        page.get_by_text("More settings").click()
        page.locator("[name=settings]").fill("tracker.lost_seconds=3")
        page.locator("[name=frames]").fill("100")
        page.get_by_role("button", name="Start").click()
        page.wait_for_selector(".sl-live-run")
        page.wait_for_selector(".sl-live-run .sl-state.finished", timeout=milliseconds(40))
        assert "100 of 100 frames" in page.locator(".sl-live-run .sl-sub").inner_text()
        page.locator(".sl-live-run [data-run]").click()
        page.wait_for_selector(".sl-card img")
        open_tab(page, "Process")
        page.locator("[name=address]").fill("nothing.mp4")
        page.get_by_role("button", name="Start").click()
        page.wait_for_selector(".sl-said.sl-trouble")


def test_the_configs_are_offered_with_a_sentence() -> None:
    offered = configs()
    assert offered[0].name == "default"
    assert {"default", "people"} <= {one.name for one in offered}
    assert all(one.about.endswith(".") for one in offered), offered


def test_importing_the_page_starts_nothing() -> None:
    code = "import app_ui, pipeline.page.site, threading; print(threading.active_count())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"
