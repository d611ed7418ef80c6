"""CompiledNetworks: what OpenVINO made of networks for this processor is kept, so that the next start need not."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_path

from pipeline.models.openvino_core import core
from pipeline.models.openvino_library import ov
from pipeline.models.processor import flags_digest

VARIABLE = "SIGHTLINE_COMPILED"  # environment: the folder; empty: nothing is kept
MOST_BYTES = 1 << 30
_OURS = "openvino-"  # what folders of ours are called by
_PATIENCE = 60.0  # seconds, of those who wait for another process to have compiled
_LOG = logging.getLogger(__name__)


class CompiledNetworks:
    """A folder in which OpenVINO keeps compiled networks, or none.

    OpenVINO names each file by a hash of the network and the processor's name, and compiles anew where a file is cut
    short or of another version. What it compiles depends on the precision and on the processor's units, too, which a
    virtual machine may hide: those are folders here. It writes files in place, so one process at a time is let in.
    Outputs are the same to the last bit. Whatever goes wrong with the folder costs nothing but the time, and is said.
    A folder that others can write is not used: what lies there runs in place of networks whose hash was checked.
    """

    def __init__(self, folder: Path | None, *, most: int = MOST_BYTES) -> None:
        """`most`: bytes in the folder, beyond which files that were used longest ago go."""
        self._folder, self._most = folder, most

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> CompiledNetworks:
        """As SIGHTLINE_COMPILED says, else beside what other programs cache of the user."""
        named = environment.get(VARIABLE)
        if named is None:
            return cls(user_cache_path("sightline") / "compiled")
        return cls(Path(named).expanduser() if named else None)

    def compile(self, model: ov.Model, device: str, hints: Mapping[str, Any]) -> ov.CompiledModel:
        """The network for a device. Raises RuntimeError, as OpenVINO does."""
        if self._folder is None:
            return core().compile_model(model, device, dict(hints))
        try:
            return self._kept(self._folder, model, device, hints)
        except (OSError, RuntimeError) as error:  # Timeout is an OSError
            compiled = core().compile_model(model, device, dict(hints))  # fails, too, where the folder is not to blame
            lines = str(error).strip().splitlines() or [type(error).__name__]
            _LOG.warning(
                "compiled networks are not kept in %s (%s): each start compiles them. Set %s to a folder of your own, "
                "or to nothing to do without",
                *(self._folder, lines[-1], VARIABLE),
            )
            self._folder = None
            return compiled

    def _kept(self, folder: Path, model: ov.Model, device: str, hints: Mapping[str, Any]) -> ov.CompiledModel:
        """Compiled, or as it was compiled before. Raises OSError and RuntimeError."""
        precision = str(hints.get("INFERENCE_PRECISION_HINT", "auto")).lower()
        own = folder / f"{_OURS}{precision}-{flags_digest()}"
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = own.stat()
        if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(f"others can write {own}")
        with FileLock(own / ".lock", timeout=_PATIENCE):
            compiled = core().compile_model(model, device, {**hints, "CACHE_DIR": str(own)})
        if not compiled.get_property("LOADED_FROM_CACHE"):
            self._trim(folder)
        return compiled

    def _trim(self, folder: Path) -> None:
        """Remove files until the others take no more than `most`. Raises OSError."""
        found = []
        for file in folder.glob(f"{_OURS}*/*.blob"):
            try:
                found.append((file.stat(), file))
            except FileNotFoundError:  # another process trims, too
                continue
        room = self._most
        for known, file in sorted(found, key=lambda one: _used(one[0]), reverse=True):
            room -= known.st_size
            if room < 0:
                file.unlink(missing_ok=True)


@cache
def compiled_networks() -> CompiledNetworks:
    """The process's own."""
    return CompiledNetworks.of(os.environ)


def _used(known: os.stat_result) -> int:
    """When a file was read or written last; many file systems note readings once a day."""
    return max(known.st_atime_ns, known.st_mtime_ns)
