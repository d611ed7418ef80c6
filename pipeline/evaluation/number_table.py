"""A text file of rows of numbers, read as one array; errors name the file, the line and the column."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from pipeline.errors import FormatError, OutputError
from trackers.structures import BoolArray, FloatArray, IntArray

_LARGEST = 1e15  # whole numbers up to here are exact in float64, and areas far from its end


class Spelling(StrEnum):
    """How a file writes its rows. The value says in messages what stands between two numbers."""

    COMMAS = "commas"  # all numbers are known
    LOOSE = "commas, blanks or tabs"  # NaN: a number that is not known

    def cells(self, line: str) -> list[str]:
        """The texts of a line's numbers."""
        match self:
            case Spelling.COMMAS:
                return line.split(",")
            case Spelling.LOOSE:
                return re.split(r"\s*,\s*|\s+", line.strip())


@dataclass(frozen=True, slots=True, eq=False)
class NumberTable:
    """Numbers of a file and where each row stood, so that a later check can still name the line."""

    path: Path
    names: tuple[str, ...]  # of the columns, for messages
    values: FloatArray  # (n, columns) finite, or NaN where the spelling allows it; columns <= len(names)
    lines: IntArray  # (n,) line of each row, from 1

    def __len__(self) -> int:
        return len(self.values)

    @property
    def columns(self) -> int:
        """How many columns every row has; 0 in an empty file."""
        return int(self.values.shape[1])

    def column(self, index: int, *, missing: float) -> FloatArray:
        """One column (n,); filled with `missing` where the file has no such column."""
        return self.values[:, index] if index < self.columns else np.full(len(self), missing)

    def whole(self, index: int, *, missing: int = -1) -> IntArray:
        """One column (n,) of whole numbers. FormatError where a number is not."""
        column = self.column(index, missing=missing)
        self.require(column == np.rint(column), index, wanted="a whole number")
        return column.astype(np.int64)

    def require(self, good: BoolArray, index: int, *, wanted: str) -> None:
        """FormatError about the first row (n,) that is not good. `wanted`: what column `index` should hold there."""
        if good.all():
            return
        row = int(np.argmin(good))
        column = f"column {index + 1} ({self.names[index]})"
        value = f"{self.values[row, index]:.10g}"
        raise FormatError(f"{self.path}, line {self.lines[row]}: {column} is {value}, not {wanted}")


def read_numbers(path: Path, names: Sequence[str], *, least: int, spelling: Spelling = Spelling.COMMAS) -> NumberTable:
    """Read rows of `least` to `len(names)` numbers, in every row as many; blank lines do not count.

    An empty file gives a table without rows. FormatError where the file is missing, unreadable or otherwise formed.
    """
    rows: list[list[float]] = []
    lines: list[int] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        cells = spelling.cells(line)
        where = f"{path}, line {number}"
        if not least <= len(cells) <= len(names):
            wanted = f"{least}" if least == len(names) else f"{least} to {len(names)}"
            raise FormatError(f"{where}: {len(cells)} columns, expected {wanted} separated by {spelling}")
        if rows and len(cells) != len(rows[0]):
            raise FormatError(f"{where}: {len(cells)} columns, but line {lines[0]} has {len(rows[0])}")
        places = [f"{where}: column {i + 1} ({names[i]})" for i in range(len(cells))]
        rows.append([_number(cell, place, spelling) for cell, place in zip(cells, places, strict=True)])
        lines.append(number)
    values = np.array(rows, np.float64) if rows else np.zeros((0, 0))
    return NumberTable(path, tuple(names), values, np.array(lines, np.int64))


def read_text(path: Path) -> str:
    """Text of a UTF-8 file with lines ended by line feeds. FormatError where it is missing or no text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise FormatError(f"{path}: no such file") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not a text file in UTF-8") from error
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror}") from error


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all. OutputError where that fails."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror}; check the folder and the disk") from error


def _number(cell: str, where: str, spelling: Spelling) -> float:
    try:
        value = float(cell)
    except ValueError as error:
        raise FormatError(f"{where} is {cell.strip()!r}, not a number") from error
    if math.isnan(value) and spelling is Spelling.LOOSE:
        return value
    if not math.isfinite(value):
        raise FormatError(f"{where} is {value}, not a finite number")
    if abs(value) > _LARGEST:
        raise FormatError(f"{where} is {value:g}, larger than anything that belongs here ({_LARGEST:g})")
    return value
