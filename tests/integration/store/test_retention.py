"""Recordings go by age, by size and for want of a reason to stay; what is protected stays; without room nothing is
recorded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete

from pipeline.camera_settings import RecordSettings
from pipeline.errors import StoreError
from pipeline.retention import MOST_REMOVED, Retention, Swept, size_in_words
from pipeline.store import review
from pipeline.store.database import Database, open_database
from pipeline.store.filters import ObjectOrder
from pipeline.store.leftovers import find_leftovers
from pipeline.store.queries import page_objects
from pipeline.store.states import Verdict
from pipeline.store.tables import Event, Media
from tests.integration.store.conftest import KINDS, NewUrl
from tests.integration.store.examples import START
from tests.integration.store.recorded import MINUTE, RecordedStore, another_run, fill

EVERYTHING = RecordSettings(mode="always", max_age_hours=None, max_bytes=None, min_free_bytes=1)


def policy(**changes: object) -> RecordSettings:
    return RecordSettings.model_validate(EVERYTHING.model_dump() | changes)


@pytest.fixture
def store(database: Database, tmp_path: Path) -> RecordedStore:
    return fill(database, tmp_path / "media")


def sweep(store: RecordedStore, chosen: RecordSettings, *, minute: float, free: int = 1 << 40) -> Swept:
    """So many minutes after START."""
    retention = Retention(store.database, store.media, {"gate": chosen}, otherwise=EVERYTHING, free=lambda _: free)
    return retention.sweep(START + round(minute * MINUTE))


def test_nothing_to_do(store: RecordedStore) -> None:
    swept = sweep(store, policy(mode="events", max_age_hours=1, max_bytes=1), minute=0)
    assert (swept.removed, swept.freed, swept.more) == ((), 0, False)
    assert swept.cameras["gate"].may_record
    assert swept.cameras["gate"].why == ""


def test_by_age(store: RecordedStore) -> None:
    for minute in (0, 1, 30, 61):
        store.add(minute)
    store.add(0, part=store.yard)
    swept = sweep(store, policy(max_age_hours=1), minute=62.5)
    assert store.minutes() == [30, 61]
    assert [(one.camera, one.from_at, one.why) for one in swept.removed] == [
        ("gate", START, "older than max_age_hours"),
        ("gate", START + MINUTE, "older than max_age_hours"),
    ]
    assert swept.freed == 200
    assert store.minutes("yard") == [0], "its own settings count"
    assert len(store.files()) == 3


def test_a_camera_that_is_no_longer_watched(store: RecordedStore) -> None:
    store.add(0, part=store.yard)
    retention = Retention(store.database, store.media, {}, otherwise=policy(max_age_hours=1))
    assert [one.camera for one in retention.sweep(START + 62 * MINUTE).removed] == ["yard"]


def test_by_size_the_oldest_go_over_all_runs(store: RecordedStore) -> None:
    later = another_run(store)
    for minute in range(6):
        store.add(minute, part=later if minute % 2 else store.gate)
    assert sweep(store, policy(max_bytes=350), minute=9).freed == 300
    assert store.minutes() == [3, 4, 5]
    assert sweep(store, policy(max_bytes=350), minute=9).removed == ()


def test_protected_stay_and_it_is_said(store: RecordedStore) -> None:
    for minute in range(5):
        store.add(minute, protected=minute in (1, 2))
    with store.database.read() as connection:
        first = page_objects(store.scope, connection, order=ObjectOrder.OLDEST)[0].public_id
    with store.database.write() as connection:
        review.set_protected(store.scope, connection, [first], on=True, actor="me")
    swept = sweep(store, policy(max_bytes=250, max_age_hours=0.01, before_seconds=1, after_seconds=1), minute=900)
    assert store.minutes() == [0, 1, 2]
    assert swept.cameras["gate"].may_record
    assert swept.cameras["gate"].why.startswith("300 bytes are kept, and max_bytes is 250 bytes: the rest is protected")
    assert sweep(store, policy(max_bytes=1), minute=900).removed == ()


class Protecting(Database):
    """A store in which somebody protects a track just before old recordings are removed."""

    def __init__(self, store: RecordedStore) -> None:
        super().__init__(store.database.engine)
        self._store = store

    @contextmanager
    def write(self, doing: str = "write") -> Iterator[Connection]:
        with super().write() as connection:
            first = page_objects(self._store.scope, connection, order=ObjectOrder.OLDEST)[0].public_id
            review.set_protected(self._store.scope, connection, [first], on=True, actor="me")
        with super().write(doing) as connection:
            yield connection


def test_what_is_protected_at_the_last_moment_stays(store: RecordedStore) -> None:
    for minute in (0, 5):
        store.add(minute)
    retention = Retention(Protecting(store), store.media, {"gate": policy(max_age_hours=1)}, otherwise=EVERYTHING)
    assert [one.from_at for one in retention.sweep(START + 600 * MINUTE).removed] == [START + 5 * MINUTE]
    assert store.minutes() == [0]


def test_around_events_and_reviewed_tracks(store: RecordedStore) -> None:
    for minute in range(12):
        store.add(minute)
    store.add_event(3.1)
    store.add_event(5.5)
    store.add_event(8.05, part=another_run(store))
    store.add_event(7.5, part=store.yard)
    chosen = policy(mode="events", before_seconds=10, after_seconds=10, wait_seconds=60)
    with store.database.read() as connection:
        first = page_objects(store.scope, connection, order=ObjectOrder.OLDEST)[0].public_id
    with store.database.write() as connection:
        review.set_verdict(store.scope, connection, [first], verdict=Verdict.CONFIRMED, actor="me")
    swept = sweep(store, chosen, minute=12.5)
    assert store.minutes() == [0, 2, 3, 5, 7, 8, 11], "11 is not old enough"
    assert {one.why for one in swept.removed} == {"no event and no reviewed track in it"}
    assert sweep(store, chosen, minute=12.5).removed == ()
    with store.database.write() as connection:
        connection.execute(delete(Event))
    sweep(store, chosen, minute=99)
    assert store.minutes() == [0]


def test_what_is_no_longer_worth_keeping_goes_within_the_hour(store: RecordedStore) -> None:
    store.add(0)
    store.add_event(0.5)
    retention = Retention(store.database, store.media, {"gate": policy(mode="events", wait_seconds=60)})
    assert retention.sweep(START + 5 * MINUTE).removed == ()
    with store.database.write() as connection:
        connection.execute(delete(Event))
    store.add(4)
    assert [one.from_at for one in retention.sweep(START + 7 * MINUTE).removed] == [START + 4 * MINUTE]
    assert [one.from_at for one in retention.sweep(START + 66 * MINUTE).removed] == [START]


def test_a_sweep_is_bounded_and_the_next_goes_on(store: RecordedStore) -> None:
    for minute in range(MOST_REMOVED + 700):
        store.add(minute, size=1)
    retention = Retention(store.database, store.media, {"gate": policy(mode="events", wait_seconds=0)})
    first = retention.sweep(START + 9000 * MINUTE)
    assert MOST_REMOVED <= len(first.removed) < MOST_REMOVED + 700
    assert first.more
    assert not retention.sweep(START + 9000 * MINUTE).more
    assert store.rows() == []
    assert store.files() == set()


def test_without_room_recording_stops_until_there_is_more(store: RecordedStore) -> None:
    store.add(0)
    chosen = policy(min_free_bytes=1000)
    free = [999]
    retention = Retention(store.database, store.media, {"gate": chosen, "yard": policy()}, free=lambda _: free[0])
    told = retention.sweep(START)
    assert not told.cameras["gate"].may_record
    assert "only 999 bytes are free" in told.cameras["gate"].why
    assert "tracks and events go on" in told.cameras["gate"].why
    assert told.cameras["yard"].may_record
    assert store.minutes() == [0], "what was recorded is not thrown away for it"
    free[0] = 1001
    assert not retention.sweep(START).cameras["gate"].may_record, "it would stop again with the next file"
    free[0] = 1051
    again = retention.sweep(START).cameras["gate"]
    assert (again.may_record, again.why, again.segments, again.bytes) == (True, "", 1, 100)


def test_recording_stops_for_want_of_room_while_the_store_cannot_be_asked(tmp_path: Path) -> None:
    """A disk that is full may leave no room to remove rows either."""
    free = [1000]
    with open_database(tmp_path / "runs.db") as database:
        policies = {"gate": policy(min_free_bytes=1000), "yard": policy()}
        retention = Retention(database, tmp_path, policies, free=lambda _: free[0])
        assert retention.no_room() == {"gate": "", "yard": ""}
        free[0] = 999
        with database.write() as connection:
            connection.exec_driver_sql("DROP TABLE media")
        with pytest.raises(StoreError):
            retention.sweep(START)
        said = retention.no_room()
        assert "only 999 bytes are free" in said["gate"]
        assert said["yard"] == ""
        free[0] = 1049
        assert retention.no_room()["gate"], "it would stop again with the next file"
        free[0] = 1050
        assert retention.no_room()["gate"] == ""


def test_a_file_that_cannot_be_deleted_is_a_leftover(store: RecordedStore, caplog: pytest.LogCaptureFixture) -> None:
    """Rows go first, so a sweep that is killed between the two leaves a file without a row, never the other way."""
    path = store.media / store.add(0)
    path.unlink()
    (path / "inside").mkdir(parents=True)
    assert len(sweep(store, policy(max_age_hours=1), minute=600).removed) == 1
    assert "takes up space" in caplog.text
    assert store.rows() == []
    (path / "inside").rmdir()
    path.rmdir()
    path.write_bytes(b"x")
    assert [one.path for one in find_leftovers(store.database, store.media, min_age=-1)] == [path]


def test_a_file_that_is_gone_does_not_stop_a_sweep(store: RecordedStore) -> None:
    (store.media / store.add(0)).unlink()
    store.add(1)
    assert len(sweep(store, policy(max_age_hours=1), minute=600).removed) == 2


def test_folders_of_days_that_are_over_go(store: RecordedStore) -> None:
    folder = (store.media / store.add(0)).parent
    sweep(store, policy(max_age_hours=1), minute=62)
    assert folder.is_dir(), "the next segment may come into it now"
    store.add(0)
    sweep(store, policy(max_age_hours=1), minute=3 * 1440)
    assert not folder.exists()


@pytest.mark.parametrize(("size", "words"), [(0, "0 bytes"), (5 << 20, "5.0 MiB"), (3 << 29, "1.5 GiB")])
def test_sizes_in_words(size: int, words: str) -> None:
    assert size_in_words(size) == words


@dataclass(frozen=True)
class Made:
    """A segment of a random recording."""

    size: int
    protected: bool
    event: bool


MADE = st.lists(st.builds(Made, size=st.integers(1, 50), protected=st.booleans(), event=st.booleans()), max_size=12)


@pytest.fixture(scope="module", params=KINDS)
def emptied(request: pytest.FixtureRequest, new_url: NewUrl) -> Iterator[RecordedStore]:
    """A store whose recordings every example makes anew."""
    with open_database(new_url(str(request.param))) as database, tempfile.TemporaryDirectory() as folder:
        yield fill(database, Path(folder))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    made=MADE,
    events=st.booleans(),
    most=st.none() | st.integers(1, 300),
    hours=st.none() | st.sampled_from([0.01, 0.1, 1.0]),
)
def test_any_recording(
    emptied: RecordedStore, made: list[Made], events: bool, most: int | None, hours: float | None
) -> None:
    """What is protected stays, what goes by age or size is older than what stays, the cap is met or why not is said,
    and a second sweep finds nothing to do.
    """
    store = emptied
    with store.database.write() as connection:
        connection.execute(delete(Media))
        connection.execute(delete(Event))
    for number, one in enumerate(made):
        store.add(10 + 2 * number, size=one.size, protected=one.protected)
        if one.event:
            store.add_event(10.5 + 2 * number)
    chosen = policy(
        mode="events" if events else "always", wait_seconds=120, max_bytes=most, max_age_hours=hours, after_seconds=5
    )
    before = {row.path: row for row in store.rows()}
    swept = sweep(store, chosen, minute=40)
    after = {row.path: row for row in store.rows()}
    assert {one.path for one in swept.removed} == before.keys() - after.keys()
    assert swept.freed == sum(before[path].bytes for path in before.keys() - after.keys())
    assert all(path in after for path, row in before.items() if row.protected)
    assert all((store.media / path).is_file() for path in after)
    assert not any((store.media / path).exists() for path in before.keys() - after.keys())
    by_order = [one for one in swept.removed if one.why != "no event and no reviewed track in it"]
    for one in by_order:
        assert all(row.protected for row in after.values() if row.from_at < one.from_at)
    kept = sum(row.bytes for row in after.values())
    assert swept.cameras["gate"].bytes == kept
    if most is not None and kept > most:
        assert all(row.protected for row in after.values())
        assert "max_bytes" in swept.cameras["gate"].why
    else:
        assert swept.cameras["gate"].why == ""
    if most is not None and by_order and kept <= most and hours is None:
        assert kept + max(one.bytes for one in by_order) > most, "no more went than had to"
    if events:
        old = [number for number in range(len(made)) if 11 + 2 * number < 38]
        bare = [number for number in old if not made[number].event and not made[number].protected]
        left = {row.from_at for row in after.values()}
        assert not left & {START + (10 + 2 * number) * MINUTE for number in bare}
    assert sweep(store, chosen, minute=40).removed == ()
