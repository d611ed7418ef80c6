"""Recognition: the stages of DeepSORT that go by looks, and what they remember of every track.

`match` is the cascade of Wojke et al. 2017 (listing 1). `recover` finds tracks that are far from where motion would
have them by looks alone, within what can be reached. `tell_apart` asks again who is who after one track has hidden
another. While it is hidden, a track remembers nothing: its picture shows the other.
"""

from __future__ import annotations

import numpy as np

from trackers import kalman
from trackers.appearance import Gallery
from trackers.association import Candidates, Pairing
from trackers.geometry import areas, centres, intersection_pairs
from trackers.occlusion import Cover, Encounters
from trackers.structures import BoolArray, Detections, FloatArray, IntArray, State, joined, part_of
from trackers.track_table import TrackTable

_PARTED = 0.1  # of the smaller box, shared: two that hid each other no longer do


class Recognition:
    """Row i of the gallery is row i of the table of tracks."""

    def __init__(
        self,
        *,
        budget: int,
        appearance_limit: float,
        motion_weight: float,
        mean_weight: float,
        recognition_limit: float,
        recognition_speed: float,
        swap_margin: float,
        covered_share: float,
    ) -> None:
        self.appearance_limit = appearance_limit  # t(2) of eq. 4: largest cosine distance within the motion gate
        self.motion_weight = motion_weight  # lambda of eq. 5
        self.mean_weight = mean_weight  # share of the running mean in d2, beside the nearest exemplar
        self.recognition_limit = recognition_limit  # largest cosine distance beyond the gate; 0: nothing is recovered
        self.recognition_speed = recognition_speed  # heights of its box a second that a lost track may have gone
        self.swap_margin = swap_margin  # gain in cosine distance that makes two tracks change places; 2: never
        self.covered_share = covered_share  # from this share of its box on a track is hidden
        self.gallery = Gallery(budget=budget)
        self.encounters = Encounters()

    def match(self, pairing: Pairing, table: TrackTable, detections: Detections, among: BoolArray) -> None:
        """Listing 1: tracks seen more recently choose first, by looks within the motion gate."""
        if detections.features is None:
            return
        candidates = self._gated(table, detections, among)
        levels = table.seen_at[candidates.rows]
        while len(candidates):
            latest = levels == levels.max()
            pairing.match(table.confirmed, among, candidates[latest], limit=np.inf)
            left = ~latest & pairing.free[candidates.columns]
            candidates, levels = candidates[left], levels[left]

    def recover(self, pairing: Pairing, table: TrackTable, detections: Detections, among: BoolArray) -> None:
        """Give lost tracks what looks like them and is no farther from their prediction than they can go."""
        if detections.features is None or self.recognition_limit == 0:
            return
        tracks, seen = pairing.open_tracks(table.confirmed).nonzero()[0], (among & pairing.free).nonzero()[0]
        way = np.linalg.norm(
            table.mean[tracks, None, :2] - centres(detections.boxes[seen].astype(np.float64))[None], axis=2
        )
        reach = table.heights[tracks] * (0.5 + self.recognition_speed * (table.time - table.seen_at[tracks]))
        alike = table.labels[tracks, None] == detections.labels[None, seen]
        i, j = np.nonzero((way <= reach[:, None]) & alike)
        if len(i) == 0:
            return
        rows, columns = tracks[i], seen[j]
        cost = self.gallery.pair_cost(rows, columns, detections.features)
        found = Candidates(rows, columns, cost, (len(table), len(detections)))
        pairing.match(table.confirmed, among, found, limit=self.recognition_limit)

    def tell_apart(self, pairing: Pairing, table: TrackTable, detections: Detections) -> list[tuple[int, int]]:
        """Let two tracks that have parted change places if each looks like the other one did before they met.

        Returns the rows of those that did.
        """
        exchanged: list[tuple[int, int]] = []
        if detections.features is None or self.swap_margin >= 2:
            return exchanged
        rows = self.encounters.rows(table.ids)
        both = np.flatnonzero((pairing.detection_of[rows] >= 0).all(axis=1))
        taken = pairing.detection_of[rows[both]]
        boxes = detections.boxes[taken].astype(np.float64)
        shared = intersection_pairs(boxes[:, 0], boxes[:, 1])
        apart = np.flatnonzero(shared <= _PARTED * np.minimum(areas(boxes[:, 0]), areas(boxes[:, 1])))
        apart = apart[np.isfinite(detections.features[taken[apart]]).all(axis=(1, 2))]
        if len(apart) == 0:
            return exchanged
        parted = np.zeros(len(rows), dtype=bool)
        parted[both[apart]] = True
        self.encounters.end(parted)
        (a, b), (i, j) = rows[parted].T, taken[apart].T
        count = len(a)
        rows, columns = np.concatenate([a, b, a, b]), np.concatenate([i, j, j, i])
        cost = self.gallery.pair_cost(rows, columns, detections.features)
        straight, crossed = cost[: 2 * count].reshape(2, -1).sum(axis=0), cost[2 * count :].reshape(2, -1).sum(axis=0)
        moved: set[int] = set()
        for one, other in np.column_stack([a, b])[crossed + self.swap_margin < straight].tolist():
            if moved.isdisjoint((one, other)):
                table.exchange(one, other)
                pairing.exchange(one, other)
                moved |= {one, other}
                exchanged.append((one, other))
        return exchanged

    def remember(
        self,
        pairing: Pairing,
        table: TrackTable,
        detections: Detections,
        strong: BoolArray,
        born: IntArray,
        hidden: Cover,
    ) -> None:
        """Take in the features of strong matches that nothing hides, and of new tracks; note who is behind whom."""
        if detections.features is None:
            self.gallery.start(len(born), None)
            return
        behind = hidden.reaches(self.covered_share)
        rows = pairing.matched
        rows = rows[strong[pairing.detection_of[rows]] & ~behind[rows]]
        self.gallery.add(rows, detections.features[pairing.detection_of[rows]], at=table.time)
        self.gallery.start(len(born), detections.features[born], at=table.time)
        if self.swap_margin < 2:
            behind &= table.confirmed & (table.labels == table.labels[hidden.by])
            self.encounters.begin(table.ids[behind], table.ids[hidden.by[behind]])

    def keep(self, kept: BoolArray) -> None:
        """Forget the other tracks."""
        self.gallery.keep(kept)

    def to_arrays(self) -> State:
        """What is remembered."""
        return joined({"gallery": self.gallery.to_arrays(), "encounters": self.encounters.to_arrays()})

    def from_arrays(self, state: State) -> None:
        """The inverse of `to_arrays`."""
        self.gallery.from_arrays(part_of(state, "gallery"))
        self.encounters.from_arrays(part_of(state, "encounters"))

    def _gated(self, table: TrackTable, detections: Detections, among: BoolArray) -> Candidates:
        """c = lambda d1 + (1 - lambda) d2 of pairs with d1 <= t1 and d2 <= t2 (eqs. 5 and 6)."""
        assert detections.features is not None
        tracks, seen = np.flatnonzero(table.confirmed), np.flatnonzero(among)
        i, j, d1 = kalman.gated_pairs(
            table.model, table.mean[tracks], table.covariance[tracks], detections.boxes[seen], table.heights[tracks]
        )
        rows, columns = tracks[i], seen[j]
        alike = table.labels[rows] == detections.labels[columns]
        rows, columns, d1 = rows[alike], columns[alike], d1[alike]
        d2 = self._cost(rows, columns, detections.features)
        near = (d2 <= self.appearance_limit).nonzero()[0]
        cost = self.motion_weight * d1[near] + (1 - self.motion_weight) * d2[near]
        return Candidates(rows[near], columns[near], cost, (len(table), len(detections)))

    def _cost(self, rows: IntArray, columns: IntArray, features: FloatArray) -> FloatArray:
        """d2 of the pairs (p,): share `mean_weight` from the running mean, the rest from the nearest exemplar (eq. 3).

        Infinite where a track has no feature yet, or a feature is not finite.
        """
        if self.mean_weight == 0:
            return self.gallery.pair_cost(rows, columns, features)
        mean = self.gallery.mean_pair_cost(rows, columns, features)
        if self.mean_weight == 1:
            return mean
        known = np.flatnonzero(np.isfinite(mean))
        nearest = self.gallery.pair_cost(rows[known], columns[known], features)
        mean[known] = (1 - self.mean_weight) * nearest + self.mean_weight * mean[known]
        return mean
