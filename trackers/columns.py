"""Parallel columns of an object: attributes that are arrays with a row for each of the things it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trackers.structures import BoolArray, State


class Columns:
    """The attributes `names` of `owner`. Row i of all of them is the same thing."""

    def __init__(self, owner: object, names: Sequence[str]) -> None:
        self._owner, self._names = owner, tuple(names)

    def append(self, **rows: npt.NDArray[Any]) -> None:
        """Further rows of every column. The first ones that come say what shape a row has."""
        if set(rows) != set(self._names):
            raise ValueError(f"rows of {', '.join(sorted(rows))} are not those of {', '.join(sorted(self._names))}")
        for name, further in rows.items():
            before: npt.NDArray[Any] = getattr(self._owner, name)
            joined = np.concatenate([before, further.astype(before.dtype, copy=False)]) if len(before) else further
            setattr(self._owner, name, joined.astype(before.dtype, copy=not len(before)))

    def keep(self, rows: BoolArray) -> None:
        """Only the rows in the mask `rows` (n,)."""
        for name in self._names:
            setattr(self._owner, name, getattr(self._owner, name)[rows])

    def to_arrays(self) -> State:
        """Copies of all columns."""
        return {name.lstrip("_"): getattr(self._owner, name).copy() for name in self._names}

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        for name in self._names:
            setattr(self._owner, name, state[name.lstrip("_")].copy())
