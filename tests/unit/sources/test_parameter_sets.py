"""What is read from the heads of key packets: units by start codes and by lengths, of H.264 and HEVC."""

from __future__ import annotations

import pytest

from pipeline.sources.parameter_sets import has_units, is_annexb, key_head, units_of

LONG, SHORT = b"\x00\x00\x00\x01", b"\x00\x00\x01"
SPS, PPS, SEI = b"\x67\x64\x00\x1f", b"\x68\xee\x3c", b"\x06\x05\x01"
IDR, SLICE = b"\x65\x88\x84" * 3, b"\x41\x9a\x24"
VPS5, SPS5, PPS5 = b"\x40\x01\x0c", b"\x42\x01\x01", b"\x44\x01\xc1"
AVCC = b"\x01\x64\x00\x1f\xff\xe1"  # lengths of 4 bytes
HVCC = bytes(21) + b"\xfd"  # of 2


def test_h264_by_start_codes() -> None:
    head = key_head("h264", memoryview(LONG + SPS + SHORT + PPS + b"\x00" + LONG + SEI + SHORT + IDR), b"")
    assert head.clean
    assert units_of(head.parameters) == {SPS, PPS}
    assert units_of(head.parameters) == units_of(SHORT + PPS + LONG + SPS)


def test_h264_without_parameters_where_decoding_cannot_begin() -> None:
    head = key_head("h264", memoryview(LONG + SEI + LONG + SLICE + LONG + SPS), b"")
    assert (head.parameters, head.clean) == (b"", False)


def test_h264_by_lengths() -> None:
    packet = b"".join(len(unit).to_bytes(4, "big") + unit for unit in (SPS, PPS, IDR))
    head = key_head("h264", memoryview(packet), AVCC)
    assert head.clean
    assert units_of(head.parameters) == {SPS, PPS}


@pytest.mark.parametrize(("kind", "clean"), [(19, True), (20, True), (16, True), (21, False), (1, False)])
def test_hevc(kind: int, clean: bool) -> None:
    """IDR and BLA pictures begin anew; after CRA some may need what came before."""
    slice_ = bytes([kind << 1, 1, 0x80])
    packet = b"".join(LONG + unit for unit in (VPS5, SPS5, PPS5, slice_))
    head = key_head("hevc", memoryview(packet), b"")
    assert (units_of(head.parameters), head.clean) == ({VPS5, SPS5, PPS5}, clean)
    by_length = b"".join(len(unit).to_bytes(2, "big") + unit for unit in (VPS5, slice_))
    assert units_of(key_head("hevc", memoryview(by_length), HVCC).parameters) == {VPS5}


def test_other_codecs_begin_anywhere() -> None:
    head = key_head("mjpeg", memoryview(b"\xff\xd8"), b"")
    assert (head.parameters, head.clean) == (b"", True)


@pytest.mark.parametrize("packet", [b"", b"\x00", LONG, SHORT + LONG, b"noise" * 9, b"\x00\x00\x00\xff\x65"])
def test_nothing_and_noise(packet: bytes) -> None:
    for extradata in (b"", AVCC):
        assert key_head("h264", memoryview(packet), extradata).parameters == b""
    assert units_of(packet) == frozenset() or has_units(memoryview(packet))


def test_a_large_unit_before_the_slice_is_passed_over() -> None:
    packet = LONG + b"\x06" + b"\x55" * 20_000 + LONG + SPS + LONG + IDR
    head = key_head("h264", memoryview(packet), b"")
    assert head.clean
    assert units_of(head.parameters) == {SPS}


def test_how_units_are_divided() -> None:
    assert is_annexb(b"")
    assert is_annexb(LONG + SPS)
    assert not is_annexb(AVCC)
    assert not has_units(memoryview(b"\xff" * 5000))
    assert has_units(memoryview(b"\xff" * 5000 + SHORT))
