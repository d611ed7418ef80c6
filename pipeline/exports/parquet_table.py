"""ParquetFile: tracks as a Parquet table, one row a box; columns and origin are explained in the file itself."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.exports.coco_rle import compressed, counts_of
from pipeline.exports.content import Content
from pipeline.sinks.part_file import PartFile
from pipeline.store.tracked_boxes import TrackedBoxes, name_of
from trackers.structures import Evidence

_WORD = pa.dictionary(pa.int32(), pa.string())
COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("frame", pa.int64(), "index of the frame in its source, from 0"),
    ("seconds", pa.float64(), "since the source's first frame"),
    ("at", pa.timestamp("us", tz="UTC"), "when the frame was taken"),
    ("id", pa.int64(), "track (raw) or object (reviewed); unique in this file"),
    ("class", _WORD, "class of the detector, or a reviewer's label"),
    ("score", pa.float32(), "0..1, of the last matched detection"),
    ("evidence", _WORD, "why the box is there: detected, flow, target, shadowed, predicted, interpolated"),
    ("x1", pa.float32(), "left edge, pixels"),
    ("y1", pa.float32(), "upper edge, pixels"),
    ("x2", pa.float32(), "right edge, pixels"),
    ("y2", pa.float32(), "lower edge, pixels"),
    ("det_row", pa.int32(), "row among the frame's raw detections, null if none was matched"),
    ("mask", pa.string(), "run lengths of the whole picture, compressed as in COCO; null if none is stored"),
)
META = b"sightline"  # key of the JSON that says where the table comes from


class ParquetFile:
    """Rows in order of frame and id, in row groups of some thousand. Raises OutputError."""

    def __init__(self, path: Path, content: Content) -> None:
        self._file = PartFile(path)
        self._content = content
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        self._file.__enter__()
        try:
            self._writer = pq.ParquetWriter(self._file.part, _schema(self._content))
        except OSError as error:
            self._file.discard()
            raise self._file.failure(error) from error
        return self

    def write(self, boxes: TrackedBoxes) -> None:
        """Add boxes as one row group."""
        assert self._writer is not None, "enter the file before writing"
        try:
            self._writer.write_table(self._table(boxes))
        except OSError as error:
            raise self._file.failure(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._writer is not None, "enter the file before leaving it"
        try:
            self._writer.close()
        except OSError as problem:
            self._file.discard()
            raise self._file.failure(problem) from problem
        self._file.__exit__(kind, error, trace)

    def _table(self, boxes: TrackedBoxes) -> pa.Table:
        names = [name_of(self._content.names, label) for label in boxes.labels.tolist()]
        evidence = [Evidence(one).name.lower() for one in boxes.evidence.tolist()]
        columns = [
            *(boxes.frames, boxes.seconds, boxes.at, boxes.ids),
            pa.array(names, pa.string()).dictionary_encode(),
            boxes.scores,
            pa.array(evidence, pa.string()).dictionary_encode(),
            *np.ascontiguousarray(boxes.boxes.T),
            pa.array(boxes.det_rows, pa.int32(), mask=boxes.det_rows < 0),
            [self._packed(mask) for mask in boxes.masks],
        ]
        arrays = [
            column if isinstance(column, pa.Array) else pa.array(column, kind)
            for column, (_, kind, _) in zip(columns, COLUMNS, strict=True)
        ]
        return pa.Table.from_arrays(arrays, schema=_schema(self._content))

    def _packed(self, mask: bytes | None) -> str | None:
        if mask is None:
            return None
        width, height = self._content.size
        return compressed(counts_of(mask, width=width, height=height)[0])


def _schema(content: Content) -> pa.Schema:
    source = content.source
    origin = {
        "run": str(content.run),
        "source": str(source.public_id),
        "name": source.name,
        "view": content.view,
        "width": source.width,
        "height": source.height,
        "frames": source.next_frame,
    }
    fields = [pa.field(name, kind, metadata={"description": text}) for name, kind, text in COLUMNS]
    return pa.schema(fields, metadata={META: json.dumps(origin).encode()})
