"""Ranges and tags, as RFC 9110 has them."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from pipeline.api.ranges import Span, Unsatisfiable, is_known, wanted_span

ETAG = '"abc"'


def span(value: str, *, size: int = 1000, method: str = "GET", **more: str) -> Span | None:
    headers = Headers({"range": value} | {name.replace("_", "-"): text for name, text in more.items()})
    return wanted_span(headers, method=method, size=size, etag=ETAG)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-499", (0, 500)),
        ("bytes=500-", (500, 1000)),
        ("bytes=999-", (999, 1000)),
        ("bytes=900-2000", (900, 1000)),
        ("bytes=-1", (999, 1000)),
        ("bytes=-1000", (0, 1000)),
        ("bytes=-5000", (0, 1000)),
        ("BYTES=1-2", (1, 3)),  # units are named without regard to case
        ("bytes= 1-2 ", (1, 3)),
        ("bytes=0-" + "9" * 5000, (0, 1000)),
        ("bytes=-" + "9" * 5000, (0, 1000)),
    ],
)
def test_one_range(value: str, expected: tuple[int, int]) -> None:
    found = span(value)
    assert found == Span(*expected)
    assert found.length == expected[1] - expected[0]


@pytest.mark.parametrize(
    "value",
    [
        *("", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=--1", "bytes=5-2", "bytes=1-2-3"),
        *("items=0-5", "bytes=+1-2", "bytes=1_0-20", "bytes=\u0661-\u0662", "bytes=0x1-5", "bytes:0-5"),
        *("bytes=0-1,5-6", "bytes=0-0,-1", "bytes=0-" + ",0-" * 5000),
    ],
)
def test_what_is_no_single_range_is_ignored(value: str) -> None:
    if value.isascii():
        assert span(value) is None
    else:
        headers = Headers(raw=[(b"range", value.encode("utf-8"))])
        assert wanted_span(headers, method="GET", size=1000, etag=ETAG) is None


@pytest.mark.parametrize(("value", "size"), [("bytes=1000-", 1000), ("bytes=1000-1001", 1000), ("bytes=-0", 1000)])
def test_behind_the_end(value: str, size: int) -> None:
    with pytest.raises(Unsatisfiable):
        span(value, size=size)


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=" + "9" * 30 + "-"])
def test_no_byte_of_an_empty_file_can_be_had(value: str) -> None:
    with pytest.raises(Unsatisfiable):
        span(value, size=0)


def test_only_get_has_ranges() -> None:
    assert span("bytes=0-1", method="HEAD") is None


@pytest.mark.parametrize(
    ("condition", "partial"),
    [(ETAG, True), ('"other"', False), ('W/"abc"', False), ("Sat, 21 Nov 2026 10:00:00 GMT", False)],
)
def test_if_range_needs_the_very_same_version(condition: str, partial: bool) -> None:
    assert (span("bytes=0-1", if_range=condition) is not None) is partial


def test_no_range_is_all() -> None:
    assert wanted_span(Headers({}), method="GET", size=10, etag=ETAG) is None


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", "abc"', True),
        ('"x,y","abc"', True),
        ("*", True),
        ('"x"', False),
        ("abc", False),
        ("", False),
    ],
)
def test_if_none_match(header: str, known: bool) -> None:
    assert is_known(Headers({"if-none-match": header}), ETAG) is known
    assert not is_known(Headers({}), ETAG)
