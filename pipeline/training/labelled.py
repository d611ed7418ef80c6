"""Labelled pictures: as a file claims them, and after they were looked at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trackers.structures import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class ClaimedBox:
    """One row of a label file, not yet checked."""

    label: int  # index into our names
    corners: tuple[float, float, float, float]  # x1 y1 x2 y2, shares of the picture
    place: str  # file and line, or file and number
    score: float = 1.0  # how sure who labelled it is, above 0 up to 1
    shape: Any = None  # COCO's `segmentation` of it, polygons or run lengths, where there is one


@dataclass(frozen=True, slots=True)
class ClaimedPicture:
    """What files say of one picture."""

    path: Path
    boxes: tuple[ClaimedBox, ...]
    size: tuple[int, int] | None = None  # height, width in pixels, where a file says it
    place: str = ""  # where the picture is named, if a file names it
    times: int = 1  # it is shown in an epoch


@dataclass(frozen=True, slots=True, eq=False)
class LabelledPicture:
    """A picture that opens, with sound labels. Row i of `labels` and `boxes` is the same object."""

    path: Path
    height: int  # pixels, as cv2 decodes it
    width: int
    sha256: str  # of the file
    labels: IntArray  # (n,) index into the names
    boxes: FloatArray  # (n, 4) float32 centre x, centre y, width, height; shares of the picture, inside it
    scores: FloatArray | None = None  # (n,) float32 how sure who labelled it is, 0..1; None: all 1
    shapes: tuple[Any, ...] = ()  # n of COCO's `segmentation`, None where there is none; empty: there are none


@dataclass(frozen=True, slots=True)
class DetectionData:
    """All a detector is trained and judged on."""

    names: tuple[str, ...]  # classes in label order
    train: tuple[LabelledPicture, ...]  # each as often as an epoch shows it
    val: tuple[LabelledPicture, ...]
    digest: str  # SHA-256 over names, pictures and labels; the same wherever the files lie
