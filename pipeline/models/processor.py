"""What this machine's processor computes fast, as far as it says so."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pipeline.models.openvino_core import core

_CPUINFO = Path("/proc/cpuinfo")
_BYTE_UNITS = {"avx512_vnni", "avx_vnni"}  # x86, as Linux calls them


def best_in_bytes(flags: frozenset[str] | None = None, capabilities: frozenset[str] | None = None) -> bool:
    """Whether networks in 8 bits are by far the fastest: it has units for them, and none for bfloat16.

    With those for both, bfloat16 is about as fast and loses nothing. False where it does not say what it has, as on
    other systems than Linux. `flags`: what Linux says of it, `capabilities`: what OpenVINO does; None: asked.
    """
    known = _flags() if flags is None else flags
    if not known & _BYTE_UNITS:
        return False
    if capabilities is None:
        capabilities = frozenset(core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    return "BF16" not in capabilities


@cache
def _flags() -> frozenset[str]:
    if not _CPUINFO.is_file():
        return frozenset()
    lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    first = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(first.partition(":")[2].split())
