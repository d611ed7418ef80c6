"""A run that is asked to stop before, between and after its sources."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.config import load_settings
from pipeline.outcome import RunObserver, SourceStart
from pipeline.runs import Run
from pipeline.store import tables
from pipeline.store.database import open_database
from tests.clips import write_clip


class Stopper(RunObserver):
    """Asks for the stop as soon as a source of that name is opened, before there is an engine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.run: Run | None = None

    def source_opened(self, start: SourceStart) -> None:
        if start.name == self.name and self.run is not None:
            self.run.stop()


@pytest.mark.parametrize(("name", "statuses"), [("a.mp4", ["stopped", "pending"]), ("b.mp4", ["finished", "stopped"])])
def test_a_stop_while_a_source_is_being_opened_is_not_lost(tmp_path: Path, name: str, statuses: list[str]) -> None:
    clips = [str(write_clip(tmp_path / clip, count=200)) for clip in ("a.mp4", "b.mp4")]
    stopper = Stopper(name)
    database = tmp_path / "runs.db"
    stopper.run = Run(clips, load_settings("motion", [f"store.database={database}"]), observer=stopper)
    outcome = stopper.run.execute()
    report = outcome.sources[-1].report
    assert report is not None
    assert report.frames < 200
    with open_database(database) as store, store.read() as connection:
        assert connection.scalar(select(tables.Run.status)) == "stopped"
        assert connection.scalars(select(tables.RunSource.status).order_by(tables.RunSource.id)).all() == statuses


def test_a_stop_before_the_start_processes_nothing(tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "a.mp4", count=20))
    run = Run([clip], load_settings("motion", [f"store.database={tmp_path / 'runs.db'}"]))
    run.stop()
    assert run.execute().sources == []
