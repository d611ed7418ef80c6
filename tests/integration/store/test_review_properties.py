"""Any edits in any order: undoing all gives the state before the first, redoing all the state after the last."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, func, select

from pipeline.errors import StoreError
from pipeline.store import queries, review
from pipeline.store.database import open_database
from pipeline.store.filters import ObjectOrder
from pipeline.store.states import Verdict
from pipeline.store.tables import Edit, Object, ObjectMember, Observation
from tests.integration.store.conftest import KINDS, NewUrl
from tests.integration.store.reviewing import Reviewed, at, fill, table_of


@dataclass(frozen=True)
class Step:
    """An edit of some of the objects that are visible when its turn comes."""

    kind: str  # of "label", "verdict", "delete", "merge", "split", "undo", "redo"
    picks: tuple[int, ...]  # which objects: modulo how many there are
    number: int  # what label or verdict, which frame


STEPS = st.lists(
    st.builds(
        Step,
        kind=st.sampled_from(["label", "verdict", "delete", "merge", "merge", "split", "split", "undo", "redo"]),
        picks=st.lists(st.integers(0, 9), min_size=1, max_size=4).map(tuple),
        number=st.integers(0, 100),
    ),
    max_size=12,
)


@pytest.fixture(scope="module", params=KINDS)
def reviewed(request: pytest.FixtureRequest, new_url: NewUrl) -> Iterator[Reviewed]:
    """A store that every example edits and then leaves as it was."""
    with open_database(new_url(str(request.param))) as database, tempfile.TemporaryDirectory() as folder:
        yield fill(database, Path(folder))


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_undoing_all_and_redoing_all(reviewed: Reviewed, steps: list[Step]) -> None:
    with reviewed.database.engine.connect() as connection, connection.begin() as transaction:
        original = set(table_of(connection))
        before = state(connection, original)
        for step in steps:
            take(reviewed, connection, step)
            check(reviewed, connection)
        after = table_of(connection)
        undone = 0
        while review.undo(reviewed.scope, connection, actor="eve") is not None:
            check(reviewed, connection)
            undone += 1
        assert state(connection, original) == before
        for _ in range(undone):
            assert review.redo(reviewed.scope, connection, actor="eve") is not None
        assert table_of(connection) == after
        transaction.rollback()


def state(connection: Connection, original: set[UUID]) -> dict[UUID, dict[str, Any]]:
    """The objects that were there at first; all that splits made since must be hidden and empty."""
    rows = table_of(connection)
    made = [rows.pop(public_id) for public_id in rows.keys() - original]
    assert all(row["hidden"] and not row["parts"] and row["count"] == 0 for row in made)
    return rows


def take(reviewed: Reviewed, connection: Connection, step: Step) -> None:
    """One edit; one that makes no sense now is refused and changes nothing."""
    page = queries.page_objects(reviewed.scope, connection, order=ObjectOrder.OLDEST)
    if not page and step.kind not in ("undo", "redo"):
        return
    scope, chosen = reviewed.scope, [page[pick % len(page)].public_id for pick in step.picks] if page else []
    before = table_of(connection)
    with connection.begin_nested() as savepoint:
        try:
            match step.kind:
                case "label":
                    label = None if step.number % 3 == 0 else f"label {step.number}"
                    review.set_label(scope, connection, chosen, label=label, actor="eve")
                case "verdict":
                    verdict = [None, *Verdict][step.number % 4]
                    review.set_verdict(scope, connection, chosen, verdict=verdict, actor="eve")
                case "delete":
                    review.delete_objects(scope, connection, chosen, actor="eve")
                case "merge":
                    review.merge_objects(scope, connection, chosen, actor="eve")
                case "split":
                    review.split_object(scope, connection, chosen[0], at=at(step.number), actor="eve")
                case "undo":
                    review.undo(scope, connection, actor="eve")
                case "redo":
                    review.redo(scope, connection, actor="eve")
            return
        except StoreError:
            assert step.kind in ("merge", "split")
            savepoint.rollback()
    assert table_of(connection) == before


def check(reviewed: Reviewed, connection: Connection) -> None:
    """Every observation belongs to one object at most, and the objects' sums are those of their observations."""
    within = (ObjectMember.from_at <= Observation.at) & (
        ObjectMember.to_at.is_(None) | (Observation.at < ObjectMember.to_at)
    )
    held = select(ObjectMember.object_id, Observation.at, Observation.score, Observation.evidence).join(
        Observation, (Observation.track_id == ObjectMember.track_id) & within
    )
    rows = connection.execute(held).all()
    total = connection.execute(select(func.count()).select_from(Observation)).scalar_one()
    assert len(rows) == total  # none is lost, none is held twice
    for one in connection.execute(select(Object)):
        mine = [row for row in rows if row.object_id == one.id]
        assert one.count == len(mine)
        if mine:
            assert (one.first_at, one.last_at) == (min(row.at for row in mine), max(row.at for row in mine))
            assert one.score_max == max(row.score for row in mine)
            assert {bit for bit in range(8) if one.evidence_bits >> bit & 1} == {row.evidence for row in mine}


def test_the_check_can_fail(reviewed: Reviewed) -> None:
    with reviewed.database.engine.connect() as connection:
        connection.execute(delete(ObjectMember).where(ObjectMember.object_id == 1))
        with pytest.raises(AssertionError):
            check(reviewed, connection)
        connection.rollback()
        check(reviewed, connection)
        assert connection.execute(select(func.count()).select_from(Edit)).scalar_one() == 0
