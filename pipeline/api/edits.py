"""Review over HTTP: labels, verdicts, merging, splitting, deleting, undo and redo, and the log of all that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from pipeline.api.failures import not_found, refused
from pipeline.api.objects import LARGEST, Limit, Offset
from pipeline.api.records import EditedJson, EditJson, Page
from pipeline.api.scopes import actor_of, reading, writing
from pipeline.api.services import Services
from pipeline.store import review
from pipeline.store.edit_queries import count_edits
from pipeline.store.filters import Scope
from pipeline.store.queries import visible_among
from pipeline.store.states import Verdict

MOST_OBJECTS = 500  # in one edit


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Chosen(_Body):
    """Which tracks an edit is about."""

    objects: list[UUID] = Field(min_length=1, max_length=MOST_OBJECTS)


class Labelled(Chosen):
    """What they are called; null: by their class again."""

    label: str | None = Field(max_length=review.LONGEST_LABEL)


class Judged(Chosen):
    """What a reviewer thinks of them; null: nothing any more."""

    verdict: Verdict | None


class Kept(Chosen):
    """Whether retention and deletion leave them, and what was recorded of them, alone."""

    protected: bool


class Cut(_Body):
    """Where a track is split."""

    at: int = Field(ge=-LARGEST, le=LARGEST, description="first moment of the later part, microseconds since 1970, UTC")


def edit_routes(services: Services) -> APIRouter:
    """POST of every edit, GET of the log."""
    router = APIRouter(prefix="/api", tags=["review"])

    @router.post("/objects/label")
    def label(body: Labelled, request: Request) -> EditedJson:
        """Call tracks something."""
        with writing(services, "label tracks") as (scope, connection):
            _check(scope, connection, body.objects)
            actor = actor_of(request)
            return EditedJson.of(review.set_label(scope, connection, body.objects, label=body.label, actor=actor))

    @router.post("/objects/verdict")
    def verdict(body: Judged, request: Request) -> EditedJson:
        """Judge tracks."""
        with writing(services, "judge tracks") as (scope, connection):
            _check(scope, connection, body.objects)
            actor = actor_of(request)
            return EditedJson.of(review.set_verdict(scope, connection, body.objects, verdict=body.verdict, actor=actor))

    @router.post("/objects/protect")
    def protect(body: Kept, request: Request) -> EditedJson:
        """Keep tracks and what was recorded of them, however old they are, or no longer."""
        with writing(services, "protect tracks") as (scope, connection):
            _check(scope, connection, body.objects)
            actor = actor_of(request)
            return EditedJson.of(review.set_protected(scope, connection, body.objects, on=body.protected, actor=actor))

    @router.post("/objects/merge")
    def merge(body: Chosen, request: Request) -> EditedJson:
        """Make several tracks one; the earliest remains."""
        with writing(services, "merge tracks") as (scope, connection):
            _check(scope, connection, body.objects)
            return EditedJson.of(review.merge_objects(scope, connection, body.objects, actor=actor_of(request)))

    @router.post("/objects/delete")
    def delete(body: Chosen, request: Request) -> EditedJson:
        """Hide tracks from every page."""
        with writing(services, "delete tracks") as (scope, connection):
            _check(scope, connection, body.objects)
            return EditedJson.of(review.delete_objects(scope, connection, body.objects, actor=actor_of(request)))

    @router.post("/objects/{public_id}/split")
    def split(public_id: UUID, body: Cut, request: Request) -> EditedJson:
        """Make two tracks of one."""
        with writing(services, "split a track") as (scope, connection):
            _check(scope, connection, [public_id])
            actor = actor_of(request)
            return EditedJson.of(review.split_object(scope, connection, public_id, at=body.at, actor=actor))

    @router.post("/edits/undo")
    def undo(request: Request) -> EditedJson:
        """Take back the newest edit. 409 where there is none."""
        with writing(services, "undo an edit") as (scope, connection):
            edited = review.undo(scope, connection, actor=actor_of(request))
        if edited is None:
            raise refused("there is no edit to take back", status=409)
        return EditedJson.of(edited)

    @router.post("/edits/redo")
    def redo(request: Request) -> EditedJson:
        """Do again what was taken back. 409 where there is nothing."""
        with writing(services, "redo an edit") as (scope, connection):
            edited = review.redo(scope, connection, actor=actor_of(request))
        if edited is None:
            raise refused("there is nothing to do again", status=409)
        return EditedJson.of(edited)

    @router.get("/edits")
    def edits(
        object_: Annotated[UUID | None, Query(alias="object")] = None,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> Page[EditJson]:
        """A page of the edit log, the newest first."""
        with reading(services, "list edits") as (scope, connection):
            total = count_edits(scope, connection, public_id=object_)
            rows = review.history(scope, connection, public_id=object_, limit=limit, offset=offset)
        return Page(items=[EditJson.of(row) for row in rows], total=total, limit=limit, offset=offset)

    return router


def _check(scope: Scope, connection: Connection, objects: Sequence[UUID]) -> None:
    """404 where one is not there; review would say so with the same error as for what is not possible."""
    there = visible_among(scope, connection, objects)
    for public_id in objects:
        if public_id not in there:
            raise not_found(f"track {public_id}")
