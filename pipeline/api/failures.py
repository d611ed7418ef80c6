"""What went wrong, as HTTP: a status and {"detail": a sentence for people}. Nothing else of an error leaves."""

from __future__ import annotations

import logging

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from pipeline.errors import BusyError, GoneError, OutputError, SightlineError, StoreError

_log = logging.getLogger(__name__)


def not_found(what: str) -> HTTPException:
    """404. Also for what exists but belongs to another project, so that nobody learns that it does."""
    return HTTPException(404, f"there is no such {what}")


def refused(reason: str, *, status: int = 422) -> HTTPException:
    """A request that makes no sense. `reason`: what is wrong and what to do."""
    return HTTPException(status, reason)


def install(app: FastAPI) -> None:
    """Let the application answer its errors in this form."""
    app.add_exception_handler(SightlineError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(Exception, _unforeseen)


async def _told(_: Request, error: Exception) -> JSONResponse:
    match error:
        case GoneError():
            status = 410
        case StoreError():
            status = 503 if isinstance(error.__cause__, SQLAlchemyError) else 409  # the database failed, or forbids it
        case BusyError():
            status = 503
        case OutputError():
            status = 507
        case _:
            status = 422
    return _answer(status, " ".join(str(error).split()))


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # What was sent is left out: it may be a password in the wrong field.
    told = [{"loc": one["loc"], "msg": one["msg"], "type": one["type"]} for one in error.errors()]
    return JSONResponse({"detail": jsonable_encoder(told)}, 422)


async def _plain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code, headers=dict(error.headers or {}))


async def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %r failed", request.method, request.scope["path"], exc_info=error)  # quoted: it may hold line ends
    return _answer(500, "something went wrong here; the server's log says what")


def _answer(status: int, detail: str) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)
