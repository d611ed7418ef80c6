"""The HTTP application: routes over a store, behind one guard. The review page is mounted on it by app_ui.py."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI

from pipeline.api import failures, login
from pipeline.api.cameras import camera_routes
from pipeline.api.edits import edit_routes
from pipeline.api.events import event_routes
from pipeline.api.exports import export_routes
from pipeline.api.failures import not_found
from pipeline.api.follows import follow_routes
from pipeline.api.guard import Gate, Guard
from pipeline.api.health import health_routes
from pipeline.api.media import media_routes
from pipeline.api.objects import object_routes
from pipeline.api.recordings import recording_routes
from pipeline.api.rules import rule_routes
from pipeline.api.runs import Starting, run_routes
from pipeline.api.search import search_routes
from pipeline.api.services import Services
from pipeline.api.uploads import upload_routes
from pipeline.api.warming import warming
from pipeline.page.access import check_host

_ALL = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


def make_app(services: Services) -> FastAPI:
    """The application. What is mounted on it later, at "/" too, stands behind the same guard and session.

    `request.state.actor` names who asks. Raises ConfigError where others could reach it and there is no password.
    """
    check_host(services.host, services.password)
    limits = services.limits
    gate = Gate(
        password=services.password,
        host=services.host,
        body_bytes=limits.body_bytes,
        body_bytes_of={
            "/login": login.BODY_BYTES,
            "/api/uploads": limits.upload_bytes,
            "/api/search": limits.picture_bytes,
        },
    )
    app = FastAPI(
        title="Sightline",
        version=version("sightline"),
        docs_url=None,  # the documentation pages would load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=warming(services),
    )
    app.add_middleware(Guard, gate=gate)
    failures.install(app)
    app.include_router(health_routes(services.database))
    app.include_router(login.login_routes(gate))
    everything = (
        *(media_routes, object_routes, edit_routes, search_routes, upload_routes, export_routes),
        *(camera_routes, event_routes, rule_routes, recording_routes),
    )
    for routes in everything:
        app.include_router(routes(services))
    starting = Starting()
    for starting_routes in (run_routes, follow_routes):
        app.include_router(starting_routes(services, starting))
    app.add_api_route("/api/{rest:path}", _nothing, methods=_ALL, include_in_schema=False)
    return app


def _nothing() -> None:
    """Else the page that is mounted behind would answer with HTML."""
    raise not_found("address")
