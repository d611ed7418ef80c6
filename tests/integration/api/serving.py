"""An application behind a real server on a free port of this machine."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from fastapi import FastAPI

from tests.promptness import allowed, until


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve in a thread; gives the address and ends with the block."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="critical", lifespan="on", ws="none", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive(), 30, "the server does not start")
            assert thread.is_alive(), "the server ended before it began"
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(timeout=allowed(30))


def asking(address: str, *, headers: Mapping[str, str] | None = None) -> httpx.Client:
    """A client that waits for its answers as long as a busy machine takes."""
    return httpx.Client(base_url=address, headers=headers, timeout=120)


@dataclass(frozen=True)
class Plain:
    """An answer, byte for byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def plain_request(
    address: str, target: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Plain:
    """A request whose target is sent as it is: clients like to clean paths up."""
    host, _, port = address.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=120)
    try:
        given = {name.lower(): value for name, value in (headers or {}).items()}
        connection.putrequest(method, target, skip_host="host" in given, skip_accept_encoding=True)
        for name, value in given.items():
            connection.putheader(name, value)
        if body:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Plain(answer.status, found, answer.read())
    finally:
        connection.close()
