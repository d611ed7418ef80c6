"""FileAnswer: a file, or a part of it, as the answer to a request."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

import anyio.to_thread
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pipeline.api.ranges import Span, Unsatisfiable, is_known, wanted_span

BLOCK = 256 << 10  # bytes


class _Streamed(StreamingResponse):
    """Closes its file in the end, also where nobody takes the answer."""

    def __init__(self, file: BinaryIO, span: Span, *, status: int, headers: dict[str, str]) -> None:
        super().__init__(_blocks(file, span), status, headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def answer_file(
    request: Request, path: Path, *, etag: str, media_type: str, cache: str, download: str | None = None
) -> Response | None:
    """The file with Range, ETag and HEAD; None if it is gone.

    Opened here: what happens to its name later does not matter. `etag`: of the content, without quotes. `cache`: the
    Cache-Control. `download`: name under which a browser saves it, ASCII.
    """
    try:
        file = path.open("rb")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
    try:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            file.close()
            return None
        return _answer(request, file, status.st_size, etag, media_type, cache, download)
    except BaseException:
        file.close()
        raise


def _answer(
    request: Request, file: BinaryIO, size: int, tag: str, media_type: str, cache: str, download: str | None
) -> Response:
    etag = f'"{tag}"'
    headers = {"etag": etag, "cache-control": cache, "accept-ranges": "bytes", "vary": "cookie"}
    if is_known(request.headers, etag):
        file.close()
        return Response(status_code=304, headers=headers)
    headers["content-type"] = media_type
    if download is not None:
        headers["content-disposition"] = f'attachment; filename="{download}"'
    try:
        span = wanted_span(request.headers, method=request.method, size=size, etag=etag)
    except Unsatisfiable:
        file.close()
        return Response(status_code=416, headers={"content-range": f"bytes */{size}", "cache-control": "no-store"})
    if span is not None:
        headers["content-range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    span, status = (Span(0, size), 200) if span is None else (span, 206)
    headers["content-length"] = str(span.length)
    if request.method == "HEAD":
        file.close()
        return Response(status_code=200, headers=headers)
    return _Streamed(file, span, status=status, headers=headers)


async def _blocks(file: BinaryIO, span: Span) -> AsyncIterator[bytes]:
    remaining = span.length
    await anyio.to_thread.run_sync(file.seek, span.start)
    while remaining:
        block = await anyio.to_thread.run_sync(file.read, min(BLOCK, remaining))
        if not block:
            raise OSError(f"{file.name} became shorter while it was sent")
        remaining -= len(block)
        yield block
