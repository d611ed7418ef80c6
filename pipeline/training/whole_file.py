"""A file that is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import OutputError
from pipeline.sinks.part_file import PartFile


def write_whole(path: Path, content: bytes) -> None:
    """Write beside the place, then rename; the folder is made where it is missing. Raises OutputError."""
    make_folder(path.parent)
    with PartFile(path) as file:
        try:
            file.part.write_bytes(content)
        except OSError as error:
            raise file.failure(error) from error


def make_folder(path: Path) -> None:
    """Raises OutputError where it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path} cannot be made: {error.strerror}; check the folder above it") from error
