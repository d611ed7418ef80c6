"""CompiledNetworks: what OpenVINO made of networks for this processor is kept, so that the next start need not."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import openvino as ov
from platformdirs import user_cache_path

from pipeline.models.openvino_core import core

VARIABLE = "SIGHTLINE_COMPILED"  # environment: the folder; empty: nothing is kept
MOST_BYTES = 1 << 30
_LOG = logging.getLogger(__name__)


class CompiledNetworks:
    """A folder in which OpenVINO keeps compiled networks, or none.

    OpenVINO names each file by a hash of the network and the processor's name, and compiles anew where a file is cut
    short or of another version. What it compiles depends on the precision and on the processor's units, too, which a
    virtual machine may hide: those are folders here. A full disk or a folder that cannot be written costs nothing but
    the time. Outputs are the same to the last bit.
    """

    def __init__(self, folder: Path | None, *, most: int = MOST_BYTES) -> None:
        """`most`: bytes in the folder, beyond which those that were used longest ago go."""
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
        if self._folder is None or not self._made(self._folder):
            return core().compile_model(model, device, dict(hints))
        units = sorted(core().get_property(device, "OPTIMIZATION_CAPABILITIES"))
        own = self._folder / "-".join([str(hints.get("INFERENCE_PRECISION_HINT", "auto")), *units]).lower()
        compiled = core().compile_model(model, device, {**hints, "CACHE_DIR": str(own)})
        if not compiled.get_property("LOADED_FROM_CACHE"):
            self._trim(self._folder)
        return compiled

    def _made(self, folder: Path) -> bool:
        """Whether the folder is there; it is said why not."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            _LOG.warning(
                "compiled networks cannot be kept in %s (%s), so that each start compiles them; set %s to another "
                "folder, or to nothing to do without",
                *(folder, error.strerror, VARIABLE),
            )
            self._folder = None
            return False
        return True

    def _trim(self, folder: Path) -> None:
        """Remove files until the others take no more than `most`."""
        found = []
        for file in folder.glob("*/*.blob"):
            try:
                found.append((file.stat(), file))
            except FileNotFoundError:  # another process trims, too
                continue
        room = self._most
        for known, file in sorted(found, key=lambda one: _used(one[0]), reverse=True):
            room -= known.st_size
            if room < 0:
                try:
                    file.unlink(missing_ok=True)
                except OSError as error:
                    _LOG.warning("%s, used long ago, cannot be removed: %s", file, error.strerror)
                    return


@cache
def compiled_networks() -> CompiledNetworks:
    """The process's own."""
    return CompiledNetworks.of(os.environ)


def _used(known: os.stat_result) -> int:
    """When a file was read or written last; many file systems note readings once a day."""
    return max(known.st_atime_ns, known.st_mtime_ns)
