"""CLEAR, Identity and HOTA against numbers worked by hand and against properties every score must have."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.evaluation.mot import FramePair, clear, evaluate, hota, identity
from pipeline.evaluation.scores import ALPHAS, Scores


def frame(truth: Sequence[int], tracks: Sequence[int], similarity: Sequence[Sequence[float]] = ()) -> FramePair:
    shape = (len(truth), len(tracks))
    return FramePair(np.array(truth, int), np.array(tracks, int), np.array(similarity, float).reshape(shape))


# One object; track 1 has it in frames 1 and 2 at 0.8, track 2 in frames 3 and 4 at 0.6.
HANDED_OVER = [frame([7], [1], [[0.8]])] * 2 + [frame([7], [2], [[0.6]])] * 2


def test_clear_counts_a_switch() -> None:
    result = clear(HANDED_OVER)
    assert (result.tp, result.fp, result.fn, result.idsw, result.frag) == (4, 0, 0, 1, 0)
    assert result.mota == 0.75  # (4 - 0 - 1) / 4
    assert result.motp == pytest.approx(0.7)  # (0.8 + 0.8 + 0.6 + 0.6) / 4
    assert (result.recall, result.precision) == (1, 1)


def test_clear_continues_a_match_that_still_overlaps() -> None:
    # Frame 2: track 2 is closer, but track 1 had the object and still reaches 0.5. Track 2 is a false positive.
    result = clear([frame([1], [1], [[0.9]]), frame([1], [1, 2], [[0.55, 0.95]])])
    assert (result.tp, result.fp, result.idsw) == (2, 1, 0)
    assert result.similarity == pytest.approx(0.9 + 0.55)


def test_clear_gives_up_a_match_below_the_threshold() -> None:
    result = clear([frame([1], [1], [[0.9]]), frame([1], [1, 2], [[0.49, 0.6]])])
    assert (result.tp, result.fp, result.idsw) == (2, 1, 1)


@pytest.mark.parametrize(("similarity", "tp"), [(0.5, 1), (np.nextafter(0.5, 0), 1), (0.4999, 0)])
def test_clear_accepts_from_the_threshold_on(similarity: float, tp: int) -> None:
    assert clear([frame([1], [1], [[similarity]])]).tp == tp


def test_clear_counts_a_fragment_where_an_object_comes_back() -> None:
    seen, missed = frame([1], [1], [[0.9]]), frame([1], [9], [[0.0]])
    result = clear([seen, missed, seen, missed, missed, seen])
    assert (result.tp, result.fp, result.fn, result.idsw, result.frag) == (3, 3, 3, 0, 2)
    assert result.mota == 0  # (3 - 3) / 6


def test_clear_passes_over_frames_without_tracks() -> None:
    seen = frame([1], [1], [[0.9]])
    assert clear([seen, frame([1], []), seen]).frag == 0  # TrackEval's convention
    # ... and the match of frame 1 is continued in frame 3 though track 2 is closer
    assert clear([seen, frame([1], []), frame([1], [1, 2], [[0.6, 0.8]])]).idsw == 0


def test_clear_counts_a_fragment_where_the_object_itself_was_away() -> None:
    seen = frame([1], [1], [[0.9]])
    assert clear([seen, frame([2], [2], [[0.9]]), seen]).frag == 1  # TrackEval's convention


def test_clear_tells_a_switch_over_a_gap() -> None:
    result = clear([frame([1], [1], [[0.9]]), frame([1], [9], [[0.0]]), frame([1], [2], [[0.9]])])
    assert (result.idsw, result.frag) == (1, 1)


def test_clear_sorts_objects_by_how_long_they_were_tracked() -> None:
    # Objects 1 to 4 in five frames each, matched in 5, 4, 1 and 0 of them: 1.0 > 0.8; 0.8 and 0.2 lie between; 0 < 0.2.
    matched = {1: 5, 2: 4, 3: 1, 4: 0}
    frames = []
    for number in range(5):
        diagonal = [float(number < matched[identity]) for identity in (1, 2, 3, 4)]
        frames.append(frame([1, 2, 3, 4], [1, 2, 3, 4], np.diag(diagonal).tolist()))
    result = clear(frames)
    assert (result.mt, result.pt, result.ml) == (1, 2, 1)


def test_identity_pairs_an_object_with_the_track_that_has_it_longest() -> None:
    # Track 1 has one frame, track 2 two. IDTP 2, one tracked and one true box are left: IDF1 = 4 / (4 + 1 + 1).
    result = identity([frame([1], [1], [[0.9]])] + [frame([1], [2], [[0.6]])] * 2)
    assert (result.idtp, result.idfp, result.idfn) == (2, 1, 1)
    assert (result.idf1, result.idp, result.idr) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


def test_identity_pairs_for_the_best_total() -> None:
    # Overlapping frames: object 1 with track 1: 3, with track 2: 2; object 2 with track 1: 3. Greedy gives 3, best 5.
    first = [frame([1], [1], [[0.9]])] * 3 + [frame([1], [2], [[0.9]])] * 2
    result = identity(first + [frame([2], [1], [[0.9]])] * 3)
    assert (result.idtp, result.idfp, result.idfn) == (5, 3, 3)


def test_identity_halves_where_a_track_is_handed_over() -> None:
    assert identity(HANDED_OVER).idf1 == 0.5  # IDTP 2, IDFP 2, IDFN 2


def test_hota_of_a_track_handed_over() -> None:
    # Alphas 0.05..0.60 (12): all 4 boxes match, DetA 1; each pair has TPA 2, FNA 2, FPA 0, so AssA 2/4.
    # Alphas 0.65..0.80 (4): the 2 of track 1 match, FN 2, FP 2, DetA 2/6; AssA 2/4. Above (3): nothing matches.
    result = hota(HANDED_OVER)
    assert result.tp.tolist() == [4] * 12 + [2] * 4 + [0] * 3
    assert result.fn.tolist() == result.fp.tolist() == [0] * 12 + [2] * 4 + [4] * 3
    assert result.hota == pytest.approx((12 * sqrt(1 / 2) + 4 * sqrt(1 / 6)) / 19)
    assert result.det_a == pytest.approx((12 + 4 / 3) / 19)
    assert result.ass_a == result.ass_re == pytest.approx(16 * 0.5 / 19)
    assert result.ass_pr == pytest.approx(16 / 19)
    assert result.det_re == result.det_pr == pytest.approx((12 + 4 * 0.5) / 19)
    assert result.loc_a == pytest.approx((12 * 0.7 + 4 * 0.8 + 3 * 1.0) / 19)


def test_hota_prefers_the_pair_that_belongs_together() -> None:
    # Track 1 has the object in frames 1 to 4. In frame 5 it is at 0.5, a passing track 2 at 0.6.
    # Alignment: track 1 (4 + 0.5/1.1) / (5 + 5 - 4.45) = 0.80, track 2 (0.6/1.1) / (5 + 1 - 0.55) = 0.10;
    # 0.80 * 0.5 > 0.10 * 0.6, so track 1 is matched. Above alpha 0.5 that pair drops out and track 2 does not step in.
    result = hota([frame([1], [1], [[0.9]])] * 4 + [frame([1], [1, 2], [[0.5, 0.6]])])
    half, above = 9, 10  # positions of alpha 0.50 and 0.55
    assert (result.tp[half], result.fn[half], result.fp[half]) == (5, 0, 1)
    assert (result.tp[above], result.fn[above], result.fp[above]) == (4, 1, 2)


@pytest.mark.parametrize("steps", range(1, 20))
def test_hota_accepts_from_each_alpha_on(steps: int) -> None:
    result = hota([frame([1], [1], [[steps / 20]])])
    assert result.tp.tolist() == [1] * steps + [0] * (19 - steps)


def test_alphas_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ALPHAS[0] = 0.5


def test_a_similarity_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(1, 2\), got \(2, 1\)"):
        FramePair(np.array([1]), np.array([1, 2]), np.zeros((2, 1)))


@pytest.mark.parametrize("frames", [[], [frame([], [])] * 3])
def test_nothing_against_nothing_scores_nothing(frames: list[FramePair]) -> None:
    scores = evaluate(frames)
    assert (scores.clear.tp, scores.clear.fp, scores.clear.fn, scores.clear.mota) == (0, 0, 0, 0)
    assert (scores.identity.idf1, scores.hota.hota, scores.hota.loc_a) == (0, 0, 1)


def test_no_track_misses_everything() -> None:
    scores = evaluate([frame([1, 2], [])] * 3)
    assert (scores.clear.fn, scores.clear.fp, scores.clear.ml, scores.clear.mota) == (6, 0, 2, 0)
    assert (scores.identity.idfn, scores.identity.idf1, scores.hota.hota) == (6, 0, 0)
    assert scores.hota.fn.tolist() == [6] * 19


def test_no_truth_makes_every_box_false() -> None:
    scores = evaluate([frame([], [1, 2])] * 3)
    assert (scores.clear.fp, scores.clear.fn, scores.clear.ml) == (6, 0, 0)
    assert scores.clear.mota == 0  # not defined; TrackEval says 0
    assert (scores.identity.idfp, scores.identity.idf1, scores.hota.hota) == (6, 0, 0)
    assert scores.hota.fp.tolist() == [6] * 19


@st.composite
def sequences(draw: st.DrawFn) -> list[FramePair]:
    """Up to 4 objects and 4 tracks over 8 frames. Similarities are drawn from a seed, so no two are equal but zeros."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frames = []
    for _ in range(draw(st.integers(0, 8))):
        truth, tracks = (np.flatnonzero(random.random(4) < share) + 1 for share in random.random(2))
        similarity = random.random((len(truth), len(tracks))) * (random.random((len(truth), len(tracks))) < 0.6)
        frames.append(FramePair(truth, tracks, similarity))
    return frames


def numbers(scores: Scores) -> list[float]:
    hota_, clear_, identity_ = scores.hota, scores.clear, scores.identity
    return [
        *(hota_.hota, hota_.det_a, hota_.ass_a, hota_.det_re, hota_.det_pr, hota_.ass_re, hota_.ass_pr, hota_.loc_a),
        *(clear_.tp, clear_.fp, clear_.fn, clear_.idsw, clear_.frag, clear_.mt, clear_.pt, clear_.ml, clear_.mota),
        *(clear_.motp, identity_.idtp, identity_.idfp, identity_.idfn, identity_.idf1),
    ]


@given(sequences())
def test_ratios_stay_in_range(frames: list[FramePair]) -> None:
    scores = evaluate(frames)
    curves = np.concatenate([scores.hota.hota_curve, scores.hota.det_a_curve, scores.hota.ass_a_curve])
    assert ((curves >= 0) & (curves <= 1 + 1e-12)).all()
    assert scores.clear.mota <= 1
    assert 0 <= scores.identity.idf1 <= 1
    assert scores.clear.tp + scores.clear.fn == sum(len(frame.truth) for frame in frames)
    assert scores.clear.mt + scores.clear.pt + scores.clear.ml == len({i for frame in frames for i in frame.truth})


@given(sequences())
def test_perfect_tracks_score_one(frames: list[FramePair]) -> None:
    perfect = [FramePair(f.truth, f.truth + 10, np.eye(len(f.truth))) for f in frames]
    if not any(len(f.truth) for f in perfect):
        return
    scores = evaluate(perfect)
    assert (scores.clear.mota, scores.clear.motp, scores.identity.idf1) == (1, 1, 1)
    assert (scores.hota.hota, scores.hota.loc_a) == pytest.approx((1, 1))
    assert (scores.clear.idsw, scores.clear.pt, scores.clear.ml) == (0, 0, 0)


@given(sequences(), st.permutations(range(1, 5)), st.permutations(range(1, 5)), st.integers(0, 2**32 - 1))
def test_names_and_order_do_not_matter(
    frames: list[FramePair], objects: list[int], tracks: list[int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    other = []
    for pair in frames:
        rows, columns = random.permutation(len(pair.truth)), random.permutation(len(pair.tracks))
        own = np.array([0, *objects])[pair.truth] * 1000
        by = np.array([0, *tracks])[pair.tracks] - 2  # ids may be 0 or negative
        other.append(FramePair(own[rows], by[columns], pair.similarity[np.ix_(rows, columns)]))
    assert numbers(evaluate(other)) == pytest.approx(numbers(evaluate(frames)), abs=1e-12)


@given(sequences())
def test_swapping_truth_and_tracks_swaps_recall_and_precision(frames: list[FramePair]) -> None:
    there, back = evaluate(frames), evaluate([FramePair(f.tracks, f.truth, f.similarity.T) for f in frames])
    assert back.identity.idf1 == there.identity.idf1
    assert (back.identity.idp, back.identity.idr) == (there.identity.idr, there.identity.idp)
    assert back.hota.hota == pytest.approx(there.hota.hota, abs=1e-12)
    assert (back.hota.det_re, back.hota.det_pr) == pytest.approx((there.hota.det_pr, there.hota.det_re), abs=1e-12)
    assert (back.hota.ass_re, back.hota.ass_pr) == pytest.approx((there.hota.ass_pr, there.hota.ass_re), abs=1e-12)
