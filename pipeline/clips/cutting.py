"""Cutting: pictures of a source with an object's box into a video, a frame or a crop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from pipeline.clips.seen import Seen
from pipeline.errors import GoneError, OutputError, SourceError
from pipeline.sinks.h264_file import H264File
from pipeline.sources.excerpt import Footage
from trackers.structures import FloatArray, Frame, ImageArray

if TYPE_CHECKING:
    from pipeline.annotate import Annotator

DRAWING = 3  # version of what is drawn and how; part of the cache's keys. Raise it with every change that shows
CLIP_QUALITY = 25  # x264's crf
JPEG_QUALITY = 88
CROP_MARGIN = 0.12  # of the box's larger side, around it
CROP_SIDE = 512  # pixels of the larger side at most
_NAMED = 5  # damaged masks that are told one by one

_log = logging.getLogger(__name__)


def cut_clip(path: Path, footage: Footage, seen: Seen, *, span: tuple[int, int], width: int) -> None:
    """Write H.264 from span[0] to span[1] (microseconds UTC) with the object's box and its mask: the box whole where
    it was detected, only its corners where it was carried or predicted. Masks that are damaged are left out, and the
    log says which.

    `width`: pixels at most. Raises GoneError where no picture comes, SourceError where the object was not seen then,
    OutputError where nothing can be written.
    """
    frames = footage.between(*span)
    head = next(frames, None)
    if head is None:
        if not ((seen.at >= span[0]) & (seen.at <= span[1])).any():
            raise SourceError(f"{seen.footage.name} shows nothing at that time; give one at which the track was seen")
        raise GoneError(f"{seen.footage.name} gives no picture of this time any more")
    scale = min(1.0, width / head.width)
    annotator = _annotator(seen, scaled(head.image, scale))
    with H264File(path, fps=_rate(seen), quality=CLIP_QUALITY, preset="ultrafast") as video:  # somebody waits for it
        frame: Frame | None = head
        damaged: set[int] = set()
        while frame is not None:
            small = Frame(scaled(frame.image, scale), frame.index, frame.time, frame.at)
            tracks, masks, without = seen.at_frame(frame.at, scale=scale)
            video.write(annotator.draw(small, tracks, masks), frame.time - head.time)
            damaged.update(without)
            frame = next(frames, None)
    if damaged:
        _tell_damaged(seen, damaged)


def cut_frame(path: Path, footage: Footage, seen: Seen, *, row: int, width: int) -> None:
    """Write the whole frame of an observation as JPEG, with nothing drawn. `width`: pixels at most."""
    image = _frame_at(footage, seen, row).image
    _write_jpeg(path, scaled(image, min(1.0, width / image.shape[1])))


def cut_crop(path: Path, footage: Footage, seen: Seen, *, row: int) -> None:
    """Write what an observation's box shows, and a little around it, as JPEG."""
    image = around(_frame_at(footage, seen, row).image, seen.boxes[row])
    _write_jpeg(path, scaled(image, min(1.0, CROP_SIDE / max(image.shape[:2]))))


def cut_explanation(
    path: Path, footage: Footage, seen: Seen, *, row: int, explain: Callable[[Frame, FloatArray], bytes]
) -> None:
    """Write what `explain` says of the whole frame of an observation and its box, a PNG."""
    path.write_bytes(explain(_frame_at(footage, seen, row), seen.boxes[row]))


def around(image: ImageArray, box: FloatArray) -> ImageArray:
    """The part of a picture within a box (x1 y1 x2 y2, pixels) and its margin; at least one pixel of the picture."""
    height, width = image.shape[:2]
    margin = CROP_MARGIN * float(max(box[2] - box[0], box[3] - box[1]))
    left, top = (np.floor(box[:2] - margin)).clip(0, (width - 1, height - 1)).astype(int).tolist()
    right, bottom = (np.ceil(box[2:] + margin)).clip((left + 1, top + 1), (width, height)).astype(int).tolist()
    return image[top:bottom, left:right]


def scaled(image: ImageArray, scale: float) -> ImageArray:
    """A picture made smaller. `scale`: at most 1."""
    if scale >= 1.0:
        return image
    height, width = image.shape[:2]
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Averaging costs as much as all the rest of a clip, and down to half the size nobody sees the difference.
    method = cv2.INTER_LINEAR if scale >= 0.5 else cv2.INTER_AREA
    smaller: ImageArray = cv2.resize(image, size, interpolation=method)
    return smaller


def _frame_at(footage: Footage, seen: Seen, row: int) -> Frame:
    nearest = min(footage.between(*seen.around(row)), key=lambda frame: abs(frame.at - int(seen.at[row])), default=None)
    if nearest is None:
        raise GoneError(f"{seen.footage.name} gives no picture of this time any more")
    return nearest


def _tell_damaged(seen: Seen, rows: Collection[int]) -> None:
    """Once a clip. `rows`: observations whose mask is left out."""
    named = [f"track {seen.local_ids[row]} in frame {seen.frames[row]}" for row in sorted(rows)[:_NAMED]]
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    _log.warning(
        "%s, run %s: %d stored masks are damaged and left out of a clip: %s%s",
        seen.footage.name,
        seen.footage.run,
        len(rows),
        ", ".join(named),
        more,
    )


def _annotator(seen: Seen, image: ImageArray) -> Annotator:
    from pipeline.annotate import Annotator  # its library is half of what a page loads, and most never draw

    return Annotator((seen.name,), image.shape[1], image.shape[0])


def _rate(seen: Seen) -> float:
    """Frames a second, a hint to players."""
    return min(240.0, max(1.0, seen.footage.fps or 25.0))


def _write_jpeg(path: Path, image: ImageArray) -> None:
    done, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise OutputError(f"{path.name}: a picture of {image.shape[1]}x{image.shape[0]} cannot be written as JPEG")
    path.write_bytes(content.tobytes())
