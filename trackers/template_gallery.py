"""What every target looked like: its first look, and as many later ones as differ from all that are known."""

from __future__ import annotations

import numpy as np

from trackers.columns import Columns
from trackers.structures import BoolArray, FloatArray, IntArray, State


class TemplateGallery:
    """Looks of targets, unit vectors of one length. Row i is target i.

    `appearance.Gallery` keeps a track's last looks. Here they must outlast a target's absence and whatever was taken
    for it in between: the first look stays, and the others are as different from each other as they come.
    """

    def __init__(self, *, budget: int = 12, new: float = 0.8) -> None:
        """`budget`: looks of each target. `new`: a look is kept where its cosine with every known one is below this."""
        if budget < 1:
            raise ValueError(f"a gallery holds at least the first look, not {budget}")
        self.budget, self.new = budget, new
        self._looks: FloatArray = np.zeros((0, budget, 0))  # (n, budget, d), zeros where there is none yet
        self._counts = np.zeros(0, np.int64)  # looks ever kept of each target
        self._columns = Columns(self, ("_looks", "_counts"))

    def __len__(self) -> int:
        return len(self._counts)

    def start(self, looks: FloatArray) -> None:
        """Further targets, by their first looks (k, d)."""
        if len(looks) == 0:
            return
        kept = np.zeros((len(looks), self.budget, looks.shape[1]))
        kept[:, 0] = looks
        self._columns.append(_looks=kept, _counts=np.ones(len(looks), np.int64))

    def add(self, rows: IntArray, looks: FloatArray) -> None:
        """Keep those of the looks (m, d) of the targets `rows` (m,), each there once, that are new.

        When there is no room left the oldest but the first is forgotten.
        """
        fresh = self.likeness(rows, looks) < self.new
        if self.budget == 1 or not fresh.any():
            return
        rows = rows[fresh]
        counts = self._counts[rows]
        self._looks[rows, np.where(counts < self.budget, counts, 1 + (counts - 1) % (self.budget - 1))] = looks[fresh]
        self._counts[rows] = counts + 1

    def likeness(self, rows: IntArray, looks: FloatArray) -> FloatArray:
        """Largest cosine (m,) of each of the looks (m, d) with those kept of the target in `rows` (m,); 0 or more."""
        if len(rows) == 0:
            return np.zeros(0)
        return np.asarray(np.einsum("mbd,md->mb", self._looks[rows], looks).max(axis=1).clip(0, 1))

    def keep(self, rows: BoolArray) -> None:
        """Forget the targets that are not in the mask `rows` (n,)."""
        self._columns.keep(rows)

    def to_arrays(self) -> State:
        """Everything but the settings."""
        return self._columns.to_arrays()

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`. ValueError for a state with another budget."""
        if state["looks"].shape[1] != self.budget:
            raise ValueError(f"the saved gallery holds {state['looks'].shape[1]} looks of a target, not {self.budget}")
        self._columns.from_arrays(state)
