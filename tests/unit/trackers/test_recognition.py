"""What goes by looks, apart from the tracker: when two are told apart, what is remembered, and empty pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.unit.trackers.scenes import Box, person, see
from trackers import kalman
from trackers.association import Pairing
from trackers.occlusion import Cover
from trackers.recognition import Recognition
from trackers.structures import Detections, Stage
from trackers.track_table import TrackTable

RED, GREEN, BLUE = np.eye(3)
BROKEN = (np.nan, 0.0, 0.0)
NOBODY = np.zeros(0, np.int64)


def make(*, swap_margin: float = 0.2, covered_share: float = 0.5) -> Recognition:
    return Recognition(
        budget=5,
        appearance_limit=0.3,
        motion_weight=0.0,
        mean_weight=0.0,
        recognition_limit=0.2,
        recognition_speed=2.0,
        swap_margin=swap_margin,
        covered_share=covered_share,
    )


def known(looks: Recognition, features: Sequence[Sequence[float]], *, labels: int | Sequence[int] = 0) -> TrackTable:
    """Confirmed tracks 1, 2, .. 100 px apart, one for each feature."""
    first = see(*[person(100.0 * i) for i in range(len(features))], labels=labels, features=features)
    table = TrackTable(kalman.XYWH8)
    table.predict(0.0)
    table.start(first, Stage.CONFIRMED)
    looks.gallery.start(len(table), first.features)
    table.predict(0.1)
    return table


def given(detections: Detections, owners: Sequence[int]) -> Pairing:
    """Track i has the detection `owners[i]`, -1 for none."""
    pairing = Pairing(len(owners), len(detections))
    pairing.detection_of[:] = owners
    pairing.free[[owner for owner in owners if owner >= 0]] = False
    return pairing


def behind(*pairs: tuple[int, int], tracks: int, share: float = 1.0) -> Cover:
    """Row a is hidden by row b for each (a, b)."""
    shares, by = np.zeros(tracks), np.full(tracks, -1)
    for row, front in pairs:
        shares[row], by[row] = share, front
    return Cover(shares, by)


def apart(
    one: Box = (0, 0, 40, 100),
    other: Box = (100, 0, 140, 100),
    *,
    features: Sequence[Sequence[float]] = (BLUE, RED),
    owners: Sequence[int] = (0, 1),
) -> tuple[list[int], int]:
    """Detections of a red track 1 and a blue track 2 after they met, and the number of open encounters."""
    looks = make()
    table = known(looks, [RED, BLUE])
    looks.encounters.begin(table.ids[:1], table.ids[1:])
    seen = see(one, other, features=features)
    pairing = given(seen, owners)
    looks.tell_apart(pairing, table, seen)
    return pairing.detection_of.tolist(), len(looks.encounters.ids)


def test_two_that_look_like_each_other_change_places() -> None:
    assert apart() == ([1, 0], 0)
    assert apart(features=[RED, BLUE]) == ([0, 1], 0)
    assert apart(features=[GREEN, GREEN]) == ([0, 1], 0)  # like neither


def test_they_have_parted_when_they_share_a_tenth_of_the_smaller() -> None:
    # 40 x 100 px and 20 x 100 px.
    assert apart(other=(36, 0, 76, 100)) == ([1, 0], 0)
    assert apart(other=(35, 0, 75, 100)) == ([0, 1], 1)
    assert apart(other=(38, 0, 58, 100)) == ([1, 0], 0)
    assert apart(other=(37, 0, 57, 100)) == ([0, 1], 1)


@pytest.mark.parametrize("owners", [(0, -1), (-1, 1), (-1, -1)])
def test_as_long_as_one_is_unseen_nothing_is_settled(owners: tuple[int, int]) -> None:
    assert apart(owners=owners) == (list(owners), 1)


def test_as_long_as_one_is_not_described_nothing_is_settled() -> None:
    assert apart(features=[BLUE, BROKEN]) == ([0, 1], 1)


def test_a_track_without_looks_is_nobody_else() -> None:
    looks = make()
    table = known(looks, [RED, BROKEN])
    looks.encounters.begin(table.ids[:1], table.ids[1:])
    seen = see(person(0), person(100), features=[BLUE, RED])
    pairing = given(seen, [0, 1])
    looks.tell_apart(pairing, table, seen)
    assert pairing.detection_of.tolist() == [0, 1]


def test_with_the_place_goes_what_was_believed_but_not_who_it_is() -> None:
    looks = make()
    table = known(looks, [RED, BLUE])
    looks.encounters.begin(table.ids[:1], table.ids[1:])
    seen = see(person(0), person(100), features=[BLUE, RED])
    table.heights[:], table.hits[:], table.started_at[:] = (90, 110), (3, 9), (0.0, 0.05)
    mean, covariance = table.mean.copy(), table.covariance.copy()
    looks.tell_apart(given(seen, [0, 1]), table, seen)
    np.testing.assert_array_equal(table.mean, mean[::-1])
    np.testing.assert_array_equal(table.covariance, covariance[::-1])
    assert table.heights.tolist() == [110, 90]
    assert (table.ids.tolist(), table.hits.tolist(), table.started_at.tolist()) == ([1, 2], [3, 9], [0, 0.05])
    np.testing.assert_allclose(looks.gallery.cost(np.arange(2), np.stack([RED, BLUE])), 1 - np.eye(2))


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([(1, 2), (2, 1)], id="each hid the other"),
        pytest.param([(1, 2), (1, 3)], id="behind two, one after the other"),
        pytest.param([(1, 2), (2, 3)], id="one after the other"),
    ],
)
def test_nobody_changes_places_twice_in_a_frame(pairs: list[tuple[int, int]]) -> None:
    looks = make()
    table = known(looks, [RED, BLUE, BLUE])
    hidden, front = np.array(pairs).T
    looks.encounters.begin(hidden, front)
    seen = see(*[person(100.0 * i) for i in range(3)], features=[BLUE, RED, RED])
    pairing = given(seen, [0, 1, 2])
    looks.tell_apart(pairing, table, seen)
    assert pairing.detection_of.tolist() == [1, 0, 2]
    assert len(looks.encounters.ids) == 0


def test_an_empty_picture_settles_nothing() -> None:
    looks = make()
    table = known(looks, [RED, BLUE])
    looks.encounters.begin(table.ids[:1], table.ids[1:])
    looks.tell_apart(Pairing(2, 0), table, Detections.empty(dimension=3))
    assert len(looks.encounters.ids) == 1


def remembered(looks: Recognition, table: TrackTable, hidden: Cover, *, strong: Sequence[bool] = (True, True)) -> list:
    """Every track is seen in green: which of them know that now."""
    seen = see(*[person(100.0 * i) for i in range(len(table))], features=[GREEN] * len(table))
    pairing = given(seen, range(len(table)))
    looks.remember(pairing, table, seen, np.array(strong), NOBODY, hidden)
    return (looks.gallery.cost(np.arange(len(table)), GREEN[None].astype(np.float32))[:, 0] < 0.5).tolist()


@pytest.mark.parametrize(("share", "expected"), [(0.49, [True, True]), (0.5, [False, True])])
def test_what_is_hidden_is_not_remembered_and_meets_who_hides_it(share: float, expected: list[bool]) -> None:
    looks = make()
    table = known(looks, [RED, BLUE])
    assert remembered(looks, table, behind((0, 1), tracks=2, share=share)) == expected
    assert looks.encounters.ids.tolist() == ([] if expected[0] else [[1, 2]])


def test_weak_detections_are_not_remembered() -> None:
    looks = make()
    table = known(looks, [RED, BLUE])
    assert remembered(looks, table, behind(tracks=2), strong=[False, True]) == [False, True]


def test_even_where_any_share_counts_as_hidden_somebody_hides_it() -> None:
    looks = make(covered_share=0.0)
    table = known(looks, [RED, BLUE])
    assert remembered(looks, table, behind((0, 1), tracks=2, share=0.1)) == [False, True]
    assert looks.encounters.ids.tolist() == [[1, 2]]


def test_two_of_different_classes_are_never_taken_for_each_other() -> None:
    looks = make()
    table = known(looks, [RED, BLUE], labels=[0, 1])
    remembered(looks, table, behind((0, 1), tracks=2))
    assert len(looks.encounters.ids) == 0


def test_tentative_tracks_have_no_encounters() -> None:
    looks = make()
    table = known(looks, [RED, BLUE])
    table.stages[0] = Stage.TENTATIVE
    remembered(looks, table, behind((0, 1), tracks=2))
    assert len(looks.encounters.ids) == 0


@pytest.mark.parametrize("dimension", [None, 3])
def test_nobody_at_all(dimension: int | None) -> None:
    looks, table = make(), TrackTable(kalman.XYWH8)
    table.predict(0.0)
    nothing, pairing = Detections.empty(dimension=dimension), Pairing(0, 0)
    none = np.zeros(0, dtype=bool)
    looks.match(pairing, table, nothing, none)
    looks.recover(pairing, table, nothing, none)
    looks.tell_apart(pairing, table, nothing)
    looks.remember(pairing, table, nothing, none, NOBODY, behind(tracks=0))
    looks.keep(none)
    assert (len(looks.gallery), len(looks.encounters.ids)) == (0, 0)


def test_frames_that_are_not_described_leave_everything_as_it_is() -> None:
    looks = make()
    table = known(looks, [RED, BLUE])
    looks.encounters.begin(table.ids[:1], table.ids[1:])
    seen = see(person(0), person(100))
    pairing, everyone = given(seen, [-1, 1]), np.ones(2, dtype=bool)
    looks.match(pairing, table, seen, everyone)
    looks.recover(pairing, table, seen, everyone)
    looks.tell_apart(pairing, table, seen)
    looks.remember(pairing, table, seen, everyone, np.array([0]), behind((0, 1), tracks=2))
    assert pairing.detection_of.tolist() == [-1, 1]
    assert looks.gallery.counts.tolist() == [1, 1, 0]  # one was born that nobody has described
    assert len(looks.encounters.ids) == 1


def test_saved_and_restored_it_knows_the_same() -> None:
    looks, other = make(), make()
    table = known(looks, [RED, BLUE])
    remembered(looks, table, behind((0, 1), tracks=2))
    other.from_arrays(looks.to_arrays())
    rows, features = np.arange(2), np.eye(3, dtype=np.float32)
    np.testing.assert_array_equal(other.gallery.cost(rows, features), looks.gallery.cost(rows, features))
    assert other.encounters.ids.tolist() == [[1, 2]]
