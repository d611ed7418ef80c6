"""What the head of a key packet of H.264 or HEVC says: its parameter sets, and whether decoding can begin there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_START = b"\x00\x00\x01"
_FULL_START = b"\x00\x00\x00\x01"


@dataclass(frozen=True, slots=True)
class KeyHead:
    """The head of a key packet."""

    parameters: bytes  # its parameter sets, each with a start code; empty where it brings none
    clean: bool  # nothing that follows needs what came before


def key_head(codec: str, packet: memoryview, extradata: bytes) -> KeyHead:
    """Read as far as the first slice. `codec`: "h264" or "hevc"; of others every key packet is clean.

    `extradata`: of the stream; says how the packet's units are divided. ITU-T H.264 table 7-1, H.265 table 7-1.
    """
    if codec not in ("h264", "hevc"):
        return KeyHead(b"", clean=True)
    sets: list[bytes] = []
    clean = True
    for unit in _units(packet, _length_size(codec, extradata)):
        kind = unit[0] & 0x1F if codec == "h264" else (unit[0] >> 1) & 0x3F
        if kind in ((7, 8) if codec == "h264" else (32, 33, 34)):
            sets.append(_FULL_START + unit)
        elif kind in (range(1, 6) if codec == "h264" else range(32)):
            clean = kind in ((5,) if codec == "h264" else (16, 17, 18, 19, 20))
            break
    return KeyHead(b"".join(sets), clean)


def has_units(packet: memoryview) -> bool:
    """Whether there is a start code in a packet; a muxer would write nothing for one without, and players give up."""
    return _START in bytes(packet[:64]) or _START in bytes(packet)


def units_of(parameters: bytes) -> frozenset[bytes]:
    """The parameter sets among units with start codes, to be compared with others."""
    return frozenset(_annexb(memoryview(parameters)))


def is_annexb(extradata: bytes) -> bool:
    """Whether the units of a stream are divided by start codes, not by lengths; so where it says nothing, too."""
    return not extradata or extradata.startswith((_START, _FULL_START))


def _length_size(codec: str, extradata: bytes) -> int:
    """Bytes of the length before each unit; 0 where start codes divide them. ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1."""
    place = 4 if codec == "h264" else 21
    return 0 if is_annexb(extradata) or len(extradata) <= place else (extradata[place] & 3) + 1


def _units(packet: memoryview, length_size: int) -> Iterator[bytes]:
    """The units of a packet that are not empty."""
    if not length_size:
        yield from _annexb(packet)
        return
    place = 0
    while place + length_size < len(packet):
        begin = place + length_size
        end = begin + int.from_bytes(packet[place:begin], "big")
        if begin < end <= len(packet):
            yield bytes(packet[begin : min(end, begin + 4096)])  # parameter sets are short, slices are not looked at
        place = end


def _annexb(packet: memoryview) -> Iterator[bytes]:
    content = bytes(packet)
    begin = content.find(_START)
    while begin >= 0:
        begin += len(_START)
        end = content.find(_START, begin, begin + 4096)  # a unit that is longer is a slice, which ends the search
        unit = content[begin:end].rstrip(b"\x00") if end >= 0 else content[begin : begin + 4096]
        if unit:
            yield unit
        if end < 0 and len(content) - begin > 4096:
            end = content.find(_START, begin)
        begin = end
