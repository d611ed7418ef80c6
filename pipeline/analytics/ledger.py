"""Ledger: what is known of the tracks that are followed, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trackers.structures import BoolArray, FloatArray, IntArray, State

SETTLE = 0.25  # seconds for which a track must be seen elsewhere before it is: a box may jump for a moment
ROUNDING = 1e-6  # seconds; sums of frame times are not exact


@dataclass(frozen=True, slots=True)
class Column:
    """One value, or an array of values, for each track."""

    blank: npt.NDArray[Any]  # of a track that is new; its shape and type are those of every row


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """The confirmed tracks of one frame. Row i of every column is the same track."""

    time: float  # seconds
    at: int  # microseconds UTC
    size: FloatArray  # width, height of the picture, pixels
    ids: IntArray  # (k,)
    labels: IntArray  # (k,)
    points: FloatArray  # (k, 2, 2) where they stand: middle of the lower edge, centre; shares
    extents: FloatArray  # (k, 2) width and height of their boxes, pixels


class Ledger:
    """Rows lie in the order of ids, so that nothing depends on the order in which a tracker tells its tracks."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self.ids: IntArray = np.zeros(0, np.int64)
        self._blanks = {name: column.blank for name, column in columns.items()}
        self._values: State = {name: _repeated(blank, 0) for name, blank in self._blanks.items()}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """A column, to be read and written in place."""
        return self._values[name]

    def rows(self, ids: IntArray) -> IntArray:
        """Row numbers of those among some tracks that are followed, in their order."""
        return np.flatnonzero(np.isin(self.ids, ids))

    def follow(self, ids: IntArray) -> IntArray:
        """Row numbers of some tracks (k,), which are followed from now on."""
        born = np.setdiff1d(ids, self.ids)
        if len(born):
            order = np.argsort(np.concatenate([self.ids, born]))
            self.ids = np.concatenate([self.ids, born])[order]
            self._values = {
                name: np.concatenate([values, _repeated(self._blanks[name], len(born))])[order]
                for name, values in self._values.items()
            }
        return np.searchsorted(self.ids, ids)

    def forget(self, rows: IntArray) -> None:
        """Follow some tracks no more."""
        kept: BoolArray = np.ones(len(self), bool)
        kept[rows] = False
        self.ids = self.ids[kept]
        self._values = {name: values[kept] for name, values in self._values.items()}

    def take_over(
        self, earlier: Ledger, column: str, *, mine: IntArray | None = None, its: IntArray | None = None
    ) -> None:
        """Copy what another ledger knows of its tracks, which all are followed here.

        `mine`, `its`: numbers of the rules that are the same, in this ledger and the other; None: no column of rules.
        """
        rows = np.searchsorted(self.ids, earlier.ids)
        if mine is None or its is None:
            self[column][rows] = earlier[column]
        else:
            self[column][rows[:, None], mine] = earlier[column][:, its]

    def to_arrays(self) -> State:
        """Everything, copied."""
        return {"ids": self.ids.copy()} | {name: values.copy() for name, values in self._values.items()}

    def from_arrays(self, state: State) -> None:
        """Go on from what `to_arrays` gave. Raises ValueError if it is of other columns."""
        for name, blank in self._blanks.items():
            if name not in state or state[name].shape != (len(state["ids"]), *blank.shape):
                raise ValueError(f"the saved column '{name}' does not fit these zones and lines")
        self.ids = state["ids"].astype(np.int64)
        self._values = {name: state[name].astype(blank.dtype) for name, blank in self._blanks.items()}


def blank(value: float | bool, *shape: int, dtype: npt.DTypeLike = np.float64) -> Column:
    """A column whose rows are arrays filled with a value."""
    return Column(np.full(shape, value, dtype))


def same_rules(mine: Sequence[object], its: Sequence[object]) -> tuple[IntArray, IntArray]:
    """Numbers of the rules that are equal in two lists, in each of them."""
    pairs = [(number, its.index(rule)) for number, rule in enumerate(mine) if rule in its]
    numbers = np.array(pairs, np.int64).reshape(-1, 2)
    return numbers[:, 0], numbers[:, 1]


def _repeated(value: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    return np.repeat(value[None], count, axis=0)
