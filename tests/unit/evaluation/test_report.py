"""The table that people read and the dict that becomes JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from rich.console import Console

from pipeline.evaluation.benchmark import Benchmark, Evaluation
from pipeline.evaluation.mot import FramePair, evaluate
from pipeline.evaluation.report import to_dict, to_table
from pipeline.evaluation.scores import combine

PAIR = FramePair(np.array([1]), np.array([1]), np.array([[0.8]]))
GOOD = evaluate([PAIR] * 3)
BAD = evaluate([FramePair(np.array([1]), np.array([1]), np.array([[0.0]]))])
BOTH = Evaluation(Benchmark.MOT17, {"MOT17-02-FRCNN": GOOD, "B": BAD}, combine([GOOD, BAD]))


def rendered(evaluation: Evaluation, *, width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(to_table(evaluation))
    return capture.get().splitlines()


def test_dict_holds_every_score() -> None:
    result = to_dict(BOTH)
    assert list(result) == ["benchmark", "sequences", "COMBINED"]
    assert result["benchmark"] == "mot17"
    assert list(result["sequences"]) == ["MOT17-02-FRCNN", "B"]
    pooled = result["COMBINED"]
    assert (pooled["TP"], pooled["FP"], pooled["FN"], pooled["IDTP"], pooled["MT"], pooled["ML"]) == (3, 1, 1, 3, 1, 1)
    assert pooled["MOTA"] == 0.5  # (3 - 1) / 4
    assert pooled["MOTP"] == pytest.approx(0.8)
    assert pooled["IDF1"] == 0.75
    # 16 alphas up to 0.80: DetA 3 / 5, AssA 1
    assert pooled["HOTA_curve"] == pytest.approx([0.6**0.5] * 16 + [0] * 3)
    assert pooled["HOTA"] == pytest.approx(16 * 0.6**0.5 / 19)
    assert pooled["alphas"][::18] == [0.05, 0.95]


def test_dict_goes_into_json_and_back() -> None:
    for evaluation in (BOTH, Evaluation(Benchmark.MOT15, {}, evaluate([]))):
        result = to_dict(evaluation)
        assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_table_has_a_row_a_sequence_and_fits_a_terminal() -> None:
    lines = rendered(BOTH, width=80)
    assert "mot17" in lines[0]
    rows = [line.split() for line in lines if line.strip()]
    assert rows[1] == ["Sequence", "HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "Frag", "FP", "FN", "MT", "ML"]
    assert rows[3] == ["MOT17-02-FRCNN", "84.21", "84.21", "84.21", "100.00", "100.00", "0", "0", "0", "0", "1", "0"]
    assert rows[4] == ["B", "0.00", "0.00", "0.00", "-100.00", "0.00", "0", "0", "1", "1", "0", "1"]
    assert rows[-1][:1] + rows[-1][4:6] == ["COMBINED", "50.00", "75.00"]


def test_table_without_sequences() -> None:
    assert "COMBINED" in "".join(rendered(Evaluation(Benchmark.MOT17, {}, evaluate([])), width=80))
