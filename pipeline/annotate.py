"""Annotator: draws tracks on frames, with supervision's annotators. It computes nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
import supervision as sv

from trackers.structures import Evidence, FloatArray, Frame, ImageArray, IntArray, Masks, Tracks

# Far apart in hue and lightness, none near the grey of streets; neighbours in the list differ most.
COLOURS = (
    "#FFD400", "#00B3FF", "#FF3B6B", "#35E06F", "#B06BFF", "#FF8A00",
    "#00E5D0", "#FF6BE0", "#B6F000", "#5C7CFF", "#FF5C39", "#8FE3FF",
)  # fmt: skip
PATH_FRAMES = 40  # length of the path behind a track
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TINT = 0.4  # share of a track's colour in the pixels of its mask
_DARK, _LIGHT = sv.Color(18, 18, 18), sv.Color(255, 255, 255)


def to_supervision(tracks: Tracks, classes: Sequence[str]) -> sv.Detections:
    """The same rows as supervision's type, with ids and class names."""
    names = [classes[label] if label < len(classes) else str(label) for label in tracks.labels.tolist()]
    return sv.Detections(
        xyxy=tracks.boxes.astype(np.float32).reshape(-1, 4),
        confidence=tracks.scores.astype(np.float32),
        class_id=tracks.labels.astype(int),
        tracker_id=tracks.ids.astype(int),
        data={"class_name": np.array(names, dtype=str)},
    )


class Annotator:
    """Draws one stream's confirmed tracks: mask, box, label, and the path behind them; and the time in the corner.

    A colour belongs to an id. Boxes that come from a detection are drawn whole, those that are carried or predicted
    only by their corners. State over frames is the path alone.
    """

    def __init__(self, classes: Sequence[str], width: int, height: int, *, path_frames: int = PATH_FRAMES) -> None:
        """`classes`: names in label order. `width`, `height`: of the frames, pixels; lines and text scale with them.

        `path_frames`: length of the path behind a track.
        """
        self._classes = tuple(classes)
        size = min(width, height)
        thickness = max(1, round(size / 360))
        self._text_scale = min(1.2, max(0.3, size / 1500))
        self._text_thickness = 1 if self._text_scale < 0.7 else 2
        self._padding = max(1, round(size / 240))
        palette = self._palette = sv.ColorPalette.from_hex(list(COLOURS))
        lookup = sv.ColorLookup.TRACK
        self._boxes = sv.BoxAnnotator(palette, thickness, lookup)
        self._corners = sv.BoxCornerAnnotator(palette, thickness, max(4, size // 60), lookup)
        self._paths = sv.TraceAnnotator(palette, sv.Position.BOTTOM_CENTER, path_frames, thickness, False, lookup)
        self._labels = sv.LabelAnnotator(
            palette,
            lookup,
            text_color=_DARK,
            text_scale=self._text_scale,
            text_thickness=self._text_thickness,
            text_padding=self._padding,
            smart_position=True,
        )

    def follow(self, boxes: FloatArray, ids: IntArray) -> None:
        """Let the paths go through a frame that is not drawn. `boxes`: (n, 4) pixels. `ids`: (n,) of tracks."""
        self._paths.trace.put(sv.Detections(xyxy=boxes.astype(np.float32).reshape(-1, 4), tracker_id=ids.astype(int)))

    def draw(self, frame: Frame, tracks: Tracks, masks: Masks | None = None) -> ImageArray:
        """A new picture; the frame's own stays untouched. `masks`: of the frame's detections, by `Tracks.rows`."""
        picture: ImageArray = frame.image.copy()
        tracks = tracks.confirmed
        if masks is not None:
            self._tint(picture, tracks, masks)
        seen = tracks.evidence == Evidence.DETECTED
        everything = to_supervision(tracks, self._classes)
        picture = self._paths.annotate(picture, everything)
        picture = self._boxes.annotate(picture, everything[seen])
        picture = self._corners.annotate(picture, everything[~seen])
        picture = self._labels.annotate(picture, everything, labels=self._texts(everything))
        return self._stamp(picture, frame)

    def _tint(self, picture: ImageArray, tracks: Tracks, masks: Masks) -> None:
        """Colour the pixels of each track. Supervision's annotators would take a whole picture for each mask."""
        for track, row in zip(tracks.ids.tolist(), tracks.rows.tolist(), strict=True):
            if row < 0 or masks.crops[row].size == 0:
                continue
            (x, y), crop = masks.origins[row].tolist(), masks.crops[row]
            inside = crop[max(0, -y) : max(0, picture.shape[0] - y), max(0, -x) : max(0, picture.shape[1] - x)]
            part = picture[max(0, y) :, max(0, x) :][: inside.shape[0], : inside.shape[1]]
            colour = np.array(self._palette.by_idx(track).as_bgr(), np.float32)
            part[inside] = part[inside] * (1 - _TINT) + colour * _TINT

    def _texts(self, detections: sv.Detections) -> list[str]:
        names = detections.data["class_name"]
        return [
            f"{track} {name} {score:.0%}"
            for track, name, score in zip(detections.tracker_id, names, detections.confidence, strict=True)
        ]

    def _stamp(self, picture: ImageArray, frame: Frame) -> ImageArray:
        moment = _EPOCH + timedelta(microseconds=frame.at)
        number = f"  frame {frame.index}" if frame.index >= 0 else ""  # of a recording nobody counts them
        text = f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 100_000} UTC{number}"
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, self._text_scale, self._text_thickness)
        padding = self._padding
        sv.draw_text(
            picture,
            text,
            sv.Point(padding * 2 + width / 2, padding * 2 + height / 2),
            _LIGHT,
            self._text_scale,
            self._text_thickness,
            padding,
            background_color=_DARK,
        )
        return picture
