"""CocoFile: tracks as COCO JSON with a `track_id` in every annotation."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from pipeline.exports.coco_rle import compressed, counts_of
from pipeline.exports.content import Content
from pipeline.sinks.text_file import TextFile
from pipeline.store.tracked_boxes import TrackedBoxes, name_of
from trackers.geometry import to_xywh
from trackers.structures import Evidence


class CocoFile:
    """Every processed frame is an image, with boxes or without; image, category and annotation ids count from 1.

    An image's `file_name` is what `ffmpeg -i VIDEO NAME/%06d.jpg` makes of it; `frame_index` counts from 0. Boxes with
    a mask have it as `segmentation`, as compressed run lengths. Written as it comes, so that a long run needs no
    memory: `annotations` stand before `categories` and `images`.
    """

    def __init__(self, path: Path, content: Content) -> None:
        self._file = TextFile(path)
        self._content = content
        self._annotations = 0
        self._last_frame = -1
        self._highest_label = -1

    def __enter__(self) -> Self:
        self._file.__enter__()
        content = self._content
        info = {"description": f"{content.source.name}, {content.view} tracks", "run": str(content.run)}
        video = {"id": 1, "name": content.source.name}
        self._file.write(f'{{"info": {json.dumps(info)},\n"videos": [{json.dumps(video)}],\n"annotations": [')
        return self

    def write(self, boxes: TrackedBoxes) -> None:
        """Add boxes."""
        if not len(boxes):
            return
        corners = np.round(to_xywh(boxes.boxes.astype(np.float64)), 3)
        for i, box in enumerate(corners.tolist()):
            self._annotations += 1
            separator = ",\n" if self._annotations > 1 else "\n"
            self._file.write(separator + json.dumps(self._annotation(boxes, i, box)))
        self._last_frame = int(boxes.frames[-1])
        self._highest_label = max(self._highest_label, int(boxes.labels.max()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._finish()
            except BaseException as problem:
                self._file.__exit__(type(problem), problem, problem.__traceback__)
                raise
        self._file.__exit__(kind, error, trace)

    def _annotation(self, boxes: TrackedBoxes, i: int, box: list[float]) -> dict[str, Any]:
        annotation: dict[str, Any] = {
            "id": self._annotations,
            "image_id": int(boxes.frames[i]) + 1,
            "category_id": int(boxes.labels[i]) + 1,
            "track_id": int(boxes.ids[i]),
            "bbox": box,
            "area": round(box[2] * box[3], 3),
            "iscrowd": 0,
            "score": round(float(boxes.scores[i]), 6),
            "evidence": Evidence(boxes.evidence[i]).name.lower(),
        }
        if (mask := boxes.masks[i]) is not None:
            width, height = self._content.size
            runs, area = counts_of(mask, width=width, height=height)
            annotation |= {"area": area, "segmentation": {"size": [height, width], "counts": compressed(runs)}}
        return annotation

    def _finish(self) -> None:
        """Categories, also of labels that no name was stored for, and images."""
        content, source = self._content, self._content.source
        labels = range(max(len(content.names), self._highest_label + 1))
        categories = [{"id": label + 1, "name": name_of(content.names, label)} for label in labels]
        self._file.write(f'\n],\n"categories": {json.dumps(categories)},\n"images": [')
        folder = Path(source.name).stem
        for frame in range(max(source.next_frame, self._last_frame + 1)):
            image = {"id": frame + 1, "video_id": 1, "file_name": f"{folder}/{frame + 1:06d}.jpg", "frame_index": frame}
            sized = image | {"width": source.width, "height": source.height}
            self._file.write((",\n" if frame else "\n") + json.dumps(sized))
        self._file.write("\n]}\n")
