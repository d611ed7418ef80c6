"""Looks at claimed pictures: every file opens, every box lies in it, nothing is there twice."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from pipeline.training.detection_problems import Problems
from pipeline.training.labelled import ClaimedBox, ClaimedPicture, LabelledPicture

Told = Callable[[int], None]

_THREADS = 4
_OUTSIDE = 1.5  # pixels a box may stick out of its picture: rounding of those who wrote it; it is clipped
_JPEG, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_TAIL = 4096  # bytes; some cameras write a few after the end


def check_pictures(
    claimed: Sequence[ClaimedPicture], problems: Problems, told: Told | None = None
) -> tuple[LabelledPicture, ...]:
    """Those that are sound, in the same order. Every fault becomes a problem with its place.

    `told`: hears how many were looked at so far.
    """
    seen: dict[Path, str] = {}
    for one in claimed:
        path = one.path.resolve()
        if path in seen:
            problems.add(one.place or one.path, f"{one.path} is there twice" + (seen[path] and f", also {seen[path]}"))
        seen[path] = one.place
    with ThreadPoolExecutor(_THREADS) as pool:
        looked = []
        for picture in pool.map(_look, claimed):
            looked.append(picture)
            if told is not None:
                told(len(looked))
    found = []
    for one, picture in zip(claimed, looked, strict=True):
        if isinstance(picture, str):
            problems.add(one.place or one.path, picture)
        else:
            found.append(_with_boxes(picture, one.boxes, problems))
    return tuple(found)


def digest_of(names: Sequence[str], parts: Mapping[str, Sequence[LabelledPicture]]) -> str:
    """SHA-256 over names, bytes of the pictures, and labels, in their order."""
    digest = hashlib.sha256("\n".join(names).encode())
    for part, pictures in parts.items():
        digest.update(f"\n{part} {len(pictures)}".encode())
        for picture in pictures:
            digest.update(bytes.fromhex(picture.sha256))
            digest.update(picture.labels.tobytes() + picture.boxes.tobytes())
            if picture.scores is not None:
                digest.update(picture.scores.tobytes())
    return digest.hexdigest()


def _look(one: ClaimedPicture) -> LabelledPicture | str:
    """The picture without boxes, or what is wrong with it."""
    try:
        data = one.path.read_bytes()
    except OSError as error:
        return f"{one.path} cannot be read: {error.strerror}"
    if data[:2] == _JPEG and _JPEG_END not in data[-_JPEG_TAIL:]:
        return f"{one.path} is cut short: a JPEG without its end"
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        return f"{one.path} is not a picture that OpenCV can decode"
    height, width = image.shape[:2]
    if one.size is not None and tuple(one.size) != (height, width):
        return f"{one.path} has {width}x{height} pixels, but the labels are for {one.size[1]}x{one.size[0]}"
    empty = np.zeros((0, 4), np.float32)
    sha256 = hashlib.sha256(data).hexdigest()
    return LabelledPicture(one.path, height, width, sha256, np.zeros(0, np.int64), empty)


def _with_boxes(picture: LabelledPicture, claimed: Sequence[ClaimedBox], problems: Problems) -> LabelledPicture:
    labels, boxes, scores, shapes = [], [], [], []
    seen: dict[tuple[object, ...], str] = {}
    for one in claimed:
        fault = _fault(one, picture)
        key = (one.label, *one.corners)
        if not fault and key in seen:
            fault = f"the same box was there before, at {seen[key]}"
        if fault:
            problems.add(one.place, fault)
            continue
        seen[key] = one.place
        x1, y1, x2, y2 = (min(max(share, 0.0), 1.0) for share in one.corners)
        labels.append(one.label)
        scores.append(one.score)
        shapes.append(one.shape)
        boxes.append(((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1))
    return LabelledPicture(
        picture.path,
        picture.height,
        picture.width,
        picture.sha256,
        np.array(labels, np.int64),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores, np.float32) if min(scores, default=1.0) < 1 else None,
        tuple(shapes) if any(shape is not None for shape in shapes) else (),
    )


def _fault(one: ClaimedBox, picture: LabelledPicture) -> str:
    """What is wrong with a box, or nothing."""
    if not all(map(math.isfinite, one.corners)):
        return "a coordinate is not finite"
    x1, y1, x2, y2 = one.corners
    if x2 <= x1 or y2 <= y1:
        return f"the box has no size ({x2 - x1:.4g} x {y2 - y1:.4g} of the picture)"
    aside = max(-x1, x2 - 1.0) * picture.width
    above = max(-y1, y2 - 1.0) * picture.height
    if max(aside, above) > _OUTSIDE:
        return f"the box lies {max(aside, above):.0f} pixels outside {picture.path.name}"
    return ""
