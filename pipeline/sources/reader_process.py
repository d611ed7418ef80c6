"""ReaderProcess: the other side of a reading process, from its start to its certain end."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import recv_handle, send_handle

from pipeline.sources import reader
from pipeline.sources.ledger import Ledger
from pipeline.sources.reading import NewRing, ReadOrder, RecordNow, Stop, Told
from pipeline.sources.ring import Ring
from pipeline.sources.shared_block import SharedBlock

_JOIN_SECONDS = 0.3
# multiprocessing keeps one list of all children and looks at each of them whenever one is started; so none may be let
# go meanwhile, or it would read from a descriptor that has become somebody else's.
_CHILDREN = threading.Lock()


class ReaderProcess:
    """A child that reads one connection. Its frames and counts can be read after its end, however that came."""

    def __init__(self, order: ReadOrder) -> None:
        """Start it. Raises OSError where the system gives no process, no descriptor or no memory."""
        context = _context()
        with ExitStack() as ours, ExitStack() as given:
            self.ledger = Ledger()
            ours.callback(self.ledger.close)
            self._wake, theirs = os.pipe()
            ours.callback(os.close, self._wake)
            given.callback(os.close, theirs)
            os.set_blocking(self._wake, False)
            self._pipe, child_end = context.Pipe()
            ours.callback(self._pipe.close)
            given.callback(child_end.close)
            self._process = context.Process(target=reader.main, args=(child_end,), name=f"camera {order.name}")  # type: ignore[attr-defined]
            self._process.daemon = True
            with _CHILDREN:
                _start(self._process)
            self._pipe.send(order)
            for fd in (theirs, self.ledger.fd):
                send_handle(self._pipe, fd, self._process.pid)
            ours.pop_all()

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
        """What it has said since the last question; instead of a NewRing the ring itself.

        Raises OSError where the system gives no memory for it.
        """
        while True:
            try:
                if not self._pipe.poll():
                    return
                said = self._pipe.recv()
                fd = recv_handle(self._pipe) if isinstance(said, NewRing) else None
            except (EOFError, OSError):  # it has ended
                return
            yield said if fd is None else Ring(SharedBlock(fd))

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
        with _CHILDREN:
            if not self._process.is_alive():
                self._process.close()


def _start(process: BaseProcess) -> None:
    """Raises OSError, also where the server that is to fork it has just ended."""
    try:
        process.start()
    except EOFError as error:
        raise OSError("the server of processes has ended") from error


def _context() -> BaseContext:
    """Processes fork from a server that has loaded FFmpeg once; where there is no such thing, each loads it anew."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "pipeline.sources.reader"])
    return context
