"""What an ONNX file says of itself, read without a library: metadata, and the other files that hold its tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ModelError

# Where tensors lie: message -> number of a field -> message in that field (onnx.proto)
_CONTENTS = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # fields of a tensor
_EXTERNAL = 1  # value of its data location


@dataclass(frozen=True, slots=True)
class ExternalData:
    """A tensor's place in another file."""

    location: str  # path relative to the ONNX file's folder, as written: not to be trusted
    end: int  # bytes the file must have at least


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """What was found."""

    metadata: dict[str, str]  # what the exporter wrote
    external: tuple[ExternalData, ...]  # in the order of the file


def read_onnx(path: Path) -> OnnxFile:
    """Walk through ModelProto, which also shows a text file or a cut one. Raises ModelError."""
    data = memoryview(path.read_bytes())
    metadata: dict[str, str] = {}
    graphs = 0
    try:
        for number, value in _fields(data):
            if number == 7:  # graph
                graphs += 1
            elif number == 14:  # metadata_props
                key, text = _entry(value)
                metadata[key] = text
        if graphs == 1:
            return OnnxFile(metadata, tuple(_external(data, "model")))
    except (ValueError, IndexError, RecursionError) as error:
        raise ModelError(f"{path} is not an ONNX file, or it is cut short ({error}); fetch it again") from error
    raise ModelError(f"{path} is not an ONNX file: it holds {graphs} graphs instead of 1; fetch it again")


def _external(data: memoryview, message: str) -> Iterator[ExternalData]:
    """Every tensor below `message` whose numbers lie in another file."""
    if message == "tensor":
        entries, elsewhere = {}, False
        for number, value in _fields(data):
            if number == _DATA_LOCATION:
                elsewhere = _varint(value, 0)[0] == _EXTERNAL
            elif number == _EXTERNAL_DATA:
                key, text = _entry(value)
                entries[key] = text
        if elsewhere:
            end = int(entries.get("offset", "0")) + int(entries.get("length", "0"))
            yield ExternalData(entries.get("location", ""), end)
        return
    inside = _CONTENTS[message]
    for number, value in _fields(data):
        if number in inside:
            yield from _external(value, inside[number])


def _entry(data: memoryview) -> tuple[str, str]:
    """Key and value of a StringStringEntryProto."""
    entry = {number: bytes(text).decode() for number, text in _fields(data)}
    return entry.get(1, ""), entry.get(2, "")


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and bytes of each field of one protobuf message (protobuf.dev/programming-guides/encoding).

    Raises ValueError where a field does not lie inside the message, IndexError where a number breaks off.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        start = at
        if wire == 0:
            _, at = _varint(data, at)
        elif wire == 2:
            length, start = _varint(data, at)
            at = start + length
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire} at byte {at}")
        if number == 0 or at > len(data):
            raise ValueError(f"field {number} ends at byte {at} of {len(data)}")
        yield number, data[start:at]


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A base-128 number and the position behind it."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
        if shift > 63:
            raise ValueError(f"number of more than 64 bits at byte {at}")
