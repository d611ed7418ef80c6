"""In which arithmetic networks are fastest on a processor."""

from __future__ import annotations

import pytest
import torch

from pipeline.models.processor import best_in_bytes, flags_digest, has_bfloat_units


@pytest.mark.parametrize(
    ("flags", "capabilities", "bytes_win"),
    [
        ({"avx512f", "avx512_vnni"}, {"FP32", "INT8"}, True),
        ({"avx2", "avx_vnni"}, {"FP32", "INT8"}, True),
        ({"avx512_vnni", "amx_bf16"}, {"FP32", "INT8", "BF16"}, False),
        ({"avx2"}, {"FP32", "INT8"}, False),
        (set(), {"FP32", "INT8"}, False),
    ],
)
def test_bytes_win_where_there_are_units_for_them_and_none_for_bfloat16(
    flags: set[str], capabilities: set[str], bytes_win: bool
) -> None:
    assert best_in_bytes(frozenset(flags), frozenset(capabilities)) is bytes_win


@pytest.mark.parametrize(
    ("flags", "there"),
    [
        ({"avx512f", "avx512_bf16"}, True),
        ({"amx_bf16", "amx_tile"}, True),
        ({"avx512f", "avx512_vnni"}, False),  # multiplies it in 32 bits: slower than those themselves
        ({"asimd", "bf16"}, False),  # ARM
        (set(), False),
    ],
)
def test_units_for_bfloat16(flags: set[str], there: bool) -> None:
    assert has_bfloat_units(frozenset(flags)) is there


def test_this_machine_has_the_units_that_torch_sees() -> None:
    if not hasattr(torch.cpu, "get_capabilities"):
        pytest.skip(f"torch {torch.__version__} does not say what the processor has")
    seen = torch.cpu.get_capabilities()
    assert has_bfloat_units() == any(seen.get(unit, False) for unit in ("amx_bf16", "avx512_bf16"))


def test_other_units_are_another_digest() -> None:
    known = {flags_digest(frozenset(units)) for units in (("avx2",), ("avx2", "avx512_vnni"), ())}
    assert len(known) == 3
    assert flags_digest(frozenset({"a", "b"})) == flags_digest(frozenset({"b", "a"}))
    assert flags_digest() == flags_digest()
