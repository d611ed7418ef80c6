"""Counting the edit log, for its pages."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, func, select

from pipeline.store.filters import Scope
from pipeline.store.tables import Edit, EditObject, Object


def count_edits(scope: Scope, connection: Connection, *, public_id: UUID | None = None) -> int:
    """How many edits there are. `public_id`: only those that touched this object, which may be hidden."""
    query = select(func.count()).select_from(Edit).where(Edit.project_id.in_(scope.project_ids))
    if public_id is not None:
        touched = (
            select(EditObject.edit_id)
            .join(Object, Object.id == EditObject.object_id)
            .where(Object.public_id == public_id)
        )
        query = query.where(Edit.id.in_(touched))
    return connection.execute(query).scalar_one()
