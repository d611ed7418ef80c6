"""ReaderProcess: the other side of a reading process, from its start to its certain end."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.context import BaseContext
from multiprocessing.reduction import recv_handle, send_handle

from pipeline.sources import reader
from pipeline.sources.ledger import Ledger
from pipeline.sources.reading import NewRing, ReadOrder, RecordNow, Stop, Told
from pipeline.sources.ring import Ring
from pipeline.sources.shared_block import SharedBlock

_JOIN_SECONDS = 0.3


class ReaderProcess:
    """A child that reads one connection. Its frames and counts can be read after its end, however that came."""

    def __init__(self, order: ReadOrder) -> None:
        """Start it. Raises OSError where the system gives no process or no memory."""
        self.ledger = Ledger()
        self._wake, theirs = os.pipe()
        os.set_blocking(self._wake, False)
        context = _context()
        self._pipe, child_end = context.Pipe()
        try:
            self._process = context.Process(target=reader.main, args=(child_end,), name=f"camera {order.name}")  # type: ignore[attr-defined]
            self._process.daemon = True
            self._process.start()
            self._pipe.send(order)
            for fd in (theirs, self.ledger.fd):
                send_handle(self._pipe, fd, self._process.pid)
        except BaseException:
            os.close(self._wake)
            self._pipe.close()
            raise
        finally:
            os.close(theirs)
            child_end.close()

    @property
    def pid(self) -> int:
        """Of the child."""
        return int(self._process.pid or 0)

    @property
    def watched(self) -> list[object]:
        """What becomes readable when it says something, has a frame, or ends; for `multiprocessing.connection.wait`."""
        return [self._pipe, self._wake, self._process.sentinel]

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return bool(self._process.is_alive())

    def frames_came(self) -> bool:
        """Whether it published something since the last question."""
        try:
            return bool(os.read(self._wake, 4096))
        except BlockingIOError:
            return False

    def told(self) -> Iterator[Told | Ring]:
        """What it has said since the last question. A NewRing is followed by the ring itself."""
        with suppress(EOFError, OSError):
            while self._pipe.poll():
                said = self._pipe.recv()
                yield said
                if isinstance(said, NewRing):
                    yield Ring(SharedBlock(recv_handle(self._pipe)))

    def record(self, on: bool) -> None:
        """Let it go on or pause with recording."""
        with suppress(OSError):  # it is about to be replaced, and the next one is told from the start
            self._pipe.send(RecordNow(on))

    def stop(self, *, seconds: float) -> None:
        """Ask it to finish, and kill it where it has not after so long. Its messages can still be read."""
        if seconds > 0:
            with suppress(OSError):
                self._pipe.send(Stop())
            self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
        self._process.join(_JOIN_SECONDS)

    def close(self) -> None:
        """Let go of everything but its rings. After `stop`."""
        os.close(self._wake)
        self._pipe.close()
        self.ledger.close()
        if not self._process.is_alive():
            self._process.close()


def _context() -> BaseContext:
    """Processes fork from a server that has loaded FFmpeg once; where there is no such thing, each loads it anew."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "pipeline.sources.reader"])
    return context
