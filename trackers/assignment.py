"""The best assignment of rows to columns: scipy's function, without what else scipy.optimize loads.

Loading all of scipy.optimize takes longer than tracking a short clip, and this one function needs none of it.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Any

import scipy

from trackers.structures import FloatArray, IntArray

_MODULE = "_lsap"  # in which scipy has it from 1.13 on, at least


def best_assignment(gains: FloatArray) -> tuple[IntArray, IntArray]:
    """Rows and columns (k,) of the assignment with the greatest sum of `gains` (n, m); k is the smaller of n and m."""
    rows, columns = _solve(gains, maximize=True)
    return rows, columns


def solver_of(folder: Path) -> Any:
    """The function from the one compiled file; from all of scipy.optimize where a build of scipy keeps it elsewhere.

    `folder`: in which scipy.optimize lies.
    """
    for suffix in importlib.machinery.EXTENSION_SUFFIXES:
        file = folder / f"{_MODULE}{suffix}"
        spec = importlib.util.spec_from_file_location(f"scipy.optimize.{_MODULE}", file) if file.is_file() else None
        if spec is not None and spec.loader is not None:
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module.linear_sum_assignment
    from scipy.optimize import linear_sum_assignment as whole

    return whole


_solve = solver_of(Path(scipy.__path__[0]) / "optimize")
