"""Explain on the tab Track in a browser: the bundled networks are asked at the moment that the clip shows."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from pipeline.config import load_settings
from pipeline.runs import Run
from tests.integration.page.browsing import browsing, milliseconds, open_tab, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FRAMES = 12
EXPLAINED = ".sl-explained img:visible"


@pytest.fixture(scope="module")
def database(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the bundled networks over half a second of TUD-Campus."""
    database = tmp_path_factory.mktemp("explain") / "sightline.db"
    small = "detector.input_size=[256, 256]"  # it is asked of some hundred pictures
    settings = [f"store.database={database}", f"source.max_frames={FRAMES}", small]
    outcome = Run([str(shared / "data/mot15/TUD-Campus/video.mp4")], load_settings("default", settings)).execute()
    assert outcome.tracks >= 2
    return database


def test_explain_shows_why_a_track_was_found_at_the_moment_of_its_clip(
    chromium: Browser, database: Path, tmp_path: Path
) -> None:
    with serving("--database", database, folder=tmp_path) as address, browsing(chromium, address) as page:
        page.wait_for_selector(".sl-run")
        open_tab(page, "Tracks")
        page.locator(".sl-card .sl-open").first.click()
        page.wait_for_function("document.querySelector('.sl-clip video')?.readyState >= 2")
        page.evaluate("document.querySelector('.sl-clip video').currentTime = 0.2")
        page.wait_for_function("!document.querySelector('.sl-clip video').seeking")
        assert page.get_by_role("heading", name="Why it was found").count() == 0
        with page.expect_response("**/explanation.png*", timeout=milliseconds(60)) as answer:
            page.get_by_role("button", name="Explain").click()
            assert "takes some seconds" in page.locator(".sl-explained .sl-why").inner_text()
        page.wait_for_selector(EXPLAINED)
        assert page.get_by_role("heading", name="Why it was found").is_visible()
        assert not page.locator(".sl-explained .sl-why").is_visible()
        asked = int(parse_qs(urlsplit(answer.value.url).query)["at"][0])
        begin = int(page.evaluate("new URL(document.querySelector('.sl-clip video').src).searchParams.get('from')"))
        assert asked - begin == pytest.approx(200_000, abs=50_000)
        kept = page.request.get(answer.value.url, timeout=milliseconds(5))  # it was drawn once
        drawn = Image.open(BytesIO(kept.body())).convert("RGB")
        natural = page.locator(EXPLAINED).evaluate("one => [one.naturalWidth, one.naturalHeight]")
        assert tuple(natural) == drawn.size
        assert min(drawn.size) > 300
        assert len(np.unique(np.asarray(drawn).reshape(-1, 3), axis=0)) > 1000  # pictures with heat, no empty frame
