"""A reading process that cannot be started leaves nothing."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from pipeline.sources.reader_process import ReaderProcess
from pipeline.sources.reading import ReadOrder
from pipeline.sources.shared_block import SharedBlock


def open_descriptors() -> set[Path]:
    return set(Path("/proc/self/fd").iterdir())


@pytest.mark.parametrize("free", range(5))
def test_without_descriptors_it_says_so_and_keeps_none(free: int) -> None:
    before = open_descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + free, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            ReaderProcess(ReadOrder("gate", "/nowhere.mp4", "/nowhere.mp4"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert open_descriptors() == before


def test_memory_that_is_not_there_is_an_error_that_keeps_no_descriptor() -> None:
    before = open_descriptors()
    with pytest.raises(OSError, match="allocate memory"):
        SharedBlock.new(1 << 60)
    assert open_descriptors() == before
