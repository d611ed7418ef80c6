"""Deliveries: written with their events, claimed by one at a time, in order, never lost, never of another project."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import event, select

from pipeline.errors import StoreError
from pipeline.events import EventKind, Events
from pipeline.store.database import Database
from pipeline.store.deliveries import (
    AlertTarget,
    Backlog,
    Claim,
    DeliveryState,
    backlogs,
    claim,
    drop,
    is_due,
    list_deliveries,
    mark_delivered,
    mark_failed,
    mark_refused,
    release,
    retry_now,
)
from pipeline.store.filters import Scope
from pipeline.store.tables import Delivery, Event, Object, Track
from tests.integration.alerts.telling import Camera, crossing, event_ids
from tests.integration.store.examples import START

NOW = START + 60_000_000
LEASE = 15_000_000
ALL = tuple(DeliveryState)
HQ = AlertTarget("hq")


def claimed(database: Database, scope: Scope, target: str = "hq", now: int = NOW) -> Claim | None:
    with database.write() as connection:
        found = claim(scope, connection, target, now=now, lease=LEASE)
    with database.read() as connection:
        assert found is None or not is_due(scope, connection, target, now=now)
    return found


def take(database: Database, scope: Scope, now: int = NOW) -> Claim:
    found = claimed(database, scope, now=now)
    assert found is not None
    return found


def deliver(database: Database, scope: Scope, now: int = NOW) -> list[UUID]:
    """All that is due, in the order it is given out."""
    arrived = []
    while (found := claimed(database, scope, now=now)) is not None:
        with database.write() as connection:
            mark_delivered(connection, found, now=now)
        arrived.append(found.event.public_id)
    return arrived


def state_of(database: Database, scope: Scope) -> list[DeliveryState]:
    with database.read() as connection:
        return [row.state for row in reversed(list_deliveries(scope, connection, states=ALL, limit=100))]


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (AlertTarget("a"), True),
        (AlertTarget("a", cameras=("yard", "gate"), rules=("door",), kinds=("enter",)), True),
        (AlertTarget("a", cameras=("yard",)), False),
        (AlertTarget("a", rules=("kerb",)), False),
        (AlertTarget("a", kinds=("leave", "cross")), False),
    ],
)
def test_filters(target: AlertTarget, wanted: bool) -> None:
    assert target.wants("gate", "door", EventKind.ENTER) is wanted


def test_events_wait_for_whom_they_concern(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ, AlertTarget("kerb", rules=("kerb",)), AlertTarget("yard", ("yard",))])
    camera.happens(2)
    camera.happens(1, rule="kerb")
    camera.see(Events.empty())
    with database.read() as connection:
        assert backlogs(camera.scope, connection) == {"hq": Backlog(3), "kerb": Backlog(1)}
        listed = list_deliveries(camera.scope, connection, states=ALL, limit=2)
    assert [(row.target, row.rule, row.camera, row.at, row.attempts) for row in listed] == [
        ("kerb", "kerb", "gate", START, 0),
        ("hq", "kerb", "gate", START, 0),
    ]
    assert deliver(database, camera.scope) == event_ids(database)


def test_without_targets_nothing_waits(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [])
    camera.happens(3)
    assert len(event_ids(database)) == 3
    with database.read() as connection:
        assert backlogs(camera.scope, connection) == {}
        assert not is_due(camera.scope, connection, "hq", now=NOW)
    assert claimed(database, camera.scope) is None


def test_a_chunk_that_is_not_stored_leaves_no_delivery(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ])
    stray = crossing()
    stray.ids[0] = 99
    with pytest.raises(StoreError, match="track 99"):
        camera.see(stray)
    with database.read() as connection:
        assert connection.scalars(select(Delivery.id)).all() == []


def test_a_claim_tells_everything(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ])
    camera.see(crossing())
    event = take(database, camera.scope).event
    with database.read() as connection:
        track = connection.scalar(select(Track.public_id).where(Track.local_id == 2))
        shown = connection.scalars(select(Object.public_id)).all()
    assert (event.camera, event.rule, event.kind, event.direction) == ("gate", "kerb", EventKind.CROSS, "in")
    assert (event.at, event.value, event.class_name) == (START + 123_456, 1.5, "car")
    assert (event.track, event.run) == (track, camera.writer.public_id)
    assert event.object in shown
    assert event.x == pytest.approx(12.345)
    assert event.public_id == event_ids(database)[0]


def test_an_event_of_no_track(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ])
    nobody = Events(
        np.array([START]), np.array([0]), np.array([-1]), ("hall",), (EventKind.COUNT,), np.array([7.0]), ("",),
        np.full((1, 2), np.nan, np.float32),
    )  # fmt: skip
    camera.see(nobody)
    event = take(database, camera.scope).event
    assert (event.track, event.object, event.class_name, event.direction, event.x, event.y) == (None,) * 6
    assert event.value == 7.0


def test_one_at_a_time(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ])
    camera.happens(2)
    first = take(database, camera.scope)
    assert claimed(database, camera.scope) is None  # the second waits for the first
    with database.write() as connection:
        release(connection, first)
    assert take(database, camera.scope).event == first.event
    late = take(database, camera.scope, NOW + LEASE)  # whoever had it is gone
    assert late.event == first.event
    assert late.attempts == 0


def test_a_failed_one_holds_up_those_after_it(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ])
    camera.happens(2)
    held = take(database, camera.scope)
    with database.write() as connection:
        mark_failed(connection, held, error="no answer", due_at=NOW + 5)
    assert state_of(database, camera.scope) == [DeliveryState.FAILED, DeliveryState.WAITING]
    assert claimed(database, camera.scope) is None
    assert claimed(database, camera.scope, now=NOW + 4) is None
    again = take(database, camera.scope, NOW + 5)
    assert (again.attempts, again.event.public_id) == (1, event_ids(database)[0])


def test_a_refused_one_holds_up_nobody_and_is_tried_again(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ])
    camera.happens(2)
    ids = event_ids(database)
    held = take(database, camera.scope)
    with database.write() as connection:
        mark_refused(connection, held, error="answered 400", now=NOW, due_at=NOW + 100)
    assert deliver(database, camera.scope) == ids[1:]
    assert state_of(database, camera.scope) == [DeliveryState.REFUSED, DeliveryState.ARRIVED]
    with database.read() as connection:
        assert backlogs(camera.scope, connection) == {"hq": Backlog(0, 1)}
        [row] = list_deliveries(camera.scope, connection, states=[DeliveryState.REFUSED], limit=9)
    assert (row.event, row.error, row.refused_at) == (ids[0], "answered 400", NOW)
    assert deliver(database, camera.scope, NOW + 100) == ids[:1]


def test_retry_now(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ, AlertTarget("other")])
    camera.happens(3)
    held = take(database, camera.scope)
    with database.write() as connection:
        mark_refused(connection, held, error="answered 400", now=NOW, due_at=NOW + 10**9)
    held = take(database, camera.scope)
    with database.write() as connection:
        mark_failed(connection, held, error="no answer", due_at=NOW + 10**9)
    assert claimed(database, camera.scope) is None
    with database.write() as connection:
        assert retry_now(camera.scope, connection, targets=["hq"], now=NOW) == 3
        assert retry_now(camera.scope, connection, targets=[], now=NOW) == 0
    assert deliver(database, camera.scope) == event_ids(database)
    with database.write() as connection:
        assert retry_now(camera.scope, connection, targets=["hq"], now=NOW) == 0


def test_retry_now_leaves_what_is_on_its_way(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ])
    camera.happens(1)
    take(database, camera.scope)
    with database.write() as connection:
        assert retry_now(camera.scope, connection, targets=["hq"], now=NOW) == 0
    assert claimed(database, camera.scope) is None


def test_what_nobody_will_ever_fetch_is_dropped(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ, AlertTarget("gone")])
    there = Camera(database, tmp_path, [AlertTarget("gone")], project="other")
    there.happens(1)
    camera.happens(4)
    first = claimed(database, camera.scope, "gone")
    assert first is not None
    with database.write() as connection:
        mark_delivered(connection, first, now=NOW)
    assert claimed(database, camera.scope, "gone") is not None  # somebody is trying it
    with database.write() as connection:
        assert drop(camera.scope, connection, "nobody", now=NOW) == 0
        assert drop(camera.scope, connection, "gone", now=NOW) == 2
    with database.read() as connection:
        assert backlogs(camera.scope, connection) == {"hq": Backlog(4), "gone": Backlog(1)}
        assert backlogs(there.scope, connection) == {"gone": Backlog(1)}
    with database.write() as connection:
        assert drop(camera.scope, connection, "gone", now=NOW + LEASE) == 1  # its dispatcher is dead
    with database.read() as connection:
        assert backlogs(camera.scope, connection) == {"hq": Backlog(4)}
        gone = connection.scalars(select(Delivery.delivered_at).where(Delivery.target == "gone")).all()
    assert sorted(gone, key=str) == [NOW, None]  # what arrived, and the other project's
    assert len(event_ids(database)) == 5


def test_who_was_too_slow_spoils_nothing(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ])
    camera.happens(1)
    slow, quick = take(database, camera.scope), take(database, camera.scope, NOW + LEASE)
    with database.write() as connection:
        mark_failed(connection, slow, error="no answer", due_at=NOW + 10**9)
        release(connection, slow)
    assert claimed(database, camera.scope, now=NOW + LEASE) is None  # still the quick one's
    with database.write() as connection:
        mark_delivered(connection, quick, now=NOW)
    with database.write() as connection:
        mark_refused(connection, slow, error="answered 400", now=NOW, due_at=NOW)
    assert state_of(database, camera.scope) == [DeliveryState.ARRIVED]


def test_projects_do_not_see_each_other(database: Database, tmp_path: Path) -> None:
    here = Camera(database, tmp_path, [HQ])
    there = Camera(database, tmp_path, [HQ], project="other")
    there.happens(1)
    assert claimed(database, here.scope) is None
    assert claimed(database, Scope(())) is None
    with database.write() as connection:
        assert backlogs(here.scope, connection) == {}
        assert list_deliveries(here.scope, connection, states=ALL, limit=9) == []
        assert retry_now(here.scope, connection, targets=["hq"], now=NOW) == 0
    assert len(deliver(database, there.scope)) == 1


def test_deliveries_go_with_their_events(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ])
    camera.happens(1)
    found = take(database, camera.scope)
    with database.write() as connection:
        connection.execute(Event.__table__.delete())
    with database.write() as connection:
        mark_delivered(connection, found, now=NOW)  # nothing is left to mark
    assert state_of(database, camera.scope) == []


def test_many_dispatchers_never_send_the_same_and_keep_the_order(database: Database, tmp_path: Path) -> None:
    camera = Camera(database, tmp_path, [HQ])
    camera.happens(30)
    sent: list[UUID] = []
    failures: list[StoreError] = []

    def dispatch() -> None:
        try:
            while len(sent) < 30 and not failures:
                found = claimed_quietly(database, camera.scope)
                if found is not None:
                    sent.append(found.event.public_id)
                    with database.write() as connection:
                        mark_delivered(connection, found, now=NOW)
        except StoreError as error:  # told by the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=dispatch) for _ in range(3)]
    run(threads)
    assert failures == []
    assert sent == event_ids(database)


def claimed_quietly(database: Database, scope: Scope) -> Claim | None:
    with database.write() as connection:
        return claim(scope, connection, "hq", now=NOW, lease=LEASE)


def run(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)


def test_counting_what_waits_looks_at_nothing_that_has_arrived(database: Database, tmp_path: Path) -> None:
    if database.engine.dialect.name != "sqlite":
        return
    camera = Camera(database, tmp_path, [HQ])
    camera.happens(3)
    asked: list[tuple[str, object]] = []
    with database.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
        assert backlogs(camera.scope, connection) == {"hq": Backlog(3)}
        [(query, given)] = list(asked)
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given).all())  # type: ignore[arg-type]
    assert "deliveries USING INDEX ix_deliveries_waiting" in plan
    assert "ix_events" not in plan


@pytest.mark.parametrize(
    ("states", "walked"),
    [
        (ALL, "SCAN deliveries'"),  # the newest first, until there are enough
        ((DeliveryState.FAILED, DeliveryState.REFUSED), "deliveries USING INDEX ix_deliveries_waiting"),
    ],
)
def test_a_list_does_not_walk_all_events(
    database: Database, tmp_path: Path, states: Sequence[DeliveryState], walked: str
) -> None:
    if database.engine.dialect.name != "sqlite":
        return
    camera = Camera(database, tmp_path, [HQ])
    camera.happens(3)
    asked: list[tuple[str, object]] = []
    with database.read() as connection:
        event.listen(connection, "before_cursor_execute", lambda *given: asked.append(given[2:4]))
        list_deliveries(camera.scope, connection, states=states, limit=2)
        plans = [
            str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", given).all())  # type: ignore[arg-type]
            for query, given in list(asked)
        ]
    assert len(plans) == 2
    assert walked in plans[0]
    assert not any("ix_events" in plan for plan in plans)
