"""TeacherNotes: what a teacher said of each crop in each view, so that it need not be asked again."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pipeline.errors import OutputError, TrainingError
from trackers.structures import FloatArray, IntArray


class TeacherNotes:
    """Features in a file, half precision; zeros stand for what was not asked yet.

    What is written is read back before it is used, so that a first and a later reading do not differ.
    """

    def __init__(self, path: Path, *, views: int, count: int, dimension: int) -> None:
        """Open the file, or make it. Raises OutputError, TrainingError for a file of another size."""
        shape = views, count, dimension
        length = int(np.prod(shape)) * 2
        try:
            if not path.exists():
                with path.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, length)  # a full disk is told now, not while it is written
            if path.stat().st_size != length:
                raise TrainingError(f"{path} was made for other crops or another teacher; delete it")
            self._features = np.memmap(path, np.float16, "r+", shape=shape)
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}; check the folder and the disk") from error

    def read(self, view: int, rows: IntArray) -> FloatArray | None:
        """(n, d) float32, or None where one of the rows is not there."""
        found = np.asarray(self._features[view, rows], np.float32)
        return found if found.any(axis=1).all() else None

    def write(self, view: int, rows: IntArray, features: FloatArray) -> FloatArray:
        """Keep (n, d), and give them as they will be read."""
        self._features[view, rows] = features
        return np.asarray(self._features[view, rows], np.float32)
