"""The best assignment is that of scipy.optimize, and loads nothing else of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from trackers.assignment import best_assignment


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (4, 7), (9, 2), (60, 60)])
def test_it_is_scipys(shape: tuple[int, int]) -> None:
    gains = np.random.default_rng(3).normal(size=shape)
    for ours, theirs in zip(best_assignment(gains), linear_sum_assignment(gains, maximize=True), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_where_scipy_keeps_it_elsewhere_it_is_loaded_with_the_rest(tmp_path: Path) -> None:
    """In a process of its own: here all of it is loaded already, and is the same function."""
    code = (
        "import sys, numpy, trackers.assignment, pathlib\n"
        "before = 'scipy.optimize' in sys.modules\n"
        f"solve = trackers.assignment.solver_of(pathlib.Path({str(tmp_path)!r}))\n"
        "print(before, 'scipy.optimize' in sys.modules, solve(numpy.eye(2), maximize=True)[1].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False True [0, 1]"


def test_a_tracker_loads_no_optimizers() -> None:
    code = "import sys, trackers.deepsort; print('scipy.optimize' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "False"
