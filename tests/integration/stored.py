"""Everything a run left in a SQLite store, by natural keys: two runs with the same results compare equal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.store.packing import unpack_detections, unpack_state
from pipeline.store.vector import Vector

_TRACKS = """
    SELECT s.name, t.local_id, t.class_id, t.score_max, t.first_at, t.last_at, t.count, t.ended, t.evidence_bits,
           t.best_quality
    FROM tracks t JOIN run_sources r ON r.id = t.run_source_id JOIN sources s ON s.id = r.source_id
    ORDER BY s.name, t.local_id
"""
_OBSERVATIONS = """
    SELECT s.name, t.local_id, o.frame, o.at, o.evidence, o.det_row, o.x1, o.y1, o.x2, o.y2, o.score
    FROM observations o JOIN tracks t ON t.id = o.track_id
    JOIN run_sources r ON r.id = t.run_source_id JOIN sources s ON s.id = r.source_id
    ORDER BY s.name, t.local_id, o.frame
"""
_EMBEDDINGS = """
    SELECT s.name, t.local_id, e.kind, e.at, e.quality, e.vector
    FROM embeddings e JOIN tracks t ON t.id = e.track_id
    JOIN run_sources r ON r.id = t.run_source_id JOIN sources s ON s.id = r.source_id
    ORDER BY s.name, t.local_id, e.kind, e.at
"""
_EVENTS = """
    SELECT s.name, e.at, t.local_id, e.rule, e.kind, e.direction, e.class_name, coalesce(e.value, -1),
           coalesce(e.x, -1), coalesce(e.y, -1)
    FROM events e LEFT JOIN tracks t ON t.id = e.track_id JOIN run_sources r ON r.id = e.run_source_id
    JOIN sources s ON s.id = r.source_id ORDER BY s.name, e.at, e.rule, e.kind, t.local_id
"""
_GAPS = """
    SELECT s.name, g.from_at, g.to_at, g.reason FROM gaps g JOIN run_sources r ON r.id = g.run_source_id
    JOIN sources s ON s.id = r.source_id ORDER BY s.name, g.from_at
"""
_CROPS = """
    SELECT s.name, t.local_id, m.from_at, m.sha256 FROM media m JOIN tracks t ON t.id = m.track_id
    JOIN run_sources r ON r.id = m.run_source_id JOIN sources s ON s.id = r.source_id ORDER BY s.name, t.local_id
"""
_SOURCES = """
    SELECT s.name, r.status, r.error, r.frames_read, r.processed, r.dropped, r.repaired, r.damaged, c.next_frame
    FROM run_sources r JOIN sources s ON s.id = r.source_id LEFT JOIN checkpoints c ON c.run_source_id = r.id
    ORDER BY s.name
"""
_OBJECTS = "SELECT class_name, first_at, last_at, count, members, hidden FROM objects ORDER BY first_at, count, last_at"


@contextmanager
def reading(database: Path) -> Iterator[sqlite3.Connection]:
    """A plain connection, past all of our own code."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
        yield connection


def next_frame(database: Path) -> int:
    """Of the newest checkpoint; 0 before the first, or before there is a database."""
    if not database.exists():
        return 0
    with reading(database) as connection:
        try:
            found = connection.execute("SELECT next_frame FROM checkpoints ORDER BY saved_at DESC").fetchone()
        except sqlite3.OperationalError:  # the tables are being made
            return 0
    return 0 if found is None else int(found[0])


def assert_same_rows(one: Path, other: Path) -> None:
    """Ids, frames, times, evidence and counters exactly; boxes within 0.01 px; vectors and states closely."""
    with reading(one) as a, reading(other) as b:
        for query in (_TRACKS, _OBJECTS, _GAPS, _SOURCES, _CROPS):
            assert a.execute(query).fetchall() == b.execute(query).fetchall()
        _assert_close(a.execute(_OBSERVATIONS).fetchall(), b.execute(_OBSERVATIONS).fetchall(), exact=6, within=0.01)
        events = a.execute(_EVENTS).fetchall(), b.execute(_EVENTS).fetchall()
        if any(events):
            _assert_close(*events, exact=7, within=0.01)
        vectors = [
            [(*row[:4], row[4], *Vector().process_result_value(row[5], _dialect()).tolist()) for row in rows]
            for rows in (a.execute(_EMBEDDINGS).fetchall(), b.execute(_EMBEDDINGS).fetchall())
        ]
        _assert_close(*vectors, exact=4, within=1e-4)
        _assert_same_states(a, b)
        _assert_same_detections(a, b)


@dataclass(frozen=True)
class RunRows:
    """What one run of several left, by natural keys."""

    tracks: list[tuple[Any, ...]]
    observations: list[tuple[Any, ...]]
    embeddings: list[tuple[Any, ...]]
    pictures: list[tuple[Any, ...]]
    sources: list[tuple[Any, ...]]
    events: list[tuple[Any, ...]]


def rows_of_run(database: Path, run: int) -> RunRows:
    """`run`: row of the run, from 1."""
    tracks = """
        SELECT t.local_id, t.class_id, t.score_max, t.first_at, t.last_at, t.count, t.evidence_bits FROM tracks t
        JOIN run_sources r ON r.id = t.run_source_id WHERE r.run_id = ? ORDER BY t.local_id
    """
    observations = """
        SELECT t.local_id, o.frame, o.at, CASE o.evidence WHEN 0 THEN 'detected' ELSE 'predicted' END, o.det_row,
               o.x1, o.y1, o.x2, o.y2, o.score
        FROM observations o JOIN tracks t ON t.id = o.track_id
        JOIN run_sources r ON r.id = t.run_source_id WHERE r.run_id = ? ORDER BY o.frame, t.local_id
    """
    embeddings = """
        SELECT t.local_id, e.kind, e.at, e.quality, e.vector FROM embeddings e JOIN tracks t ON t.id = e.track_id
        JOIN run_sources r ON r.id = t.run_source_id WHERE r.run_id = ? ORDER BY t.local_id, e.kind, e.at
    """
    pictures = """
        SELECT t.local_id, m.from_at, m.sha256 FROM media m JOIN tracks t ON t.id = m.track_id
        JOIN run_sources r ON r.id = m.run_source_id WHERE r.run_id = ? ORDER BY t.local_id
    """
    sources = """
        SELECT r.status, r.error, r.processed, r.repaired, r.damaged, c.next_frame
        FROM run_sources r JOIN checkpoints c ON c.run_source_id = r.id WHERE r.run_id = ? ORDER BY r.id
    """
    events = """
        SELECT e.at, t.local_id, e.rule, e.kind, e.direction, e.class_name, e.value, e.x, e.y FROM events e
        LEFT JOIN tracks t ON t.id = e.track_id JOIN run_sources r ON r.id = e.run_source_id WHERE r.run_id = ?
        ORDER BY e.at, e.rule, e.kind, t.local_id
    """
    with reading(database) as connection:
        queries = (tracks, observations, embeddings, pictures, sources, events)
        return RunRows(*(connection.execute(query, (run,)).fetchall() for query in queries))


def count(database: Path, table: str) -> int:
    """Rows of a table."""
    with reading(database) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def _assert_close(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]], *, exact: int, within: float) -> None:
    assert len(one) > 0
    assert [row[:exact] for row in one] == [row[:exact] for row in other]
    np.testing.assert_allclose(
        np.array([row[exact:] for row in one], float), np.array([row[exact:] for row in other], float), atol=within
    )


def _assert_same_states(one: sqlite3.Connection, other: sqlite3.Connection) -> None:
    query = """
        SELECT c.state FROM checkpoints c JOIN run_sources r ON r.id = c.run_source_id
        JOIN sources s ON s.id = r.source_id ORDER BY s.name
    """
    for (a,), (b,) in zip(one.execute(query).fetchall(), other.execute(query).fetchall(), strict=True):
        first, second = unpack_state(a), unpack_state(b)
        assert first.keys() == second.keys()
        for name, array in first.items():
            np.testing.assert_allclose(array, second[name], atol=1e-2, err_msg=name)


def _assert_same_detections(one: sqlite3.Connection, other: sqlite3.Connection) -> None:
    """Chunks may be cut elsewhere; each frame's detections are the same."""
    query = "SELECT s.name, d.payload FROM detection_chunks d JOIN sources s ON s.id = d.source_id"
    tables = []
    for connection in (one, other):
        frames: dict[tuple[str, int], np.ndarray[Any, Any]] = {}
        for name, payload in connection.execute(query):
            chunk = unpack_detections(payload)
            frames |= {(name, int(i)): found.boxes for i, found in zip(chunk.frames, chunk.detections, strict=True)}
        tables.append(frames)
    assert tables[0].keys() == tables[1].keys()
    for key, boxes in tables[0].items():
        np.testing.assert_allclose(boxes, tables[1][key], atol=0.01)


def _dialect() -> Any:
    from sqlalchemy.dialects.sqlite import dialect

    return dialect()
