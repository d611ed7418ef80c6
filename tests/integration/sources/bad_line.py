"""BadLine: a TCP line to an RTSP server on which bytes of pictures are flipped."""

from __future__ import annotations

import socket
import threading
from random import Random
from types import TracebackType
from typing import Self

_RTP_HEAD = 14  # bytes of an RTP packet and of its first unit that stay as they are


class BadLine:
    """Listens on a free port of 127.0.0.1 and passes everything on; while `bad`, one RTP packet in ten is damaged."""

    def __init__(self, port: int, *, seed: int = 1) -> None:
        """`port`: of the server."""
        self._server_port = port
        self._random = Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.bad = False
        self.damaged = 0  # packets
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            self._sockets += [client, server]
            for target, ends in ((self._ask, (client, server)), (self._answer, (server, client))):
                thread = threading.Thread(target=target, args=ends, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _ask(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(65536):
                server.sendall(data)
        except OSError:
            pass
        finally:
            _end(server)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        """RTSP's answers are lines of text; between them are packets: $, channel, length, data."""
        stream = server.makefile("rb")
        try:
            while first := stream.read(1):
                if first != b"$":
                    client.sendall(first + stream.readline())
                    continue
                head = stream.read(3)
                data = bytearray(stream.read(int.from_bytes(head[1:], "big")))
                if self.bad and head[0] == 0 and len(data) > 100 and self._random.random() < 0.1:
                    self.damaged += 1
                    for _ in range(20):
                        data[self._random.randrange(_RTP_HEAD, len(data))] ^= 1 << self._random.randrange(8)
                client.sendall(first + head + data)
        except (OSError, ValueError):
            pass
        finally:
            _end(client)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            _end(one)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()


def _end(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended before
