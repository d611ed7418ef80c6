"""Similarity over HTTP: what looks like a track, and what looks like a picture that somebody sends."""

from __future__ import annotations

import threading
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from pipeline.api.failures import not_found, refused
from pipeline.api.objects import LARGEST, Wanted
from pipeline.api.pictures import read_upload
from pipeline.api.records import FoundJson, HitJson, Page, SearchModelJson
from pipeline.api.scopes import reading
from pipeline.api.services import Services
from pipeline.store.filters import ObjectFilter, Scope
from pipeline.store.queries import find_object

MOST = 200  # hits
AT_ONCE = 2  # pictures that are unpacked and described at the same time

Model = Annotated[int | None, Query(ge=0, le=LARGEST, description="id from /api/models; else the one with most to say")]
Most = Annotated[int, Query(ge=1, le=MOST)]


def search_routes(services: Services) -> APIRouter:
    """GET /api/models, GET /api/objects/{id}/similar, POST /api/search."""
    router = APIRouter(prefix="/api", tags=["search"])
    unpacking = threading.BoundedSemaphore(AT_ONCE)

    @router.get("/models")
    def models() -> Page[SearchModelJson]:
        """The networks by whose features tracks can be compared, the one that described most first."""
        found = services.similarity.models(_scope(services))
        items = [SearchModelJson.of(model) for model in found]
        return Page(items=items, total=len(items), limit=len(items), offset=0)

    @router.get("/objects/{public_id}/similar")
    def similar(public_id: UUID, wanted: Wanted, model: Model = None, limit: Most = 24) -> FoundJson:
        """Tracks that look like one, the most alike first."""
        with reading(services, "look for a track") as (scope, connection):
            if find_object(scope, connection, public_id) is None:
                raise not_found("track")
        hits = services.similarity.similar_to_object(scope, public_id, wanted=wanted, limit=limit, model_id=model)
        return FoundJson(hits=[HitJson.of(hit) for hit in hits])

    @router.post("/search")
    async def search(request: Request, wanted: Wanted, model: Model = None, limit: Most = 24) -> FoundJson:
        """Tracks that look like the picture in the body (JPEG, PNG or WebP of one object)."""
        content = await request.body()
        return await run_in_threadpool(by_picture, content, wanted, model, limit)

    def by_picture(content: bytes, wanted: ObjectFilter, model: int | None, limit: int) -> FoundJson:
        scope = _scope(services)
        known = [one.model_id for one in services.similarity.models(scope)]
        if not known:
            raise refused("no track is described yet; run with an embedder first", status=409)
        if model is not None and model not in known:
            raise not_found("model")
        chosen = known[0] if model is None else model
        with unpacking:
            picture = read_upload(content, most_pixels=services.limits.picture_pixels)
            vector = services.pictures.vector_of(picture, scope, model_id=chosen)
        hits = services.similarity.similar_to_vector(scope, vector, model_id=chosen, wanted=wanted, limit=limit)
        return FoundJson(hits=[HitJson.of(hit) for hit in hits])

    return router


def _scope(services: Services) -> Scope:
    with reading(services, "look for tracks") as (scope, _):
        return scope
