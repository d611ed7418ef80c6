"""Review: labels, verdicts, protection, merging, splitting and deleting objects, and undo and redo of all of it.

Every function takes the scope first and runs in the caller's write transaction: `with database.write() as connection`.
Each edit is one entry of the log and changes objects and members only; what the machine found stays as it is. Undo
goes back edit by edit through a project's log, whoever made it, and redo forward again until something new is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.errors import StoreError
from pipeline.store import review_log
from pipeline.store.filters import Scope
from pipeline.store.public_id import PublicIds
from pipeline.store.review_lock import Chosen, choose, lock_objects, lock_projects
from pipeline.store.review_log import Change, EditRow, LoggedEdit, told
from pipeline.store.review_split import divided, insert_hidden
from pipeline.store.review_state import EVERYTHING, MEMBERS, States, joined, missing_tracks, read_states, write_states
from pipeline.store.review_words import clock, counted, words_of_reviewer
from pipeline.store.states import EditOp, Verdict
from pipeline.store.writer import now_microseconds

LONGEST_LABEL = 100  # characters
LONGEST_ACTOR = 100


@dataclass(frozen=True, slots=True)
class Edited:
    """What an edit did."""

    edit_id: int
    op: EditOp
    objects: tuple[UUID, ...]  # what it touched and is visible now; the earliest first
    summary: str  # "3 tracks merged into 1"


def set_label(
    scope: Scope, connection: Connection, objects: Sequence[UUID], *, label: str | None, actor: str
) -> Edited:
    """Call objects something; None or blank: by their class again. Raises StoreError if one is not in the scope."""
    name = None if label is None or not label.strip() else words_of_reviewer(label, "a label", longest=LONGEST_LABEL)
    chosen = choose(scope, connection, objects)
    tracks = counted(len(chosen.keys))
    done = f"label removed from {tracks}" if name is None else f"{tracks} labelled '{name}'"
    return _set(connection, chosen, EditOp.LABEL, {"label": name}, summary=done, actor=actor)


def set_verdict(
    scope: Scope, connection: Connection, objects: Sequence[UUID], *, verdict: Verdict | None, actor: str
) -> Edited:
    """Judge objects; None: not judged any more. Raises StoreError if one is not in the scope."""
    chosen = choose(scope, connection, objects)
    tracks = counted(len(chosen.keys))
    done = f"verdict removed from {tracks}" if verdict is None else f"{tracks} {_JUDGED[verdict]}"
    return _set(
        connection,
        chosen,
        EditOp.VERDICT,
        {"verdict": None if verdict is None else verdict.value},
        summary=done,
        actor=actor,
    )


def set_protected(scope: Scope, connection: Connection, objects: Sequence[UUID], *, on: bool, actor: str) -> Edited:
    """Protect objects from being deleted, and the recordings that show them from retention; or no longer.

    Raises StoreError if one is not in the scope.
    """
    chosen = choose(scope, connection, objects)
    done = f"{counted(len(chosen.keys))} {'protected' if on else 'protected no longer'}"
    return _set(connection, chosen, EditOp.PROTECT, {"protected": on}, summary=done, actor=actor)


def delete_objects(scope: Scope, connection: Connection, objects: Sequence[UUID], *, actor: str) -> Edited:
    """Hide objects from every page, search and reviewed export. Their tracks stay in the store, for undo.

    Raises StoreError if one is not in the scope or is protected; then none is hidden.
    """
    chosen = choose(scope, connection, objects)
    if chosen.protected:
        raise StoreError(f"track {chosen.protected[0]} is protected and cannot be deleted; leave it out")
    done = f"{counted(len(chosen.keys))} deleted"
    return _set(connection, chosen, EditOp.DELETE, {"hidden": True}, summary=done, actor=actor)


def merge_objects(scope: Scope, connection: Connection, objects: Sequence[UUID], *, actor: str) -> Edited:
    """Make several objects one: the earliest takes the members of the others, which are hidden.

    In whatever order they are given the earliest remains, so that its address stays good. Its label and verdict count;
    where it has none, those of the next one that has. It is protected if one of them was. Parts of a track that meet
    are joined. Raises StoreError for fewer than two objects, or if one is not in the scope.
    """
    chosen = choose(scope, connection, objects)
    if len(chosen.keys) < 2:
        raise StoreError("a merge needs at least two tracks; choose another one")
    before = read_states(connection, chosen.keys, EVERYTHING)
    survivor, *others = chosen.keys
    states = [before[public_id] for public_id in chosen.keys]
    after: States = {public_id: before[public_id] | {"hidden": True, MEMBERS: []} for public_id in others}
    after[survivor] = {
        "label": next((state["label"] for state in states if state["label"] is not None), None),
        "verdict": next((state["verdict"] for state in states if state["verdict"] is not None), None),
        "protected": any(state["protected"] for state in states),
        "hidden": False,
        MEMBERS: joined(member for state in states for member in state[MEMBERS]),
    }
    change = Change(f"{counted(len(states))} merged into 1", before, after)
    return _edit(connection, EditOp.MERGE, chosen, change, actor=actor)


def split_object(scope: Scope, connection: Connection, public_id: UUID, *, at: int, actor: str) -> Edited:
    """Make two of an object: what was seen at `at` (microseconds UTC) or later becomes an object of its own.

    The later one takes over the label and the protection, but nobody has judged it yet. A track seen on both sides is
    cut in two, others go as a whole. Raises StoreError if the object is not in the scope, or if one side would be
    without observation.
    """
    chosen = choose(scope, connection, [public_id])
    whole = read_states(connection, chosen.keys, EVERYTHING)[public_id]
    earlier, later = divided(connection, chosen.keys[public_id], at)
    born = PublicIds().new()
    key = insert_hidden(connection, chosen.keys[public_id], born)
    unborn = whole | {"verdict": None, "hidden": True, MEMBERS: []}
    before: States = {public_id: whole, born: unborn}
    after: States = {public_id: whole | {MEMBERS: earlier}, born: unborn | {"hidden": False, MEMBERS: later}}
    both = Chosen(chosen.project_id, chosen.keys | {born: key}, ())
    change = Change(f"1 track split at {clock(at)}", before, after)
    return _edit(connection, EditOp.SPLIT, both, change, actor=actor)


def undo(scope: Scope, connection: Connection, *, actor: str) -> Edited | None:
    """Take back the newest edit that still holds, exactly; None if there is none.

    Raises StoreError if that is not possible any more because a run with its tracks was deleted; edits before it then
    stay as they are, edits after it can still be undone.
    """
    lock_projects(connection, scope.project_ids)
    return _revert(scope, connection, review_log.next_undo(scope, connection), op=EditOp.UNDO, actor=actor)


def redo(scope: Scope, connection: Connection, *, actor: str) -> Edited | None:
    """Do again what the last undo took back; None if there is none, or something else was done since.

    Raises StoreError as `undo` does.
    """
    lock_projects(connection, scope.project_ids)
    return _revert(scope, connection, review_log.next_redo(scope, connection), op=EditOp.REDO, actor=actor)


def history(
    scope: Scope, connection: Connection, *, public_id: UUID | None = None, limit: int = 50, offset: int = 0
) -> list[EditRow]:
    """A page of edits, the newest first. `public_id`: only those that touched this object, which may be hidden."""
    return review_log.history(scope, connection, public_id=public_id, limit=limit, offset=offset)


_JUDGED = {Verdict.CONFIRMED: "confirmed", Verdict.REJECTED: "rejected", Verdict.UNSURE: "marked as unsure"}


def _set(
    connection: Connection, chosen: Chosen, op: EditOp, values: dict[str, Any], *, summary: str, actor: str
) -> Edited:
    """The same values for all objects."""
    before = read_states(connection, chosen.keys, list(values))
    after: States = {public_id: dict(values) for public_id in chosen.keys}
    return _edit(connection, op, chosen, Change(summary, before, after), actor=actor)


def _edit(
    connection: Connection, op: EditOp, chosen: Chosen, change: Change, *, actor: str, undoes: int | None = None
) -> Edited:
    who = words_of_reviewer(actor, "the name of who edits", longest=LONGEST_ACTOR)
    write_states(connection, chosen.keys, change.after)
    edit_id = review_log.append(
        connection,
        op,
        change,
        project_id=chosen.project_id,
        object_ids=list(chosen.keys.values()),
        actor=who,
        at=now_microseconds(),
        undoes=undoes,
    )
    shown = read_states(connection, chosen.keys, ["hidden"])
    visible = tuple(public_id for public_id in chosen.keys if not shown[public_id]["hidden"])
    return Edited(edit_id, op, visible, told(op, change.summary))


def _revert(scope: Scope, connection: Connection, edit: LoggedEdit | None, *, op: EditOp, actor: str) -> Edited | None:
    if edit is None:
        return None
    change, touched = edit.change, list(edit.change.before)
    rows = lock_objects(scope, connection, touched)
    keys = {row.public_id: row.id for row in rows}
    what = f"'{change.summary}' cannot be {'undone' if op is EditOp.UNDO else 'redone'}"
    if len(keys) < len(touched):
        raise StoreError(f"{what}: {counted(len(touched) - len(keys))} of it went with a deleted run")
    if lost := missing_tracks(connection, change.before):
        raise StoreError(f"{what}: {counted(lost)} that it moved went with a deleted run")
    now = read_states(connection, keys, list(next(iter(change.after.values()))))
    if now != change.after:
        raise StoreError(f"{what}: its tracks were changed by something else since; edit them by hand")
    chosen = Chosen(edit.project_id, keys, ())
    back = Change(change.summary, now, change.before)
    return _edit(connection, op, chosen, back, actor=actor, undoes=edit.edit_id)
