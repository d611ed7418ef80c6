"""A process of its own that writes into a store: `python -m tests.integration.store.writing`."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from uuid import UUID

from sqlalchemy import select

from pipeline.store.database import open_database
from pipeline.store.tables import Run
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, EMBEDDER, RUN, VIDEO, chunk

CHUNKS = 12


def main(url: str, media: str, begin_at: str, name: str) -> None:
    """Wait until the moment `begin_at` (seconds), then open the store and write a run, going on with one called `name`.

    `name`: "new", or the public id of a run. Says the run's id, then each chunk's first frame once it is written.
    """
    time.sleep(max(0.0, float(begin_at) - time.time()))
    with open_database(url) as database:
        if name == "new":
            writer = RunWriter.begin(database, RUN, media_folder=Path(media))
        else:
            run = UUID(name)
            with database.read() as connection:
                beaten_at = connection.scalar(select(Run.heartbeat_at).where(Run.public_id == run))
            writer = RunWriter.resume(database, run, beaten_at=beaten_at, media_folder=Path(media))
        sys.stdout.write(f"{writer.public_id}\n")
        writer.register_model(DETECTOR)
        model = writer.register_model(EMBEDDER)
        source = writer.add_source(replace(VIDEO, frames=CHUNKS * 100))
        saved = writer.checkpoint(source)
        for first in range(0 if saved is None else saved.next_frame, CHUNKS * 100, 100):
            given = chunk(first, first + 100, local_ids=tuple(range(1, 21)), model_id=model, crop_quality=first / 1000)
            writer.write_chunk(source, given)
            sys.stdout.write(f"{first}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
