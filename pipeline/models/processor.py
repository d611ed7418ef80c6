"""What this machine's processor computes fast, as far as Linux says so."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_BYTE_UNITS = frozenset({"avx512_vnni", "avx_vnni"})  # x86, as Linux calls them
_BFLOAT_UNITS = frozenset({"amx_bf16", "avx512_bf16"})


def best_in_bytes(flags: frozenset[str] | None = None, capabilities: frozenset[str] | None = None) -> bool:
    """Whether networks in 8 bits are by far the fastest: it has units for them, and none for bfloat16.

    With those for both, bfloat16 loses nothing and is as fast, or two thirds as fast (docs/speed.md). False where Linux
    does not say what it has, and on ARM. `flags`: what Linux says, `capabilities`: what OpenVINO does; None: asked.
    """
    if not _BYTE_UNITS & (_flags() if flags is None else flags):
        return False
    if capabilities is None:
        from pipeline.models.openvino_core import core

        capabilities = frozenset(core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    return "BF16" not in capabilities


def has_bfloat_units(flags: frozenset[str] | None = None) -> bool:
    """Whether an x86 processor has units for bfloat16, whatever a library makes of them.

    False on ARM, also where it has them: what torch gains by them there is not measured. `flags`: as above.
    """
    return bool(_BFLOAT_UNITS & (_flags() if flags is None else flags))


def flags_digest(flags: frozenset[str] | None = None) -> str:
    """16 hexadecimal digits that are others where the processor has other units, or a virtual machine hides some.

    On ARM and other systems than Linux, where units are not known, those of the machine's kind. `flags`: as above.
    """
    known = sorted(_flags() if flags is None else flags) or [platform.machine()]
    return hashlib.sha256(" ".join(known).encode()).hexdigest()[:16]


@cache
def _flags() -> frozenset[str]:
    """Of the first core; none on other systems, and on ARM, whose features stand under another name."""
    if not _CPUINFO.is_file():
        return frozenset()
    lines = _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    first = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(first.partition(":")[2].split())
