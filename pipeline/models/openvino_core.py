"""OpenVINO's core: one a process, never given back.

The CPU plugin of a core gives the thread that makes it a signal stack of its own (sigaltstack), and takes it away when
the core goes. Where two cores go in the order in which they came, the thread is left with a stack that is no longer
there, and the next signal that Python handles (Ctrl-C, SIGTERM, a child's end) kills the process with SIGSEGV: seen
with OpenVINO 2026.4 on processors with AMX. A core that stays cannot do this.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from pipeline.models.openvino_library import ov


@cache
def core() -> ov.Core:
    """The process's own."""
    return ov.Core()


class _SignalStack(ctypes.Structure):
    """stack_t of <signal.h>."""

    _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Around libraries that make cores of their own: afterwards this thread has the signal stack it had before."""
    core()  # what stays must be there before what goes
    if sys.platform != "linux":
        yield
        return
    c = ctypes.CDLL(None, use_errno=True)
    before = _SignalStack()
    if c.sigaltstack(None, ctypes.byref(before)) != 0:
        raise OSError(ctypes.get_errno(), "sigaltstack")
    try:
        yield
    finally:
        if c.sigaltstack(ctypes.byref(before), None) != 0:
            raise OSError(ctypes.get_errno(), "sigaltstack")
