"""Writes an invented plan into the real tables of a store, in bulk: what a run leaves, without raw detections."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sqlalchemy import Connection, insert, select

from pipeline.config import Settings
from pipeline.store import tables
from pipeline.store.database import Database
from pipeline.store.mask_rle import encode
from pipeline.store.packing import pack_state
from pipeline.store.public_id import PublicIds
from pipeline.store.states import EmbeddingKind, MediaKind, RequestedState, RunStatus, SourceStatus
from pipeline.synthetic.scene import Scene
from tests.benchmarks.large_plan import CLASSES, HEIGHT, WIDTH, ObservationPlan, SourcePlan, TrackPlan, observe
from trackers.structures import Evidence, FloatArray

DIMENSION = 256  # of a feature vector
_SMALL = (64, 128)  # width, height of every crop, pixels
_MASKED = 50  # of so many sources of runs, one has masks
_UNLIKE = 0.05  # spread of a vector's numbers around its identity's, which are about 0.06

Row = dict[str, Any]


class LargeRows:
    """Rows of one plan. The ids of rows are the plan's indices + 1, as nothing else is in the store."""

    def __init__(self, sources: SourcePlan, tracks: TrackPlan, *, seed: int) -> None:
        self._sources, self._tracks = sources, tracks
        self._rng = np.random.default_rng([seed, 1])
        bits = random.Random(seed)
        clock = int(sources.first_at.min()) * 1000
        self._ids = PublicIds(clock=lambda: clock, random_bits=bits.getrandbits)
        self._looks = self._rng.normal(0, DIMENSION**-0.5, (int(tracks.identities.max()) + 1, DIMENSION))

    def write_runs(self, database: Database) -> None:
        """Models, sources, runs, and how far each run is with each of its sources."""
        with database.write("invent runs") as connection:
            project = connection.scalar(select(tables.Project.id))
            assert project is not None
            connection.execute(insert(tables.Model), list(_models()))
            connection.execute(insert(tables.Source), [self._source(i, project) for i in self._each_source()])
            runs = [self._run(i, project) for i in range(int(self._sources.runs.max()) + 1)]
            connection.execute(insert(tables.Run), runs)
            used = [_used(i + 1, model_id, task) for i in range(len(runs)) for model_id, task in _TASKS]
            connection.execute(insert(tables.RunModel), used)
            for table, row in ((tables.RunSource, self._run_source), (tables.Session, self._session)):
                connection.execute(insert(table), [row(i) for i in range(len(self._sources))])
            for table, row in ((tables.Checkpoint, self._checkpoint), (tables.Gap, self._gap)):
                connection.execute(insert(table), [row(i) for i in range(len(self._sources))])

    def write_tracks(self, database: Database, crops: Sequence[bytes], media_folder: Path) -> Iterator[int]:
        """Tracks and all that hangs on them; gives how many tracks are written, from time to time.

        `crops`: JPEG files, one of which each track gets as a link of its own.
        """
        originals = _write_originals(crops, media_folder)
        for chosen in self._tracks.chunks():
            seen = observe(self._tracks, self._sources, chosen, self._rng)
            with database.write("invent tracks") as connection:
                self._write_chunk(connection, chosen, seen)
                connection.execute(insert(tables.Media), self._crops(chosen, seen, originals, media_folder))
            yield chosen.stop

    def _write_chunk(self, connection: Connection, chosen: slice, seen: ObservationPlan) -> None:
        firsts = np.flatnonzero(seen.order == 0)
        bits = np.bitwise_or.reduceat(1 << seen.evidence, firsts)
        lasts = np.append(firsts[1:], len(seen.order)) - 1
        sums = zip(bits.tolist(), seen.at[firsts].tolist(), seen.at[lasts].tolist(), strict=True)
        rows = [self._track(chosen.start + i, *values) for i, values in enumerate(sums)]
        project = 1
        connection.execute(insert(tables.Track), rows)
        connection.execute(insert(tables.Object), [self._object(row, project) for row in rows])
        members = [{"object_id": row["id"], "track_id": row["id"], "from_at": 0, "to_at": None} for row in rows]
        connection.execute(insert(tables.ObjectMember), members)
        connection.execute(insert(tables.Observation), self._observations(seen))
        embeddings = self._embeddings(chosen, seen.at[firsts], seen.at[lasts])
        if embeddings:
            connection.execute(insert(tables.Embedding), embeddings)

    def _each_source(self) -> range:
        return range(int(self._sources.sources.max()) + 1)

    def _source(self, i: int, project: int) -> Row:
        when = int(np.flatnonzero(self._sources.sources == i)[0])
        name = f"camera-{i + 1:02d}.mp4"
        frames, step = int(self._sources.frames[when]), int(self._sources.step[when])
        return {
            "public_id": self._ids.new(),
            "project_id": project,
            "kind": "video",
            "name": name,
            "uri_redacted": f"/archive/{name}",
            "fingerprint": hashlib.sha256(name.encode()).hexdigest(),
            "start_at": int(self._sources.first_at[when]),
            "width": WIDTH,
            "height": HEIGHT,
            "fps": 1e6 / step,
            "frames": frames,
            "duration": frames * step / 1e6,
        }

    def _run(self, i: int, project: int) -> Row:
        mine = self._sources.runs == i
        created = int(self._sources.end_at[mine].max())
        took = 3600 * 1_000_000
        statuses = {2: RunStatus.FAILED, 5: RunStatus.STOPPED, 9: RunStatus.RUNNING}
        status = statuses.get(i, RunStatus.FINISHED)
        return {
            "public_id": self._ids.new(),
            "project_id": project,
            "kind": "files",
            "settings": Settings().model_dump(mode="json", exclude={"store": {"database", "media"}}),
            "settings_hash": hashlib.sha256(f"settings {i % 4}".encode()).hexdigest(),
            "code_version": "0.1.0",
            "status": status,
            "error": "camera-03.mp4: the file broke off" if status is RunStatus.FAILED else None,
            "requested_state": RequestedState.RUN,
            "created_at": created,
            "finished_at": None if status is RunStatus.RUNNING else created + took,
            "heartbeat_at": created + took,
            "host": "archive",
            "pid": 1000 + i,
        }

    def _run_source(self, i: int) -> Row:
        frames = int(self._sources.frames[i])
        return {
            "id": i + 1,
            "run_id": int(self._sources.runs[i]) + 1,
            "source_id": int(self._sources.sources[i]) + 1,
            "status": SourceStatus.FINISHED,
            "frames_read": frames,
            "processed": frames,
            "finished_at": int(self._sources.end_at[i]),
        }

    def _session(self, i: int) -> Row:
        started = int(self._sources.first_at[i])
        return {"run_source_id": i + 1, "n": 0, "started_at": started, "time_offset": 0.0, "time_base": "1/90000"}

    def _checkpoint(self, i: int) -> Row:
        saved = {"state": pack_state({"next_id": np.array(1)}), "format_version": 1}
        return saved | {
            "run_source_id": i + 1,
            "next_frame": int(self._sources.frames[i]),
            "saved_at": int(self._sources.end_at[i]),
        }

    def _gap(self, i: int) -> Row:
        begin = int(self._sources.first_at[i]) + int(self._sources.frames[i]) // 2 * int(self._sources.step[i])
        return {"run_source_id": i + 1, "from_at": begin, "to_at": begin + 2_000_000, "reason": "frames were lost"}

    def _track(self, i: int, bits: int, first_at: int, last_at: int) -> Row:
        plan = self._tracks
        return {
            "id": i + 1,
            "public_id": self._ids.new(),
            "run_source_id": int(plan.rows[i]) + 1,
            "local_id": int(plan.local_ids[i]),
            "class_id": int(plan.class_ids[i]),
            "score_max": float(plan.score_max[i]),
            "first_at": first_at,
            "last_at": last_at,
            "count": int(plan.counts[i]),
            "ended": True,
            "evidence_bits": bits,
            "best_quality": float(plan.qualities[i]),
        }

    def _object(self, track: Row, project: int) -> Row:
        same = {name: value for name, value in track.items() if name not in ("local_id", "class_id", "ended")}
        own = {"public_id": self._ids.new(), "project_id": project, "class_name": CLASSES[track["class_id"]]}
        return same | own

    def _observations(self, seen: ObservationPlan) -> list[Row]:
        detected = seen.evidence == Evidence.DETECTED
        rows = self._tracks.rows[seen.tracks]
        columns = (
            (seen.tracks + 1).tolist(),
            seen.at.tolist(),
            seen.frames.tolist(),
            (rows + 1).tolist(),
            *seen.boxes.T.tolist(),
            seen.scores.tolist(),
            seen.evidence.tolist(),
            np.where(detected, seen.tracks % 20, -1).tolist(),
            [_mask(box) if row % _MASKED == 0 else None for row, box in zip(rows.tolist(), seen.boxes, strict=True)],
        )
        names = ("track_id", "at", "frame", "run_source_id", "x1", "y1", "x2", "y2")
        names = (*names, "score", "evidence", "det_row", "mask_rle")
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _embeddings(self, chosen: slice, first_at: Any, last_at: Any) -> list[Row]:
        rows = []
        for i, first, last in zip(range(chosen.start, chosen.stop), first_at.tolist(), last_at.tolist(), strict=True):
            exemplars = int(self._tracks.exemplars[i])
            if not exemplars:
                continue
            look = self._looks[self._tracks.identities[i]]
            vectors = _unit(look + self._rng.normal(0, _UNLIKE, (exemplars, DIMENSION)))
            times = np.linspace(first, last, exemplars + 1).astype(np.int64)[:-1].tolist()
            kinds = [(at, EmbeddingKind.EXEMPLAR) for at in times] + [(last, EmbeddingKind.MEAN)]
            for (at, kind), vector in zip(kinds, [*vectors, _unit(vectors.mean(0))], strict=True):
                row = {"track_id": i + 1, "model_id": 2, "at": at, "kind": kind}
                rows.append(row | {"quality": float(self._tracks.qualities[i]), "vector": vector})
        return rows

    def _crops(self, chosen: slice, seen: ObservationPlan, originals: Sequence[Row], folder: Path) -> list[Row]:
        middle = np.flatnonzero(seen.order == self._tracks.counts[seen.tracks] // 2)
        rows = []
        for i, at in zip(range(chosen.start, chosen.stop), seen.at[middle].tolist(), strict=True):
            original = originals[int(self._tracks.identities[i]) % len(originals)]
            name = hashlib.sha256(f"track {i}".encode()).hexdigest()[:32]
            path = f"crops/{name[:2]}/{name}.jpg"
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).hardlink_to(folder / original["path"])
            rows.append(
                original
                | {
                    "public_id": self._ids.new(),
                    "track_id": i + 1,
                    "run_source_id": int(self._tracks.rows[i]) + 1,
                    "kind": MediaKind.BEST,
                    "path": path,
                    "from_at": at,
                    "to_at": at,
                    "quality": float(self._tracks.qualities[i]),
                }
            )
        return rows


def draw_crops(number: int) -> list[bytes]:
    """Pictures of people on a rendered plaza, as JPEG files of a few kilobytes."""
    crops: list[bytes] = []
    for seed in range(number):
        scene = Scene(30.0, size=(960, 540), fps=1.0, walkers=12, seed=seed)
        for index in range(4, len(scene), 3):
            shown = scene.frame(index)
            clear = shown.truth.boxes[shown.truth.visibility > 0.9].astype(int)
            for x1, y1, x2, y2 in clear[(clear[:, 3] - clear[:, 1]) > 40].tolist():
                crop = cv2.resize(shown.image[max(y1, 0) : y2, max(x1, 0) : x2], _SMALL)
                crops.append(cv2.imencode(".jpg", crop)[1].tobytes())
            if len(crops) >= number:
                return crops[:number]
    raise AssertionError("a scene shows nobody")


_TASKS = ((1, "detect"), (2, "embed"))


def _models() -> Iterator[Row]:
    for name, task, dim, classes in (("detector", "detect", None, CLASSES), ("reid", "embed", DIMENSION, ())):
        sha256 = hashlib.sha256(name.encode()).hexdigest()
        yield {"name": name, "version": "1", "sha256": sha256, "task": task, "dim": dim, "classes": list(classes)}


def _used(run_id: int, model_id: int, task: str) -> Row:
    return {"run_id": run_id, "task": task, "model_id": model_id, "version": "1", "runtime": "openvino CPU bf16"}


def _write_originals(crops: Sequence[bytes], folder: Path) -> list[Row]:
    """The files that tracks link to, and what a row of `media` says of each."""
    rows = []
    (folder / "crops" / "originals").mkdir(parents=True, exist_ok=True)
    for n, jpeg in enumerate(crops):
        path = f"crops/originals/{n:04d}.jpg"
        (folder / path).write_bytes(jpeg)
        size = {"bytes": len(jpeg), "width": _SMALL[0], "height": _SMALL[1]}
        rows.append({"path": path, "sha256": hashlib.sha256(jpeg).hexdigest(), **size})
    return rows


def _mask(box: FloatArray) -> bytes:
    """The right half of a box: run lengths of a usual number would need a silhouette, and pages read no mask."""
    x1, y1, x2, y2 = box.astype(int).tolist()
    crop = np.zeros((max(y2 - y1, 1), max(x2 - x1, 1)), bool)
    crop[:, crop.shape[1] // 2 :] = True
    return encode((x1, y1), crop)


def _unit(vectors: FloatArray) -> FloatArray:
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)
