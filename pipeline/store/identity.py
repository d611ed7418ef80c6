"""Rows that several runs share (projects, sources, models): found if they are there, else made."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Connection, select, update

from pipeline.errors import StoreError
from pipeline.models.base import ModelCard
from pipeline.redaction import redact
from pipeline.store.inserting import insert_unless_there
from pipeline.store.records import SourceRecord
from pipeline.store.tables import Model, Project, Run, Source


def project_row(connection: Connection, name: str) -> int:
    """The id of a project."""
    insert_unless_there(connection, Project, [{"name": name}])
    return connection.execute(select(Project.id).where(Project.name == name)).scalar_one()


def parent_row(connection: Connection, parent: UUID | None, project_id: int) -> int | None:
    """The id of a run with this public id. Raises StoreError if the project has none."""
    if parent is None:
        return None
    found = connection.scalar(select(Run.id).where(Run.public_id == parent, Run.project_id == project_id))
    if found is None:
        raise StoreError(f"there is no run {parent} to track again in this project")
    return found


def source_row(connection: Connection, source: SourceRecord, *, project_id: int, public_id: UUID) -> int:
    """The id of a source, which takes on what is newly known of it. `public_id`: for the case that it is made.

    Raises StoreError if its address holds credentials.
    """
    if redact(source.uri_redacted) != source.uri_redacted:
        raise StoreError(f"the address of the source '{source.name}' holds a password; redact it before storing")
    identity = {
        "project_id": project_id,
        "fingerprint": source.fingerprint or "",
        "uri_redacted": source.uri_redacted,
    }
    told = {
        "kind": source.kind,
        "name": source.name,
        "start_at": source.start_at,
        "width": source.width,
        "height": source.height,
        "fps": source.fps,
        "frames": source.frames,
        "duration": source.duration,
        "secret_ref": source.secret_ref,
    }
    insert_unless_there(connection, Source, [identity | told | {"public_id": public_id}])
    source_id = connection.execute(select(Source.id).filter_by(**identity)).scalar_one()
    known = {name: value for name, value in told.items() if value is not None}
    connection.execute(update(Source).where(Source.id == source_id).values(**known))
    return source_id


def model_row(connection: Connection, card: ModelCard) -> int:
    """The id of a model. Raises StoreError if the same weights are stored with other classes or another length."""
    same = {"name": card.name, "sha256": card.sha256}
    told = {"version": card.version, "task": card.task, "dim": card.dimension, "classes": list(card.classes)}
    insert_unless_there(connection, Model, [same | told])
    found = connection.execute(select(Model.id, Model.dim, Model.classes).filter_by(**same)).one()
    if found.dim != card.dimension or list(found.classes) != list(card.classes):
        raise StoreError(
            f"the model '{card.name}' is stored with other classes or another vector length than it has now, though "
            "its weights are the same; give it another name"
        )
    return int(found.id)
