"""Arrays as bytes and back, without loss: the payload of a detection chunk and the state of a checkpoint.

Layout: magic (4), format (u16), CRC-32 of magic, format and body (u32), all little-endian; then the body: a JSON list
of names with its length (u32) before it, and one NumPy .npy stream a name. The same arrays always give the same bytes.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.errors import StoreError
from pipeline.store.chunk import FrameDetections
from trackers.structures import BoolArray, Detections, FloatArray, IntArray, Masks, State

DETECTIONS_FORMAT = 1
STATE_FORMAT = 1

_HEADER = struct.Struct("<4sHI")
_LENGTH = struct.Struct("<I")
_DETECTIONS = b"SLDC"
_STATE = b"SLST"
_KINDS = "biufcUS"  # dtype kinds that are plain numbers or text of fixed length


def pack_state(state: State) -> bytes:
    """A tracker's arrays as bytes. Raises StoreError for an array of Python objects."""
    return _pack(state, magic=_STATE, version=STATE_FORMAT)


def unpack_state(payload: bytes) -> State:
    """The arrays of `pack_state`. Raises StoreError if the bytes are damaged or of a newer format."""
    return _unpack(payload, magic=_STATE, version=STATE_FORMAT)


def pack_detections(chunk: FrameDetections) -> bytes:
    """The detections of a range of frames as bytes. Masks become packed bits, deflated."""
    tables = chunk.detections
    masks = [table.masks for table in tables if table.masks is not None]
    arrays: State = {
        "frames": chunk.frames,
        "times": chunk.times,
        "sessions": chunk.sessions,
        "pts": chunk.pts,
        "counts": np.array([len(table) for table in tables], np.int64),
        "boxes": _joined([table.boxes for table in tables], np.zeros((0, 4), np.float32)),
        "scores": _joined([table.scores for table in tables], np.zeros(0, np.float32)),
        "labels": _joined([table.labels for table in tables], np.zeros(0, np.int64)),
        "with_features": np.array([table.features is not None for table in tables], bool),
        "with_masks": np.array([table.masks is not None for table in tables], bool),
        "features": _joined([table.features for table in tables if table.features is not None], np.zeros((0, 0))),
        "origins": _joined([mask.origins for mask in masks], np.zeros((0, 2), np.int64)),
    }
    if chunk.looked is not None and not chunk.looked.all():
        arrays["looked"] = chunk.looked
    crops = [crop for mask in masks for crop in mask.crops]
    arrays["shapes"] = np.array([crop.shape for crop in crops], np.int64).reshape(len(crops), 2)
    arrays["bits"] = _deflated(crops)
    return _pack(arrays, magic=_DETECTIONS, version=DETECTIONS_FORMAT)


def unpack_detections(payload: bytes) -> FrameDetections:
    """The chunk of `pack_detections`. Raises StoreError if the bytes are damaged or of a newer format."""
    arrays = _unpack(payload, magic=_DETECTIONS, version=DETECTIONS_FORMAT)
    ends = np.cumsum(arrays["counts"])
    rows = [slice(end - count, end) for end, count in zip(ends, arrays["counts"], strict=True)]
    features = _dealt(arrays["features"], arrays["counts"], arrays["with_features"])
    masks = _dealt_masks(arrays)
    tables = tuple(
        Detections(arrays["boxes"][row], arrays["scores"][row], arrays["labels"][row], feature, mask)
        for row, feature, mask in zip(rows, features, masks, strict=True)
    )
    frames, times, sessions, pts = (arrays[name] for name in ("frames", "times", "sessions", "pts"))
    return FrameDetections(frames, times, sessions, pts, tables, arrays.get("looked"))


def _joined(parts: Sequence[npt.NDArray[np.generic]], none: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """All rows below each other. Raises StoreError where rows differ in length (two embedders in one chunk)."""
    widths = {part.shape[1:] for part in parts}
    if len(widths) > 1:
        raise StoreError(f"the frames of one chunk have rows of different lengths: {sorted(widths)}")
    return np.concatenate(parts) if parts else none


def _dealt(joined: FloatArray, counts: IntArray, present: BoolArray) -> list[FloatArray | None]:
    """Rows back to their frames; None for a frame that had no such column."""
    taken = np.where(present, counts, 0)
    ends = np.cumsum(taken)
    return [joined[end - count : end] if here else None for end, count, here in zip(ends, taken, present, strict=True)]


def _dealt_masks(arrays: State) -> list[Masks | None]:
    crops = _inflated(arrays["bits"], arrays["shapes"])
    taken = np.where(arrays["with_masks"], arrays["counts"], 0)
    masks: list[Masks | None] = []
    for end, count, here in zip(np.cumsum(taken), taken, arrays["with_masks"], strict=True):
        row = slice(end - count, end)
        masks.append(Masks(arrays["origins"][row], tuple(crops[row])) if here else None)
    return masks


def _deflated(crops: Sequence[BoolArray]) -> npt.NDArray[np.uint8]:
    flat = np.concatenate([crop.ravel() for crop in crops]) if crops else np.zeros(0, bool)
    return np.frombuffer(zlib.compress(np.packbits(flat).tobytes(), 1), np.uint8)


def _inflated(bits: npt.NDArray[np.uint8], shapes: IntArray) -> list[BoolArray]:
    areas = shapes.prod(axis=1)
    packed = np.frombuffer(zlib.decompress(bits.tobytes()), np.uint8)
    flat = np.unpackbits(packed, count=int(areas.sum())).astype(bool)
    ends = np.cumsum(areas)
    return [flat[end - area : end].reshape(shape) for end, area, shape in zip(ends, areas, shapes, strict=True)]


def _pack(arrays: State, *, magic: bytes, version: int) -> bytes:
    names = sorted(arrays)
    listed = json.dumps(names).encode()
    body = io.BytesIO()
    body.write(_LENGTH.pack(len(listed)))
    body.write(listed)
    for name in names:
        array = np.asarray(arrays[name])
        if array.dtype.kind not in _KINDS:
            raise StoreError(f"cannot store the array '{name}': {array.dtype} is neither number nor fixed-length text")
        np.lib.format.write_array(body, array, version=(1, 0), allow_pickle=False)
    content = body.getvalue()
    return _HEADER.pack(magic, version, _checksum(magic, version, content)) + content


def _checksum(magic: bytes, version: int, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(magic + version.to_bytes(2, "little")))


def _unpack(payload: bytes, *, magic: bytes, version: int) -> State:
    if len(payload) < _HEADER.size:
        raise StoreError(f"a stored payload is damaged: only {len(payload)} bytes are left of it")
    found, number, checksum = _HEADER.unpack_from(payload)
    if found != magic:
        raise StoreError(f"a stored payload is damaged: it begins with {found!r} instead of {magic!r}")
    if number > version:
        raise StoreError(
            f"a stored payload has format {number}, this Sightline reads up to {version}: update Sightline"
        )
    content = payload[_HEADER.size :]
    if _checksum(found, number, content) != checksum:
        raise StoreError(f"a stored payload of {len(payload)} bytes is damaged: its checksum does not fit")
    body = io.BytesIO(content)
    (length,) = _LENGTH.unpack(body.read(_LENGTH.size))
    names = json.loads(body.read(length))
    return {name: np.lib.format.read_array(body, allow_pickle=False) for name in names}
