"""What all tests share: where the real material is, and what a missing part means."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_finish() -> None:
    """What libraries and test modules brought along stays: collecting garbage need not look through it each time."""
    gc.collect()
    gc.freeze()


@contextmanager
def logging_as_before() -> Iterator[None]:
    """A command sets up logging for its process, as some libraries do; here others come after it."""
    root, loggers = logging.getLogger(), [logging.getLogger(), logging.getLogger("pipeline")]
    before = [(one, one.level, one.disabled, one.propagate, list(one.filters), list(one.handlers)) for one in loggers]
    limit = root.manager.disable
    try:
        yield
    finally:
        logging.disable(limit)
        for one, level, disabled, propagate, filters, handlers in before:
            one.setLevel(level)
            one.disabled, one.propagate = disabled, propagate
            one.filters[:], one.handlers[:] = filters, handlers


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    with logging_as_before():
        yield


def unavailable(reason: str) -> None:
    """Skip with the reason; where everything is required (CI), fail instead."""
    if os.environ.get("SIGHTLINE_REQUIRE_ALL") == "1":
        pytest.fail(f"required here, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real videos, ground truth and weights (`SIGHTLINE_SHARED`, default ../shared)."""
    folder = Path(os.environ.get("SIGHTLINE_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        unavailable(f"no real material in {folder}; set SIGHTLINE_SHARED to the folder that holds data/ and weights/")
    return folder
