"""A real run into PostgreSQL leaves what it leaves in SQLite."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sqlalchemy import select

from pipeline.store import tables
from pipeline.store.database import open_database
from tests.integration.command import MOTION, call_main


def test_the_same_rows_in_both_databases(postgres_url: str, pets: Path, people: list[str], tmp_path: Path) -> None:
    kept = {}
    for name, address in (("sqlite", "runs.db"), ("postgresql", postgres_url)):
        options = [*people, "--max-frames", 40, "--database", address]
        done = call_main("run", *MOTION, pets / "video.mp4", *options, folder=tmp_path)
        assert done.code == 0, done.err
        assert "s3cret" not in done.out
        with open_database(tmp_path / address if name == "sqlite" else address) as store, store.read() as connection:
            observation, track, embedding = tables.Observation, tables.Track, tables.Embedding
            rows = connection.execute(
                select(track.local_id, observation.frame, observation.at, observation.x1, observation.evidence)
                .join(track, track.id == observation.track_id)
                .order_by(track.local_id, observation.at)
            ).all()
            vectors = connection.execute(
                select(track.local_id, embedding.at, embedding.kind, embedding.vector)
                .join(track, track.id == embedding.track_id)
                .order_by(track.local_id, embedding.kind, embedding.at)
            ).all()
        kept[name] = ([(*row[:3], np.float32(row.x1), row.evidence) for row in rows], vectors)
    assert kept["sqlite"][0] == kept["postgresql"][0]
    assert len(kept["sqlite"][0]) > 100
    for here, there in zip(kept["sqlite"][1], kept["postgresql"][1], strict=True):
        assert here[:3] == there[:3]
        np.testing.assert_array_equal(here[3], there[3])
