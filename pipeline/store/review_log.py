"""The log of edits: what was done, by whom, what it changed, and which of it can be undone or redone.

The log only grows. An undo is an edit that points to the edit it undoes; a redo is one that points to an undo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, exists, func, insert, select
from sqlalchemy.orm import aliased

from pipeline.store.batches import batches
from pipeline.store.filters import Scope
from pipeline.store.review_state import States, from_json, to_json
from pipeline.store.states import EditOp
from pipeline.store.tables import Edit, EditObject, Object


@dataclass(frozen=True, slots=True)
class EditRow:
    """One step of review, for a history."""

    edit_id: int
    at: int  # microseconds UTC
    actor: str
    op: EditOp
    summary: str  # "3 tracks merged into 1"
    objects: tuple[UUID, ...]  # all it touched that still exist, also hidden ones, in the order they were made
    undoes: int | None  # edit_id that this one undoes
    undone_by: int | None  # edit_id that undoes this one


@dataclass(frozen=True, slots=True)
class Change:
    """What an edit did to its objects."""

    summary: str  # an undo and a redo repeat that of the edit they are about
    before: States
    after: States


@dataclass(frozen=True, slots=True)
class LoggedEdit:
    """An edit as undo needs it."""

    edit_id: int
    project_id: int
    change: Change


def append(
    connection: Connection,
    op: EditOp,
    change: Change,
    *,
    project_id: int,
    object_ids: Sequence[int],
    actor: str,
    at: int,
    undoes: int | None = None,
) -> int:
    """Write an edit down. Returns its id. `object_ids`: row ids of what it touched. `at`: microseconds UTC."""
    row = {
        "project_id": project_id,
        "at": at,
        "actor": actor,
        "op": op.value,
        "before": {"objects": to_json(change.before)},
        "after": {"objects": to_json(change.after), "summary": change.summary},
        "undoes_id": undoes,
    }
    edit_id = connection.execute(insert(Edit).values(row).returning(Edit.id)).scalar_one()
    touched = [{"edit_id": edit_id, "object_id": object_id} for object_id in object_ids]
    connection.execute(insert(EditObject), touched)
    return edit_id


def next_undo(scope: Scope, connection: Connection) -> LoggedEdit | None:
    """The newest edit that still holds; None if there is none."""
    return _newest(connection, _standing(scope).where(Edit.op != EditOp.UNDO))


def next_redo(scope: Scope, connection: Connection) -> LoggedEdit | None:
    """The newest undo that still holds, unless something else was done since; None if there is none."""
    steps = (EditOp.UNDO, EditOp.REDO)
    done = select(func.max(Edit.id)).where(Edit.project_id.in_(scope.project_ids), Edit.op.not_in(steps))
    newest = connection.scalar(done) or 0
    return _newest(connection, _standing(scope).where(Edit.op == EditOp.UNDO, Edit.id > newest))


def history(
    scope: Scope, connection: Connection, *, public_id: UUID | None = None, limit: int = 50, offset: int = 0
) -> list[EditRow]:
    """A page of edits, the newest first. `public_id`: only those that touched this object, which may be hidden."""
    undoing = aliased(Edit)
    query = (
        select(Edit.id, Edit.at, Edit.actor, Edit.op, Edit.after, Edit.undoes_id, undoing.id.label("undone_by"))
        .outerjoin(undoing, undoing.undoes_id == Edit.id)
        .where(Edit.project_id.in_(scope.project_ids))
    )
    if public_id is not None:
        touched = select(EditObject.edit_id).join(Object, Object.id == EditObject.object_id)
        query = query.where(Edit.id.in_(touched.where(Object.public_id == public_id)))
    rows = connection.execute(query.order_by(Edit.id.desc()).limit(limit).offset(offset)).all()
    objects = _objects(connection, [row.id for row in rows])
    return [
        EditRow(
            edit_id=row.id,
            at=row.at,
            actor=row.actor,
            op=EditOp(row.op),
            summary=told(EditOp(row.op), row.after["summary"]),
            objects=tuple(objects[row.id]),
            undoes=row.undoes_id,
            undone_by=row.undone_by,
        )
        for row in rows
    ]


def told(op: EditOp, summary: str) -> str:
    """What an edit did. `summary`: of the edit that is undone or redone, where it is an undo or a redo."""
    match op:
        case EditOp.UNDO:
            return f"undone: {summary}"
        case EditOp.REDO:
            return f"redone: {summary}"
        case _:
            return summary


def _standing(scope: Scope) -> Select[*tuple[Any, ...]]:
    """Edits that nothing undoes. One whose objects were all deleted with their run has nothing left to undo."""
    undoing = aliased(Edit)
    return select(Edit.id, Edit.project_id, Edit.before, Edit.after).where(
        Edit.project_id.in_(scope.project_ids),
        ~exists().where(undoing.undoes_id == Edit.id),
        exists().where(EditObject.edit_id == Edit.id),
    )


def _newest(connection: Connection, query: Select[*tuple[Any, ...]]) -> LoggedEdit | None:
    row = connection.execute(query.order_by(Edit.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    before, after = from_json(row.before["objects"]), from_json(row.after["objects"])
    return LoggedEdit(row.id, row.project_id, Change(row.after["summary"], before, after))


def _objects(connection: Connection, edit_ids: Sequence[int]) -> dict[int, list[UUID]]:
    found: dict[int, list[UUID]] = {edit_id: [] for edit_id in edit_ids}
    query = (
        select(EditObject.edit_id, Object.public_id)
        .join(Object, Object.id == EditObject.object_id)
        .order_by(EditObject.edit_id, Object.id)
    )
    for batch in batches(edit_ids):
        for row in connection.execute(query.where(EditObject.edit_id.in_(batch))):
            found[row.edit_id].append(row.public_id)
    return found
