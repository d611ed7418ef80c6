"""The HTTP application: routes over a store, behind one guard. The review page is mounted on it by app_ui.py."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI

from pipeline.api import failures, login
from pipeline.api.guard import Gate, Guard
from pipeline.api.health import health_routes
from pipeline.api.services import Services
from pipeline.page.access import check_host


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
        title="Sightline", version=version("sightline"), docs_url=None, redoc_url=None, redirect_slashes=False
    )  # the documentation pages would load their scripts from elsewhere
    app.add_middleware(Guard, gate=gate)
    failures.install(app)
    app.include_router(health_routes(services.database))
    app.include_router(login.login_routes(gate))
    return app
