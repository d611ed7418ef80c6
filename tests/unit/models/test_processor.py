"""In which arithmetic networks are fastest on a processor."""

from __future__ import annotations

import pytest

from pipeline.models.processor import best_in_bytes


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
