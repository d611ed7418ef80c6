"""SharedBlock: memory that two processes see, known to nobody else and gone with the last of them."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any

import numpy as np
import numpy.typing as npt


class SharedBlock:
    """Zeroed memory behind a file descriptor that has no name anywhere.

    A process that is killed leaves nothing of it, not even in /dev/shm: the system frees it when nobody holds it.
    """

    def __init__(self, fd: int) -> None:
        """Map what `fd` holds. The descriptor is the block's own from now on. Raises OSError without memory."""
        self.fd = fd
        try:
            self._memory = mmap.mmap(fd, os.fstat(fd).st_size)
        except (OSError, ValueError):
            os.close(fd)
            raise

    @classmethod
    def new(cls, size: int) -> SharedBlock:
        """`size`: bytes. Raises OSError without memory."""
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("sightline", os.MFD_CLOEXEC)
        else:  # not Linux: a file without a name
            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        try:
            os.ftruncate(fd, size)
        except OSError:
            os.close(fd)
            raise
        return cls(fd)

    def array(self, shape: tuple[int, ...], dtype: npt.DTypeLike, offset: int = 0) -> npt.NDArray[Any]:
        """A view into it. It must be gone before `close`."""
        return np.ndarray(shape, dtype, self._memory, offset)

    def close(self) -> None:
        """Let go of it. May be called twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
            self._memory.close()
