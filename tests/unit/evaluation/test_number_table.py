"""Numbers in text: what is read, and that every error names file, line and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import FormatError, OutputError
from pipeline.evaluation.number_table import Spelling, read_numbers, write_text

NAMES = ("a", "b", "c")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "numbers.txt"


def test_reads_rows_and_remembers_their_lines(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf1, 2.5\r\n\r\n-3,4e1\n")  # a byte order mark, Windows lines, a blank line
    table = read_numbers(file, NAMES, least=2)
    assert table.values.tolist() == [[1, 2.5], [-3, 40]]
    assert table.lines.tolist() == [1, 3]
    assert (len(table), table.columns) == (2, 2)
    assert table.column(2, missing=9).tolist() == [9, 9]
    assert table.whole(0).tolist() == [1, -3]
    assert table.whole(2).tolist() == [-1, -1]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_file_is_an_empty_table(file: Path, text: str) -> None:
    file.write_text(text)
    table = read_numbers(file, NAMES, least=2)
    assert (len(table), table.columns, table.whole(0).tolist()) == (0, 0, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3\n", "line 2: 1 columns, expected 2 to 3 separated by commas"),
        ("1,2,3,4\n", "line 1: 4 columns, expected 2 to 3"),
        ("1,2\n\n3,4,5\n", "line 3: 3 columns, but line 1 has 2"),
        ("1 2 3\n", "line 1: 1 columns"),
        ("1,2\n3,x\n", r"line 2: column 2 \(b\) is 'x', not a number"),
        ("1,\n", r"line 1: column 2 \(b\) is '', not a number"),
        ("1,nan\n", r"line 1: column 2 \(b\) is nan, not a finite number"),
        ("-inf,1\n", r"line 1: column 1 \(a\) is -inf, not a finite number"),
        ("1,1e300\n", r"line 1: column 2 \(b\) is 1e\+300, larger than"),
    ],
)
def test_malformed_rows_are_refused(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(FormatError, match=rf"numbers\.txt, {message}"):
        read_numbers(file, NAMES, least=2)


def test_a_fraction_is_no_whole_number(file: Path) -> None:
    file.write_text("1,2\n1.5,2\n")
    with pytest.raises(FormatError, match=r"line 2: column 1 \(a\) is 1.5, not a whole number"):
        read_numbers(file, NAMES, least=2).whole(0)


def test_require_names_the_first_bad_row(file: Path) -> None:
    file.write_text("1,2\n1,3\n1,4\n")
    table = read_numbers(file, NAMES, least=2)
    table.require(np.ones(3, dtype=bool), 1, wanted="two")
    with pytest.raises(FormatError, match=r"line 2: column 2 \(b\) is 3, not two"):
        table.require(table.values[:, 1] == 2, 1, wanted="two")


def test_files_that_cannot_be_read_are_refused(tmp_path: Path, file: Path) -> None:
    with pytest.raises(FormatError, match=r"numbers\.txt: no such file"):
        read_numbers(file, NAMES, least=2)
    with pytest.raises(FormatError, match="cannot be read"):
        read_numbers(tmp_path, NAMES, least=2)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="not a text file in UTF-8"):
        read_numbers(file, NAMES, least=2)


def test_a_file_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_text(tmp_path / "absent" / "file.txt", "")


def test_loosely_spelled_rows(file: Path) -> None:
    file.write_text("1 2\t3\n\n 4,5 , nan\r\n")
    table = read_numbers(file, NAMES, least=3, spelling=Spelling.LOOSE)
    np.testing.assert_array_equal(table.values, [[1, 2, 3], [4, 5, np.nan]])
    assert table.lines.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2\n1,,2\n", "line 2: 3 columns, but line 1 has 2"),
        ("1,,2\n", r"line 1: column 2 \(b\) is '', not a number"),
        ("1\n", "line 1: 1 columns, expected 2 to 3 separated by commas, blanks or tabs"),
        ("1 inf\n", r"line 1: column 2 \(b\) is inf, not a finite number"),
    ],
)
def test_loose_is_not_careless(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(FormatError, match=message):
        read_numbers(file, NAMES, least=2, spelling=Spelling.LOOSE)
