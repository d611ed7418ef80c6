"""Comparing stored runs: figures and scores worked by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from io import StringIO
from math import sqrt
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from rich.console import Console

from pipeline.compare import Changed, Comparison, compare_runs, comparison_to_dict
from pipeline.errors import ConfigError, FormatError, StoreError
from pipeline.evaluation.scores import Scores
from pipeline.run_tables import comparison_lines, comparison_tables
from pipeline.store.database import Database, open_database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.records import SourceRecord
from pipeline.store.run_queries import short_id
from pipeline.store.states import RunStatus
from pipeline.store.writer import RunWriter
from tests.integration.store.examples import DETECTOR, RUN, START, VIDEO, chunk

OTHER = replace(VIDEO, name="b.mp4", uri_redacted="/videos/b.mp4", fingerprint="fingerprint-2")
STEADY = ((0, 10, (1, 2)),)  # two tracks in ten frames
SWITCHED = ((0, 5, (1, 2)), (5, 10, (1, 3)))  # the second goes on under another id
INTERRUPTED = ((0, 4, (1, 2)), (4, 5, (1,)), (5, 10, (1, 2)))

Parts = tuple[tuple[int, int, tuple[int, ...]], ...]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "runs.db") as opened:
        yield opened


def write(database: Database, *sources: tuple[SourceRecord, Parts], settings: Mapping[str, Any] | None = None) -> UUID:
    """A run with these frames and ids in these sources."""
    record = RUN if settings is None else replace(RUN, settings=settings)
    writer = RunWriter.begin(database, record, media_folder=Path("unused"))
    writer.register_model(DETECTOR)
    for source, parts in sources:
        place = writer.add_source(source)
        writer.add_session(place, 0, started_at=START)
        for first, end, ids in parts:
            writer.write_chunk(place, chunk(first, end, local_ids=ids))
    writer.finish_run(RunStatus.FINISHED)
    return writer.public_id


def compare(database: Database, a: UUID, b: UUID, *, truth: Path | None = None) -> Comparison:
    with database.read() as connection:
        scope = scope_of(connection, ["default"])
    return compare_runs(database, scope, a, b, truth=truth)


def scored(scores: Scores | None) -> Scores:
    assert scores is not None
    return scores


def shown(comparison: Comparison) -> str:
    console = Console(width=160, record=True, file=StringIO())
    for table in comparison_tables(comparison):
        console.print(table)
    return console.export_text() + "\n".join(comparison_lines(comparison))


def test_the_same_tracks(database: Database) -> None:
    a, b = (write(database, (VIDEO, STEADY)) for _ in range(2))
    comparison = compare(database, a, b)
    (one,) = comparison.sources
    assert one.identical
    assert comparison.total.identical
    assert (one.a.tracks, one.a.observations, one.a.interruptions) == (2, 20, 0)
    assert one.a.mean_seconds == pytest.approx(0.36)
    assert one.a.mean_observations == 10
    assert one.b == one.a
    agreement = scored(one.agreement)
    assert (agreement.hota.hota, agreement.clear.mota, agreement.identity.idf1) == pytest.approx((1, 1, 1))
    assert comparison.settings == ()
    assert "identical" in shown(comparison)


def test_a_switch(database: Database) -> None:
    """Of 20 boxes 15 keep their id: IDF1 .75; one switch: MOTA .95; DetA 1, AssA (10 + 10 * 1/2) / 20."""
    comparison = compare(database, write(database, (VIDEO, STEADY)), write(database, (VIDEO, SWITCHED)))
    (one,) = comparison.sources
    assert not one.identical
    assert (one.b.tracks, one.b.observations) == (3, 20)
    assert one.b.mean_seconds == pytest.approx((0.36 + 0.16 + 0.16) / 3)
    agreement = scored(one.agreement)
    assert agreement.clear.idsw == 1
    assert agreement.clear.mota == pytest.approx(0.95)
    assert agreement.identity.idf1 == pytest.approx(0.75)
    assert agreement.hota.hota == pytest.approx(sqrt(0.75))
    text = shown(comparison)
    assert "95.0" in text
    assert f"{short_id(comparison.b)} against {short_id(comparison.a)}" in text


def test_an_interruption(database: Database) -> None:
    comparison = compare(database, write(database, (VIDEO, STEADY)), write(database, (VIDEO, INTERRUPTED)))
    (one,) = comparison.sources
    assert (one.b.tracks, one.b.observations, one.b.interruptions) == (2, 19, 1)
    assert one.b.mean_seconds == pytest.approx(0.36)


def test_several_sources_are_pooled(database: Database) -> None:
    a = write(database, (VIDEO, STEADY), (OTHER, STEADY))
    b = write(database, (OTHER, SWITCHED), (VIDEO, STEADY))
    comparison = compare(database, a, b)
    assert [(one.name, one.identical) for one in comparison.sources] == [("a.mp4", True), ("b.mp4", False)]
    total = comparison.total
    assert (total.a.tracks, total.b.tracks, total.b.observations, total.identical) == (4, 5, 40, False)
    assert scored(total.agreement).clear.mota == pytest.approx(1 - 1 / 40)
    assert "all" in shown(comparison)


def test_sources_of_one_run_only(database: Database) -> None:
    a = write(database, (VIDEO, STEADY), (OTHER, STEADY))
    b = write(database, (VIDEO, STEADY))
    assert compare(database, a, b).only_a == ("b.mp4",)
    assert compare(database, b, a).only_b == ("b.mp4",)
    assert "Only the second run has read b.mp4" in shown(compare(database, b, a))


def test_the_same_content_at_another_place(database: Database) -> None:
    a = write(database, (VIDEO, STEADY))
    b = write(database, (replace(VIDEO, uri_redacted="/archive/a.mp4"), STEADY))
    assert [one.name for one in compare(database, a, b).sources] == ["a.mp4"]


def test_nothing_in_common(database: Database) -> None:
    a, b = write(database, (VIDEO, STEADY)), write(database, (OTHER, STEADY))
    with pytest.raises(StoreError, match="no source in common"):
        compare(database, a, b)


def test_runs_without_tracks(database: Database) -> None:
    a = write(database, (VIDEO, STEADY))
    empty = write(database, (VIDEO, ()))
    (one,) = compare(database, a, empty).sources
    assert (one.b.tracks, one.b.mean_seconds, one.b.mean_observations, one.identical) == (0, 0.0, 0.0, False)
    assert scored(one.agreement).clear.fn == 20
    assert compare(database, empty, empty).total.identical
    assert json.dumps(comparison_to_dict(compare(database, empty, a)))


def test_settings_that_differ(database: Database) -> None:
    one = {"tracker": {"name": "deepsort", "lost_seconds": 1.0}, "store": {"chunk": 50}, "outputs": {"mot": "a.txt"}}
    other = {"tracker": {"name": "bytetrack"}, "store": {"chunk": 100}, "outputs": {}, "engine": {"capacity": 4}}
    a, b = (write(database, (VIDEO, STEADY), settings=settings) for settings in (one, other))
    comparison = compare(database, a, b)
    assert comparison.settings == (
        Changed("tracker.name", "deepsort", "bytetrack"),
        Changed("tracker.lost_seconds", 1.0, None),
        Changed("engine.capacity", None, 4),
    )
    assert "tracker.lost_seconds" in shown(comparison)
    assert comparison_to_dict(comparison)["settings"]["tracker.name"] == {"a": "deepsort", "b": "bytetrack"}


def ground_truth(folder: Path) -> Path:
    """The first of the two objects (at x = frame, y = 10, 20 x 20 pixels) in MOT15's layout."""
    path = folder / "gt.txt"
    path.write_text("".join(f"{frame + 1},1,{frame},10,20,20,1,-1,-1,-1\n" for frame in range(10)))
    return path


def test_against_ground_truth(database: Database, tmp_path: Path) -> None:
    """Ten of twenty boxes are false: MOTA 0 for the one, and for the other, too."""
    a, b = write(database, (VIDEO, STEADY)), write(database, (VIDEO, ((0, 10, (1,)),)))
    (one,) = compare(database, a, b, truth=ground_truth(tmp_path)).sources
    assert scored(one.truth_a).clear.mota == pytest.approx(0)
    assert scored(one.truth_a).clear.fp == 10
    assert scored(one.truth_b).clear.mota == pytest.approx(1)
    assert "against the truth" in shown(compare(database, a, b, truth=ground_truth(tmp_path)))


def test_ground_truth_that_cannot_be_used(database: Database, tmp_path: Path) -> None:
    both = write(database, (VIDEO, STEADY), (OTHER, STEADY))
    with pytest.raises(ConfigError, match="is the truth of one source"):
        compare(database, both, both, truth=ground_truth(tmp_path))
    one = write(database, (VIDEO, STEADY))
    with pytest.raises(FormatError, match="none"):
        compare(database, one, one, truth=tmp_path / "none.txt")


def test_runs_that_are_not_there(database: Database) -> None:
    run = write(database, (VIDEO, STEADY))
    with pytest.raises(StoreError, match="there is no run"):
        compare(database, run, uuid4())
    with pytest.raises(StoreError, match="there is no run"):
        compare_runs(database, Scope(()), run, run)
