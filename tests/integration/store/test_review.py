"""Review edits: what each changes, what it refuses, and that undo takes it back exactly."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Semaphore
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, delete, func, select, update

from pipeline.errors import StoreError
from pipeline.store import queries, review
from pipeline.store.database import Database
from pipeline.store.filters import EVERYTHING, ObjectFilter, ObjectOrder, Scope, scope_of
from pipeline.store.review import Edited
from pipeline.store.states import EditOp, Verdict
from pipeline.store.tables import Edit, Embedding, Media, Object, Observation, Run, Track
from tests.integration.store.examples import chunk
from tests.integration.store.reviewing import Reviewed, at, fill, run_of, table_of, write_run

Act = Callable[[Connection], Edited | None]


@pytest.fixture
def reviewed(database: Database, tmp_path: Path) -> Reviewed:
    """A store of six tracks."""
    return fill(database, tmp_path)


def done(reviewed: Reviewed, act: Act) -> Edited:
    """The outcome of an edit in a transaction of its own."""
    with reviewed.database.write() as connection:
        edited = act(connection)
    assert edited is not None
    return edited


def merged(reviewed: Reviewed, *objects: UUID) -> Edited:
    return done(reviewed, lambda c: review.merge_objects(reviewed.scope, c, objects, actor="eve"))


def split(reviewed: Reviewed, public_id: UUID, moment: int) -> Edited:
    return done(reviewed, lambda c: review.split_object(reviewed.scope, c, public_id, at=moment, actor="eve"))


def undone(reviewed: Reviewed) -> Edited:
    return done(reviewed, lambda c: review.undo(reviewed.scope, c, actor="eve"))


def redone(reviewed: Reviewed) -> Edited:
    return done(reviewed, lambda c: review.redo(reviewed.scope, c, actor="eve"))


def snapshot(reviewed: Reviewed) -> dict[UUID, dict[str, Any]]:
    with reviewed.database.read() as connection:
        return table_of(connection)


def frames(reviewed: Reviewed, public_id: UUID) -> list[int]:
    with reviewed.database.read() as connection:
        return queries.observations_of_object(reviewed.scope, connection, public_id).frames.tolist()


def machine_rows(connection: Connection) -> list[list[Any]]:
    """Everything that review must never touch."""
    tables = (Track, Observation, Media)
    rows = [sorted(map(tuple, connection.execute(select(*table.__table__.columns)))) for table in tables]
    return [*rows, sorted(map(tuple, connection.execute(select(Embedding.id, Embedding.track_id, Embedding.at))))]


def test_a_label(reviewed: Reviewed) -> None:
    first, second, *_ = reviewed.objects
    before = snapshot(reviewed)
    edited = done(
        reviewed, lambda c: review.set_label(reviewed.scope, c, [first, second, first], label=" van ", actor="eve")
    )
    assert (edited.op, edited.objects, edited.summary) == (EditOp.LABEL, (first, second), "2 tracks labelled 'van'")
    after = snapshot(reviewed)
    assert [after[public_id]["label"] for public_id in reviewed.objects] == ["van", "van", None, None, None]
    with reviewed.database.read() as connection:
        assert queries.count_objects(reviewed.scope, connection, ObjectFilter(names=("van",))) == 2
    gone = done(reviewed, lambda c: review.set_label(reviewed.scope, c, [first], label="  ", actor="eve"))
    assert gone.summary == "label removed from 1 track"
    assert snapshot(reviewed)[first]["label"] is None
    assert undone(reviewed).summary == "undone: label removed from 1 track"
    assert snapshot(reviewed) == after
    undone(reviewed)
    assert snapshot(reviewed) == before


def test_a_verdict(reviewed: Reviewed) -> None:
    first, second, *_ = reviewed.objects

    def judge(verdict: Verdict | None, *objects: UUID) -> Edited:
        return done(reviewed, lambda c: review.set_verdict(reviewed.scope, c, objects, verdict=verdict, actor="eve"))

    assert judge(Verdict.CONFIRMED, first).summary == "1 track confirmed"
    assert judge(Verdict.UNSURE, first, second).summary == "2 tracks marked as unsure"
    assert judge(None, second).summary == "verdict removed from 1 track"
    with reviewed.database.read() as connection:
        found = [queries.find_object(reviewed.scope, connection, one) for one in (first, second)]
    assert [row and row.verdict for row in found] == ["unsure", None]
    undone(reviewed)
    undone(reviewed)
    assert [snapshot(reviewed)[one]["verdict"] for one in (first, second)] == ["confirmed", None]


def test_a_deleted_object_is_hidden_until_undo(reviewed: Reviewed) -> None:
    first, *_ = reviewed.objects
    before = snapshot(reviewed)
    edited = done(reviewed, lambda c: review.delete_objects(reviewed.scope, c, [first], actor="eve"))
    assert (edited.objects, edited.summary) == ((), "1 track deleted")
    with reviewed.database.read() as connection:
        assert queries.find_object(reviewed.scope, connection, first) is None
        assert queries.count_objects(reviewed.scope, connection) == 4
    with pytest.raises(StoreError, match=f"no track {first}"):
        merged(reviewed, first, reviewed.objects[1])
    back = undone(reviewed)
    assert (back.op, back.objects) == (EditOp.UNDO, (first,))
    assert snapshot(reviewed) == before


def test_protected_objects_are_not_deleted(reviewed: Reviewed) -> None:
    first, second, *_ = reviewed.objects
    with reviewed.database.write() as connection:
        connection.execute(update(Object).where(Object.public_id == second).values(protected=True))
    before = snapshot(reviewed)
    with pytest.raises(StoreError, match=f"track {second} is protected"):
        done(reviewed, lambda c: review.delete_objects(reviewed.scope, c, [first, second], actor="eve"))
    assert snapshot(reviewed) == before
    merged(reviewed, first, second)
    assert snapshot(reviewed)[first]["protected"]
    with pytest.raises(StoreError, match=f"track {first} is protected"):
        done(reviewed, lambda c: review.delete_objects(reviewed.scope, c, [first], actor="eve"))
    undone(reviewed)
    assert snapshot(reviewed) == before


def test_a_merge(reviewed: Reviewed) -> None:
    first, second, _, car, _ = reviewed.objects
    before = snapshot(reviewed)
    with reviewed.database.read() as connection:
        machine = machine_rows(connection)
    edited = merged(reviewed, car, second, first)  # the earliest remains, in whatever order they come
    assert (edited.op, edited.objects, edited.summary) == (EditOp.MERGE, (first,), "3 tracks merged into 1")
    after = snapshot(reviewed)
    row = after[first]
    assert row["parts"] == before[first]["parts"] | before[second]["parts"] | before[car]["parts"]
    assert (row["members"], row["count"], row["class_name"]) == (3, 250, "person")
    assert (row["first_at"], row["last_at"]) == (at(0), at(99))
    assert (row["score_max"], row["best_quality"], row["evidence_bits"]) == (0.75, 0.75, 0b11)
    assert [(after[one]["hidden"], after[one]["members"]) for one in (second, car)] == [(True, 0)] * 2
    with reviewed.database.read() as connection:
        crop = queries.best_crop(reviewed.scope, connection, first)
        assert crop is not None
        assert crop.quality == 0.75
        assert machine_rows(connection) == machine
    back = undone(reviewed)
    assert set(back.objects) == {first, second, car}
    assert back.summary == "undone: 3 tracks merged into 1"
    assert snapshot(reviewed) == before
    forth = redone(reviewed)
    assert (forth.op, forth.objects, forth.summary) == (EditOp.REDO, (first,), "redone: 3 tracks merged into 1")
    assert snapshot(reviewed) == after


def test_a_merge_keeps_what_reviewers_said(reviewed: Reviewed) -> None:
    first, second, third, *_ = reviewed.objects
    for one, label, verdict in ((second, "anna", Verdict.CONFIRMED), (third, "bert", Verdict.REJECTED)):
        done(
            reviewed, lambda c, one=one, label=label: review.set_label(reviewed.scope, c, [one], label=label, actor="e")
        )
        done(
            reviewed,
            lambda c, one=one, verdict=verdict: review.set_verdict(
                reviewed.scope, c, [one], verdict=verdict, actor="e"
            ),
        )
    merged(reviewed, third, second, first)
    row = snapshot(reviewed)[first]
    assert (row["label"], row["verdict"]) == ("anna", "confirmed")


def test_a_merge_needs_two(reviewed: Reviewed) -> None:
    first, *_ = reviewed.objects
    for objects in ((), (first,), (first, first)):
        with pytest.raises(StoreError, match="choose"):
            merged(reviewed, *objects)


def test_a_split(reviewed: Reviewed) -> None:
    first, *_ = reviewed.objects
    before = snapshot(reviewed)
    edited = split(reviewed, first, at(60))
    assert (edited.op, edited.objects[0]) == (EditOp.SPLIT, first)
    assert edited.summary == "1 track split at 2023-11-14 22:13:22.400 UTC"
    (born,) = set(edited.objects) - {first}
    assert frames(reviewed, first) == list(range(60))
    assert frames(reviewed, born) == list(range(60, 100))
    after = snapshot(reviewed)
    assert (after[first]["first_at"], after[first]["last_at"], after[first]["count"]) == (at(0), at(59), 60)
    assert (after[born]["first_at"], after[born]["last_at"], after[born]["count"]) == (at(60), at(99), 40)
    assert [after[one]["best_quality"] for one in (first, born)] == [None, 0.25]  # taken in the last frame
    assert [after[one]["class_name"] for one in (first, born)] == ["person", "person"]
    undone(reviewed)
    again = snapshot(reviewed)
    assert again.pop(born)["hidden"]
    assert again == before
    assert redone(reviewed).objects == (first, born)
    assert snapshot(reviewed) == after


def test_a_split_of_a_merged_object_cuts_only_what_spans_it(reviewed: Reviewed) -> None:
    first, second, _, car, _ = reviewed.objects
    merged(reviewed, first, second, car)
    done(reviewed, lambda c: review.set_label(reviewed.scope, c, [first], label="van", actor="eve"))
    done(reviewed, lambda c: review.set_verdict(reviewed.scope, c, [first], verdict=Verdict.CONFIRMED, actor="eve"))
    edited = split(reviewed, first, at(50))  # the car's 50 frames end before
    (born,) = set(edited.objects) - {first}
    rows = snapshot(reviewed)
    assert [(rows[one]["members"], rows[one]["count"]) for one in (first, born)] == [(3, 150), (2, 100)]
    assert [rows[one]["label"] for one in (first, born)] == ["van", "van"]
    assert [rows[one]["verdict"] for one in (first, born)] == ["confirmed", None]
    ends = {to_at for _, _, to_at in rows[first]["parts"]}
    assert ends == {at(50), None}  # the car's part has no end: the run may go on with it
    assert {(from_at, to_at) for _, from_at, to_at in rows[born]["parts"]} == {(at(50), None)}


@pytest.mark.parametrize("frame", [-1000, 0, 100, 10_000_000_000_000])
def test_a_split_leaves_no_side_empty(reviewed: Reviewed, frame: int) -> None:
    before = snapshot(reviewed)
    with pytest.raises(
        StoreError, match=r"one side without observation; it was seen from 2023-11-14 22:13:20\.000 UTC"
    ):
        split(reviewed, reviewed.objects[0], at(frame))
    assert snapshot(reviewed) == before


@pytest.mark.parametrize("moment", [at(0) + 1, at(99)])
def test_a_split_may_leave_one_observation(reviewed: Reviewed, moment: int) -> None:
    edited = split(reviewed, reviewed.objects[0], moment)
    counts = [len(frames(reviewed, public_id)) for public_id in edited.objects]
    assert sorted(counts) == [1, 99]


def test_merging_what_was_split_gives_the_whole_again(reviewed: Reviewed) -> None:
    first, *_ = reviewed.objects
    before = snapshot(reviewed)[first]
    for frame in (60, 30):
        split(reviewed, first, at(frame))
    with reviewed.database.read() as connection:
        parts = [row.public_id for row in queries.page_objects(reviewed.scope, connection, limit=50)]
    parts = [one for one in parts if one not in reviewed.objects[1:]]
    assert len(parts) == 3
    merged(reviewed, *reversed(parts))
    assert snapshot(reviewed)[first] == before


def test_undo_goes_back_edit_by_edit_and_redo_forward(reviewed: Reviewed) -> None:
    first, second, third, *_ = reviewed.objects
    states = [snapshot(reviewed)]
    merged(reviewed, first, second)
    states.append(snapshot(reviewed))
    done(reviewed, lambda c: review.set_label(reviewed.scope, c, [first, third], label="pair", actor="eve"))
    states.append(snapshot(reviewed))
    done(reviewed, lambda c: review.delete_objects(reviewed.scope, c, [third], actor="eve"))
    states.append(snapshot(reviewed))
    for _ in range(2):  # there and back, twice: an undone redo can be redone
        for state in reversed(states[:-1]):
            undone(reviewed)
            assert snapshot(reviewed) == state
        with reviewed.database.write() as connection:
            assert review.undo(reviewed.scope, connection, actor="eve") is None
        for state in states[1:]:
            redone(reviewed)
            assert snapshot(reviewed) == state
        with reviewed.database.write() as connection:
            assert review.redo(reviewed.scope, connection, actor="eve") is None


def test_a_new_edit_ends_redo(reviewed: Reviewed) -> None:
    first, second, *_ = reviewed.objects
    merged(reviewed, first, second)
    undone(reviewed)
    done(reviewed, lambda c: review.set_label(reviewed.scope, c, [first], label="a", actor="eve"))
    with reviewed.database.write() as connection:
        assert review.redo(reviewed.scope, connection, actor="eve") is None
    undone(reviewed)
    assert redone(reviewed).summary == "redone: 1 track labelled 'a'"
    undone(reviewed)
    with reviewed.database.write() as connection:
        assert review.undo(reviewed.scope, connection, actor="eve") is None  # the merge is undone already


def test_history(reviewed: Reviewed) -> None:
    first, second, third, *_ = reviewed.objects
    with reviewed.database.read() as connection:
        assert review.history(reviewed.scope, connection) == []
    merge = merged(reviewed, first, second)
    label = done(reviewed, lambda c: review.set_label(reviewed.scope, c, [third], label="c", actor=" bob "))
    back = undone(reviewed)
    with reviewed.database.read() as connection:
        rows = review.history(reviewed.scope, connection)
        assert [(row.edit_id, row.op, row.actor, row.undoes, row.undone_by) for row in rows] == [
            (back.edit_id, EditOp.UNDO, "eve", label.edit_id, None),
            (label.edit_id, EditOp.LABEL, "bob", None, back.edit_id),
            (merge.edit_id, EditOp.MERGE, "eve", None, None),
        ]
        assert [row.summary for row in rows] == [back.summary, label.summary, merge.summary]
        assert [row.objects for row in rows] == [(third,), (third,), (first, second)]
        assert [row.at for row in rows] == sorted((row.at for row in rows), reverse=True)
        of_hidden = review.history(reviewed.scope, connection, public_id=second)
        assert [row.edit_id for row in of_hidden] == [merge.edit_id]
        assert review.history(reviewed.scope, connection, limit=1, offset=1) == rows[1:2]
        assert review.history(reviewed.foreign, connection) == []
        assert review.history(reviewed.foreign, connection, public_id=first) == []


def test_what_is_outside_the_scope_does_not_exist(reviewed: Reviewed) -> None:
    first, *_ = reviewed.objects
    before = snapshot(reviewed)
    nobody = Scope(())
    for scope, strange in ((reviewed.scope, reviewed.hidden_project), (reviewed.scope, uuid4()), (nobody, first)):
        acts: list[Act] = [
            lambda c, s=scope, o=strange: review.set_label(s, c, [o], label="x", actor="eve"),
            lambda c, s=scope, o=strange: review.set_verdict(s, c, [o], verdict=None, actor="eve"),
            lambda c, s=scope, o=strange: review.delete_objects(s, c, [first, o], actor="eve"),
            lambda c, s=scope, o=strange: review.merge_objects(s, c, [o, first], actor="eve"),
            lambda c, s=scope, o=strange: review.split_object(s, c, o, at=at(5), actor="eve"),
        ]
        for act in acts:
            with pytest.raises(StoreError, match=f"there is no track {strange}"):
                done(reviewed, act)
    assert snapshot(reviewed) == before
    merged(reviewed, first, reviewed.objects[1])
    with reviewed.database.write() as connection:
        assert review.undo(reviewed.foreign, connection, actor="eve") is None
        assert review.undo(nobody, connection, actor="eve") is None


def test_projects_are_not_mixed(reviewed: Reviewed) -> None:
    both = Scope((*reviewed.scope.project_ids, *reviewed.foreign.project_ids))
    with pytest.raises(StoreError, match="different projects"):
        done(
            reviewed,
            lambda c: review.merge_objects(both, c, [reviewed.objects[0], reviewed.hidden_project], actor="eve"),
        )


@pytest.mark.parametrize(
    ("label", "message"), [("x" * 101, "1 to 100 characters, not 101"), ("a\nb", "line breaks"), ("\x00", "control")]
)
def test_labels_that_no_page_could_show(reviewed: Reviewed, label: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        done(reviewed, lambda c: review.set_label(reviewed.scope, c, reviewed.objects, label=label, actor="eve"))


def test_an_edit_has_an_actor(reviewed: Reviewed) -> None:
    for actor in ("", " ", "x" * 101, "a\nb"):
        with pytest.raises(StoreError, match="the name of who edits"):
            done(reviewed, lambda c, a=actor: review.delete_objects(reviewed.scope, c, reviewed.objects, actor=a))
    with reviewed.database.read() as connection:
        assert queries.count_objects(reviewed.scope, connection, EVERYTHING) == 5
        assert connection.execute(select(func.count()).select_from(Edit)).scalar_one() == 0


def test_labels_in_any_script(reviewed: Reviewed) -> None:
    for label in (
        "Müller",
        "\u06af\u0631\u0628\u0647\u200c\u0647\u0627",
        "\U0001f469\u200d\U0001f692",
        "'; DROP TABLE objects; --",
    ):
        done(reviewed, lambda c, n=label: review.set_label(reviewed.scope, c, reviewed.objects[:1], label=n, actor="e"))
        assert snapshot(reviewed)[reviewed.objects[0]]["label"] == label


def test_a_run_that_goes_on_stretches_what_holds_the_open_end(reviewed: Reviewed) -> None:
    """Undo then gives what was there before, and what the run has seen since."""
    first, _, _, car, other = reviewed.objects
    merged(reviewed, first, car)
    edited = split(reviewed, other, at(20))
    (late,) = set(edited.objects) - {other}
    reviewed.living.write_chunk(
        reviewed.living_source, chunk(50, 60, local_ids=(7, 8), evidence=2, class_id=1, score=0.875)
    )
    rows = snapshot(reviewed)
    assert [(rows[one]["count"], rows[one]["last_at"]) for one in (first, other, late)] == [
        (160, at(99)),
        (20, at(19)),
        (40, at(59)),
    ]
    undone(reviewed)
    undone(reviewed)
    rows = snapshot(reviewed)
    assert [(rows[one]["count"], rows[one]["last_at"]) for one in (first, car, other)] == [
        (100, at(99)),
        (60, at(59)),
        (60, at(59)),
    ]
    for one in (car, other):
        assert (rows[one]["score_max"], rows[one]["evidence_bits"], rows[one]["members"]) == (0.875, 0b110, 1)
    redone(reviewed)
    redone(reviewed)
    rows = snapshot(reviewed)
    assert [rows[one]["count"] for one in (first, other, late)] == [160, 20, 40]


def delete_run(reviewed: Reviewed, name: str, *, objects: tuple[UUID, ...]) -> None:
    """Delete a run with its tracks and these objects."""
    with reviewed.database.write() as connection:
        connection.execute(delete(Object).where(Object.public_id.in_(objects)))
        connection.execute(delete(Run).where(Run.id == run_of(connection, name)))


def test_an_undo_that_no_longer_fits(reviewed: Reviewed) -> None:
    first, second, _, car, other = reviewed.objects
    merged(reviewed, first, car)
    delete_run(reviewed, "b.mp4", objects=(other,))
    before = snapshot(reviewed)
    with pytest.raises(StoreError, match="'2 tracks merged into 1' cannot be undone: 1 track that it moved went with"):
        undone(reviewed)
    with reviewed.database.write() as connection:
        connection.execute(delete(Object).where(Object.public_id == car))
    with pytest.raises(StoreError, match="cannot be undone: 1 track of it went with a deleted run"):
        undone(reviewed)
    del before[car]
    assert snapshot(reviewed) == before
    done(reviewed, lambda c: review.delete_objects(reviewed.scope, c, [second], actor="eve"))
    undone(reviewed)  # what came later can be undone
    assert snapshot(reviewed) == before


def test_edits_of_a_deleted_run_are_passed_over(reviewed: Reviewed) -> None:
    first, _, _, car, other = reviewed.objects
    done(reviewed, lambda c: review.set_label(reviewed.scope, c, [first], label="a", actor="eve"))
    merged(reviewed, car, other)
    delete_run(reviewed, "b.mp4", objects=(car, other))
    assert undone(reviewed).summary == "undone: 1 track labelled 'a'"
    with reviewed.database.read() as connection:
        assert len(review.history(reviewed.scope, connection)) == 3


def test_an_undo_after_a_strange_hand(reviewed: Reviewed) -> None:
    first, second, *_ = reviewed.objects
    done(reviewed, lambda c: review.set_label(reviewed.scope, c, [first, second], label="a", actor="eve"))
    with reviewed.database.write() as connection:
        connection.execute(update(Object).where(Object.public_id == second).values(label="b"))
    with pytest.raises(StoreError, match="changed by something else"):
        undone(reviewed)
    assert snapshot(reviewed)[first]["label"] == "a"


def test_row_ids_that_come_again_are_not_mistaken(reviewed: Reviewed, tmp_path: Path) -> None:
    """SQLite numbers a new run's tracks as the deleted run's were."""
    first, second, _, car, other = reviewed.objects
    merged(reviewed, first, car)
    merged(reviewed, first, second)
    with reviewed.database.read() as connection:
        old = connection.scalars(select(Track.id).order_by(Track.id)).all()
    delete_run(reviewed, "b.mp4", objects=(car, other))
    write_run(reviewed.database, tmp_path, "default", (7, 8), end=50, number=1)
    with reviewed.database.read() as connection:
        new = connection.scalars(select(Track.id).order_by(Track.id)).all()
        assert (new == old) == (connection.dialect.name == "sqlite")
    before = snapshot(reviewed)
    with pytest.raises(StoreError, match="cannot be undone: 1 track that it moved went with a deleted run"):
        undone(reviewed)
    assert snapshot(reviewed) == before


def test_two_reviewers_at_once(reviewed: Reviewed) -> None:
    """Both merge the same tracks and both undo: one does it, the other is told."""
    first, second, *_ = reviewed.objects
    before = snapshot(reviewed)

    def merge(_: int) -> str:
        try:
            return merged(reviewed, first, second).summary
        except StoreError as error:
            return str(error)

    def back(_: int) -> bool:
        with reviewed.database.write() as connection:
            return review.undo(reviewed.scope, connection, actor="eve") is not None

    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            said = sorted(pool.map(merge, range(4)))
            assert said[0] == "2 tracks merged into 1"
            assert all(f"there is no track {second}" in words for words in said[1:])
            assert sorted(pool.map(back, range(4))) == [False, False, False, True]
            assert snapshot(reviewed) == before


def test_edits_while_a_run_writes(reviewed: Reviewed) -> None:
    """Sums stay those of the members, however chunks and edits fall."""
    first, second, _, car, other = reviewed.objects
    written = Semaphore(0)

    def write() -> None:
        for begin in range(50, 250, 10):
            part = chunk(begin, begin + 10, local_ids=(8, 7), evidence=1, class_id=1, score=0.75)
            reviewed.living.write_chunk(reviewed.living_source, part)
            written.release()

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        rounds = 0
        while not writing.done() or rounds < 2:
            merged(reviewed, first, car, other)
            split(reviewed, second, at(50))
            done(reviewed, lambda c: review.set_label(reviewed.scope, c, [first, second], label="x", actor="eve"))
            for _ in range(3):
                undone(reviewed)
            rounds += 1
            written.acquire(timeout=1)  # edits without a pause would keep the writer waiting: SQLite has no queue
        writing.result()
    rows = snapshot(reviewed)
    assert [rows[one]["count"] for one in (first, second, car, other)] == [100, 100, 250, 250]
    assert [rows[one]["last_at"] for one in (car, other)] == [at(249)] * 2


def test_two_runs_write_tracks_of_the_same_objects(database: Database, tmp_path: Path) -> None:
    """Each names its tracks in another order; neither waits for the other for ever."""
    count, end = 40, 210
    orders = tuple(range(1, count + 1)), tuple(range(count, 0, -1))
    writers = [write_run(database, tmp_path, "default", orders[0], end=10, number=number) for number in (0, 1)]
    with database.write() as connection:
        scope = scope_of(connection, ["default"])
        mine = queries.page_objects(scope, connection, order=ObjectOrder.OLDEST, limit=2 * count)
        for one, other in zip(mine[:count], mine[count:], strict=True):
            review.merge_objects(scope, connection, [one.public_id, other.public_id], actor="eve")

    def write(number: int) -> None:
        writer, source = writers[number]
        for begin in range(10, end, 2):
            writer.write_chunk(source, chunk(begin, begin + 2, local_ids=orders[number]))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, (0, 1)))
    with database.read() as connection:
        rows = queries.page_objects(scope, connection)
    assert [(row.members, row.count) for row in rows] == [(2, 2 * end)] * count
