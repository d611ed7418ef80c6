"""Benchmark rules worked by hand, published scores of real results, and every layout of folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import FormatError
from pipeline.evaluation.benchmark import Benchmark, evaluate_files, evaluate_folders, find_benchmark, pair_frames
from pipeline.evaluation.mot import evaluate
from pipeline.evaluation.scores import Clear
from pipeline.evaluation.sequences import SequenceBoxes, read_detections, write_tracks

PEDESTRIAN, ON_VEHICLE, CAR, CYCLE, STATIC, DISTRACTOR, REFLECTION = 1, 2, 3, 6, 7, 8, 12


def boxes(*rows: tuple[int, float, int, int]) -> SequenceBoxes:
    """Boxes of 10 x 10 pixels, each (frame, left, class, score); ids count from 1."""
    frames, left, classes, scores = np.array(rows, float).reshape(-1, 4).T
    ids = np.arange(1, len(rows) + 1)
    corners = np.stack([left, 0 * left, left + 10, 0 * left + 10], axis=1)
    return SequenceBoxes(frames.astype(int), ids, corners, scores, classes.astype(int), np.ones(len(rows)))


def score(truth: SequenceBoxes, tracks: SequenceBoxes, benchmark: Benchmark = Benchmark.MOT17) -> Clear:
    return evaluate(pair_frames(truth, tracks, benchmark=benchmark)).clear


def counts(result: Clear) -> tuple[int, int, int]:
    return result.tp, result.fp, result.fn


@pytest.mark.parametrize("label", [ON_VEHICLE, STATIC, DISTRACTOR, REFLECTION])
@pytest.mark.parametrize("benchmark", [Benchmark.MOT16, Benchmark.MOT17, Benchmark.MOT20])
def test_a_track_on_a_distractor_is_no_mistake(label: int, benchmark: Benchmark) -> None:
    truth = boxes((1, 0, PEDESTRIAN, 1), (1, 100, label, 0))
    tracks = boxes((1, 0, -1, 1), (1, 100, -1, 1), (1, 200, -1, 1))  # on each, and on nothing
    assert counts(score(truth, tracks, benchmark)) == (1, 1, 0)


@pytest.mark.parametrize(("benchmark", "false"), [(Benchmark.MOT16, 1), (Benchmark.MOT17, 1), (Benchmark.MOT20, 0)])
def test_only_mot20_forgives_vehicles_without_a_motor(benchmark: Benchmark, false: int) -> None:
    assert counts(score(boxes((1, 0, CYCLE, 0)), boxes((1, 0, -1, 1)), benchmark)) == (0, false, 0)


def test_a_track_on_a_car_is_a_mistake() -> None:
    assert counts(score(boxes((1, 0, CAR, 0)), boxes((1, 0, -1, 1)))) == (0, 1, 0)


def test_a_distractor_must_overlap_by_half() -> None:
    # Shifted by 3: IoU 7/13 = 0.54, forgiven. Shifted by 4: IoU 6/14 = 0.43, a mistake.
    truth = boxes((1, 0, STATIC, 0))
    assert counts(score(truth, boxes((1, 3, -1, 1)))) == (0, 0, 0)
    assert counts(score(truth, boxes((1, 4, -1, 1)))) == (0, 1, 0)


def test_distractors_compete_before_anything_is_removed() -> None:
    # The one track lies on the static person; the pedestrian 2 px beside it has IoU 8/12 with the track. The
    # better pair is the static person's, so the track goes and the pedestrian is missed.
    truth = boxes((1, 0, STATIC, 0), (1, 2, PEDESTRIAN, 1))
    assert counts(score(truth, boxes((1, 0, -1, 1)))) == (0, 0, 1)
    # With a second track on the pedestrian both pairs stand, and the pedestrian is found.
    assert counts(score(truth, boxes((1, 0, -1, 1), (1, 2, -1, 1)))) == (1, 0, 0)


def test_truth_marked_zero_does_not_count() -> None:
    for benchmark in Benchmark:
        truth, tracks = boxes((1, 0, PEDESTRIAN, 0), (1, 100, PEDESTRIAN, 1)), boxes((1, 0, -1, 1))
        # The track on the ignored pedestrian is a mistake: only distractors forgive.
        assert counts(score(truth, tracks, benchmark)) == (0, 1, 1)


def test_mot15_has_no_distractors() -> None:
    truth = boxes((1, 0, STATIC, 1))  # what stands in the class column means nothing there
    assert counts(score(truth, boxes((1, 0, -1, 1)), Benchmark.MOT15)) == (1, 0, 0)


def test_rows_may_come_in_any_order() -> None:
    truth = boxes((2, 50, PEDESTRIAN, 1), (1, 0, PEDESTRIAN, 1), (4, 0, PEDESTRIAN, 1))
    tracks = boxes((4, 0, -1, 1), (3, 0, -1, 1), (2, 50, -1, 1))
    assert counts(score(truth, tracks)) == (2, 1, 1)


def test_nothing_gives_no_frame() -> None:
    empty, one = SequenceBoxes.empty(), boxes((3, 0, PEDESTRIAN, 1))
    assert pair_frames(empty, empty, benchmark=Benchmark.MOT17) == []
    assert counts(score(one, empty)) == (0, 0, 1)
    assert counts(score(empty, one)) == (0, 1, 0)


@pytest.mark.parametrize(
    ("name", "mota", "idf1", "hota"),
    [("TUD-Campus", 0.526462, 0.557659, 0.391), ("TUD-Stadtmitte", 0.564014, 0.644619, 0.398)],
)
def test_published_scores(shared: Path, name: str, mota: float, idf1: float, hota: float) -> None:
    folder = shared / "data" / "evaluator-fixtures" / name
    result = evaluate_files(folder / "gt.txt", folder / "test.txt")
    assert result.benchmark is Benchmark.MOT15
    assert list(result.sequences) == [name]
    assert round(result.combined.clear.mota, 6) == mota
    assert round(result.combined.identity.idf1, 6) == idf1
    assert round(result.combined.hota.hota, 3) == hota


def test_published_scores_pooled(shared: Path) -> None:
    folder = shared / "data" / "evaluator-fixtures"
    result = evaluate_folders(folder, folder)
    assert list(result.sequences) == ["TUD-Campus", "TUD-Stadtmitte"]
    # 359 + 1156 true boxes; 150 + 452 missed, 13 + 45 false, 7 + 7 switches
    assert result.combined.clear.mota == pytest.approx(1 - (602 + 58 + 14) / 1515)
    identity = [scores.identity for scores in result.sequences.values()]
    paired = sum(one.idtp for one in identity)
    assert result.combined.identity.idf1 == pytest.approx(2 * paired / (1515 + 222 + 749))


def test_real_distractors_against_trackeval(shared: Path, tmp_path: Path) -> None:
    # Detections from 0.5 with their rank in the frame as id; the figures are those of trackeval 1.3.0 on the same file.
    sequence = shared / "data/mot17-val/MOT17-09"
    found = read_detections(sequence / "det/det.txt")
    found = found[found.scores >= 0.5]
    ranks = np.arange(len(found)) - np.searchsorted(found.frames, found.frames)
    tracks = SequenceBoxes(found.frames, ranks, found.boxes, found.scores, found.classes, found.visibility)
    write_tracks(tmp_path / "MOT17-09.txt", tracks)
    result = evaluate_files(sequence / "gt/gt.txt", tmp_path / "MOT17-09.txt")
    clear = result.combined.clear
    assert result.benchmark is Benchmark.MOT17
    assert (clear.fp, clear.fn, clear.idsw, clear.frag, clear.mt, clear.ml) == (8, 502, 1126, 50, 16, 0)
    assert clear.mota == pytest.approx(0.4317471344216742, abs=1e-12)
    assert clear.motp == pytest.approx(0.8558096338409245, abs=1e-12)
    assert result.combined.identity.idf1 == pytest.approx(0.17553191489361702, abs=1e-12)
    assert result.combined.hota.hota == pytest.approx(0.2082247002376827, abs=1e-12)


TRUTH = "1,1,0,0,10,10,1,1,1\n2,1,0,0,10,10,1,1,1\n"
TRACK = "1,4,0,0,10,10,0.9,-1,-1,-1\n2,4,0,0,10,10,0.9,-1,-1,-1\n"
SEQINFO = "[Sequence]\nname=A\nframeRate=30\nseqLength={}\nimWidth=640\nimHeight=480\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize("truth", ["SEQ/gt/gt.txt", "SEQ/gt.txt", "SEQ.txt"])
@pytest.mark.parametrize("tracks", ["SEQ.txt", "SEQ/SEQ.txt", "SEQ/test.txt"])
def test_layouts_of_folders(tmp_path: Path, truth: str, tracks: str) -> None:
    for name in ("B", "A"):
        write(tmp_path / "truth" / truth.replace("SEQ", name), TRUTH)
        write(tmp_path / "tracks" / tracks.replace("SEQ", name), TRACK)
    write(tmp_path / "tracks" / "other.txt", "not looked at")
    result = evaluate_folders(tmp_path / "truth", tmp_path / "tracks")
    assert list(result.sequences) == ["A", "B"]
    assert (result.combined.clear.tp, result.combined.clear.mota) == (4, 1)
    assert result.benchmark is Benchmark.MOT17


@pytest.mark.parametrize(("path", "name"), [("A/gt/gt.txt", "A"), ("A/gt.txt", "A"), ("A.txt", "A"), ("A/b.txt", "b")])
def test_names_of_sequences(tmp_path: Path, path: str, name: str) -> None:
    truth, tracks = write(tmp_path / path, TRUTH), write(tmp_path / "tracks", TRACK)
    assert list(evaluate_files(truth, tracks).sequences) == [name]


def test_text_beside_sequence_folders_is_no_sequence(tmp_path: Path) -> None:
    write(tmp_path / "A" / "gt.txt", TRUTH)
    write(tmp_path / "A.txt", TRACK)
    write(tmp_path / "SOURCE.txt", "where it is from")
    assert list(evaluate_folders(tmp_path, tmp_path).sequences) == ["A"]


def test_an_empty_result_is_legal_and_a_missing_one_is_not(tmp_path: Path) -> None:
    truth = write(tmp_path / "truth/A/gt.txt", TRUTH).parents[1]
    empty = write(tmp_path / "tracks/A.txt", "").parent
    assert evaluate_folders(truth, empty).combined.clear.fn == 2
    (empty / "A.txt").unlink()
    with pytest.raises(FormatError, match=r"no result for sequence 'A'; expected A\.txt or .*test\.txt"):
        evaluate_folders(truth, empty)


def test_folders_without_sequences_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such folder"):
        evaluate_folders(tmp_path / "absent", tmp_path)
    with pytest.raises(FormatError, match=r"no sequence; expected SEQ/gt/gt\.txt"):
        evaluate_folders(tmp_path, tmp_path)
    write(tmp_path / "gt/gt.txt", TRUTH)  # the folder is a sequence, not one of sequences
    with pytest.raises(FormatError, match="no sequence"):
        evaluate_folders(tmp_path, tmp_path)


@pytest.mark.parametrize("truth", ["A/gt/gt.txt", "A/gt.txt"])
def test_frames_past_the_end_are_refused(tmp_path: Path, truth: str) -> None:
    path, tracks = write(tmp_path / truth, TRUTH), write(tmp_path / "tracks.txt", TRACK)
    write(tmp_path / "A" / "seqinfo.ini", SEQINFO.format(2))
    assert evaluate_files(path, tracks).combined.clear.mota == 1
    write(tracks, TRACK + "3,4,0,0,10,10,0.9,-1,-1,-1\n")
    with pytest.raises(FormatError, match=r"tracks\.txt: frame 3, but the sequence ends with 2 .*seqinfo\.ini"):
        evaluate_files(path, tracks)
    (tmp_path / "A" / "seqinfo.ini").unlink()
    assert evaluate_files(path, tracks).combined.clear.fp == 1


def test_other_classes_are_refused(tmp_path: Path) -> None:
    truth = write(tmp_path / "gt.txt", TRUTH)
    for label in (-1, 0, 1):
        evaluate_files(truth, write(tmp_path / "tracks.txt", TRACK.replace("0.9,-1", f"0.9,{label}")))
    tracks = write(tmp_path / "tracks.txt", TRACK.replace("0.9,-1", "0.9,3"))
    with pytest.raises(FormatError, match=r"tracks\.txt: frame 1, id 4 has class 3; only pedestrians"):
        evaluate_files(truth, tracks)


def test_the_benchmark_can_be_named(tmp_path: Path) -> None:
    truth = write(tmp_path / "gt.txt", TRUTH.replace("1,1,1\n", "1,6,1\n"))  # both boxes are of class 6
    tracks = write(tmp_path / "tracks.txt", TRACK)
    false = {benchmark: evaluate_files(truth, tracks, benchmark=benchmark).combined.clear.fp for benchmark in Benchmark}
    assert false == {Benchmark.MOT15: 0, Benchmark.MOT16: 2, Benchmark.MOT17: 2, Benchmark.MOT20: 0}


def test_the_benchmark_is_found_or_asked_for(tmp_path: Path, shared: Path) -> None:
    data = shared / "data"
    assert find_benchmark(sorted(data.glob("mot15/*/gt/gt.txt"))) is Benchmark.MOT15
    assert find_benchmark(sorted(data.glob("mot17-val/*/gt/gt.txt"))) is Benchmark.MOT17
    assert find_benchmark([write(tmp_path / "empty.txt", "")]) is Benchmark.MOT17
    assert find_benchmark([]) is Benchmark.MOT17
    for name, year in (("A", "mot15/TUD-Campus"), ("B", "mot17-val/MOT17-09")):
        (tmp_path / name).mkdir()
        shutil.copy(data / year / "gt/gt.txt", tmp_path / name)
    with pytest.raises(FormatError, match=r"A.gt\.txt is laid out as MOT15, .*B.gt\.txt as MOT16 and later"):
        find_benchmark([tmp_path / "A/gt.txt", tmp_path / "B/gt.txt"])
