"""/healthz: whether the page works, for those who watch over it. It tells nothing else, and asks for no password."""

from __future__ import annotations

from importlib.metadata import version
from typing import Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import text

from pipeline.errors import StoreError
from pipeline.store.database import Database


class Health(BaseModel):
    """What a watcher needs to know."""

    status: Literal["ok", "unavailable"]
    database: Literal["reachable", "unreachable"]
    version: str


def health_routes(database: Database) -> APIRouter:
    """GET /healthz: 200, or 503 where the database cannot be read."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", responses={503: {"model": Health}})
    def healthz(response: Response) -> Health:
        response.headers["cache-control"] = "no-store"
        try:
            with database.read("look after the store") as connection:
                connection.execute(text("SELECT 1"))
        except StoreError:
            response.status_code = 503
            return Health(status="unavailable", database="unreachable", version=version("sightline"))
        return Health(status="ok", database="reachable", version=version("sightline"))

    return router
