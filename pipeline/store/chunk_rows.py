"""Everything else of a chunk as rows: detections, observations, embeddings, crops, gaps, events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from pipeline.errors import StoreError
from pipeline.events import Events
from pipeline.store.batches import batches
from pipeline.store.chunk import ChunkData, CropColumns, EmbeddingColumns, GapColumns, ObservationColumns, SessionStart
from pipeline.store.crops import write_crop
from pipeline.store.deliveries import AlertTarget, write_deliveries
from pipeline.store.inserting import insert_unless_there
from pipeline.store.packing import DETECTIONS_FORMAT, pack_detections
from pipeline.store.public_id import PublicIds
from pipeline.store.states import EmbeddingKind, MediaKind
from pipeline.store.tables import DetectionChunk, Embedding, Event, Gap, Media, Model, Observation, Session
from pipeline.store.track_rows import Place, Row, widen_quality

_CROP = ("path", "sha256", "bytes", "from_at", "to_at", "width", "height", "quality")
_REPLACE = (
    update(Media)
    .where(Media.id == bindparam("key", type_=Media.id.type))
    .values({name: bindparam(f"new_{name}") for name in _CROP})
)


def write_detections(connection: Connection, place: Place, chunk: ChunkData) -> None:
    """Keep the raw detections, unless another run over the same file already did."""
    if not chunk.detect_hash:
        return
    if chunk.detections_from is not None:
        mine = (DetectionChunk.run_source_id == place.run_source_id, DetectionChunk.detect_hash == chunk.detect_hash)
        late = DetectionChunk.first_frame >= chunk.detections_from
        connection.execute(delete(DetectionChunk).where(*mine, late))
    row = {
        "source_id": place.source_id if place.content_repeats else None,
        "run_source_id": None if place.content_repeats else place.run_source_id,
        "detect_hash": chunk.detect_hash,
        "first_frame": chunk.first_frame if chunk.detections_from is None else chunk.detections_from,
        "end_frame": chunk.end_frame,
        "format": DETECTIONS_FORMAT,
        "payload": pack_detections(chunk.detections),
    }
    insert_unless_there(connection, DetectionChunk, [row])


def write_observations(
    connection: Connection, place: Place, observations: ObservationColumns, ids: Mapping[int, int]
) -> None:
    """`ids`: local id -> track row."""
    if not len(observations):
        return
    names = (
        "run_source_id",
        "track_id",
        "at",
        "frame",
        "x1",
        "y1",
        "x2",
        "y2",
        "score",
        "evidence",
        "det_row",
        "mask_rle",
    )
    columns = (
        [place.run_source_id] * len(observations),
        [ids[local_id] for local_id in observations.local_ids.tolist()],
        observations.at.tolist(),
        observations.frames.tolist(),
        *observations.boxes.T.tolist(),
        observations.scores.tolist(),
        observations.evidence.tolist(),
        observations.det_rows.tolist(),
        observations.mask_rle or [None] * len(observations),
    )
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    connection.execute(insert(Observation), rows)


def write_embeddings(connection: Connection, embeddings: EmbeddingColumns, ids: Mapping[int, int]) -> None:
    """Add exemplars, replace means. Raises StoreError if the vectors do not have the model's length."""
    model_id = embeddings.model_id
    dimension = connection.scalar(select(Model.dim).where(Model.id == model_id))
    if dimension != embeddings.vectors.shape[1]:
        raise StoreError(
            f"feature vectors of length {embeddings.vectors.shape[1]} do not fit model {model_id}, "
            f"which gives {dimension}; register the model that made them"
        )
    rows = [
        {"track_id": ids[local_id], "model_id": model_id, "at": at, "kind": kind}
        | {"quality": quality, "vector": vector}
        for local_id, at, kind, quality, vector in zip(
            embeddings.local_ids.tolist(),
            embeddings.at.tolist(),
            embeddings.kinds,
            embeddings.qualities.tolist(),
            embeddings.vectors,
            strict=True,
        )
    ]
    replaced = [row["track_id"] for row in rows if row["kind"] == EmbeddingKind.MEAN]
    old = (Embedding.model_id == model_id, Embedding.kind == EmbeddingKind.MEAN)
    for batch in batches(replaced):
        connection.execute(delete(Embedding).where(Embedding.track_id.in_(batch), *old))
    if rows:
        connection.execute(insert(Embedding), rows)


def remove_exemplars(
    connection: Connection, embeddings: EmbeddingColumns, ids: Mapping[int, int], from_at: int
) -> None:
    """Take back exemplars of the tracks in `embeddings` from a time on (microseconds UTC): better ones follow."""
    late = (Embedding.kind == EmbeddingKind.EXEMPLAR, Embedding.at >= from_at)
    mine = (Embedding.model_id == embeddings.model_id, *late)
    for batch in batches([ids[local_id] for local_id in np.unique(embeddings.local_ids).tolist()]):
        connection.execute(delete(Embedding).where(Embedding.track_id.in_(batch), *mine))


def write_crops(
    connection: Connection, place: Place, crops: CropColumns, ids: Mapping[int, int], public_ids: PublicIds
) -> list[str]:
    """Keep each track's best crop. Returns the paths that no row names any more once the transaction has committed.

    Raises OutputError if a file cannot be written.
    """
    best = _best_by_track(crops)
    held = _best_media(connection, [ids[local_id] for local_id in best])
    born: list[Row] = []
    better: list[Row] = []
    kept: list[Row] = []
    obsolete: list[str] = []
    for local_id, i in best.items():
        old = held.get(ids[local_id])
        if old is not None and (old.protected or (old.quality or 0.0) >= crops.qualities[i]):
            continue
        row = _crop_row(place, crops, i)
        kept.append({"key": ids[local_id], "quality": row["quality"]})
        if old is None:
            named = {"public_id": public_ids.new(), "run_source_id": place.run_source_id, "track_id": ids[local_id]}
            born.append(row | named | {"kind": MediaKind.BEST})
        else:
            better.append({f"new_{name}": value for name, value in row.items()} | {"key": old.id})
            if old.path != row["path"]:
                obsolete.append(old.path)
    if born:
        connection.execute(insert(Media), born)
    if better:
        connection.execute(_REPLACE, better)
    widen_quality(connection, kept)
    return obsolete


def write_sessions(connection: Connection, place: Place, sessions: Sequence[SessionStart]) -> None:
    """Connections that began, unless they are stored."""
    rows = [{"run_source_id": place.run_source_id} | asdict(session) for session in sessions]
    insert_unless_there(connection, Session, rows)


def write_gaps(connection: Connection, place: Place, gaps: GapColumns) -> None:
    """Times without frames."""
    rows = [
        {"run_source_id": place.run_source_id, "from_at": from_at, "to_at": to_at, "reason": reason}
        for from_at, to_at, reason in zip(gaps.from_at.tolist(), gaps.to_at.tolist(), gaps.reasons, strict=True)
    ]
    if rows:
        connection.execute(insert(Gap), rows)


def write_events(
    connection: Connection,
    place: Place,
    events: Events,
    ids: Mapping[int, int],
    public_ids: PublicIds,
    *,
    alerts: Sequence[AlertTarget] = (),
) -> None:
    """What happened at zones and lines. `alerts`: who is to be told."""
    rows = [
        {
            "public_id": public_ids.new(),
            "run_source_id": place.run_source_id,
            "track_id": ids.get(int(events.ids[i])),
            "at": int(events.at[i]),
            "rule": events.rules[i],
            "kind": events.kinds[i],
            "value": None if np.isnan(events.values[i]) else float(events.values[i]),
            "direction": events.directions[i] or None,
            "class_name": None if events.labels[i] < 0 else place.class_name(int(events.labels[i])),
            "x": None if np.isnan(events.points[i, 0]) else float(events.points[i, 0]),
            "y": None if np.isnan(events.points[i, 1]) else float(events.points[i, 1]),
        }
        for i in range(len(events))
    ]
    if not rows:
        return
    if not alerts:
        connection.execute(insert(Event), rows)
        return
    keys = connection.scalars(insert(Event).returning(Event.id, sort_by_parameter_order=True), rows).all()
    write_deliveries(connection, alerts, place.source_name, list(zip(keys, events.rules, events.kinds, strict=True)))


def _best_by_track(crops: CropColumns) -> dict[int, int]:
    """Local id -> row of its best crop; the first one among equals."""
    order = np.argsort(-crops.qualities, kind="stable")
    ids, first = np.unique(crops.local_ids[order], return_index=True)
    return dict(zip(ids.tolist(), order[first].tolist(), strict=True))


def _best_media(connection: Connection, track_ids: Sequence[int]) -> dict[int, Any]:
    """Track row -> the row of the crop it has."""
    columns = (Media.track_id, Media.id, Media.path, Media.quality, Media.protected)
    best = select(*columns).where(Media.kind == MediaKind.BEST)
    found = (row for batch in batches(track_ids) for row in connection.execute(best.where(Media.track_id.in_(batch))))
    return {row.track_id: row for row in found}


def _crop_row(place: Place, crops: CropColumns, i: int) -> Row:
    at = int(crops.at[i])
    file = write_crop(
        place.media_folder,
        crops.jpegs[i],
        run=place.run,
        run_source_id=place.run_source_id,
        local_id=int(crops.local_ids[i]),
        at=at,
    )
    size = (int(crops.widths[i]), int(crops.heights[i]))
    return dict(zip(_CROP, (file.path, file.sha256, file.size, at, at, *size, float(crops.qualities[i])), strict=True))
