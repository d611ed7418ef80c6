"""Scores of the trackers' defaults with hindsight, on published detections of real videos. They may rise, not fall."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import build
from pipeline.config import RefineSettings, load_settings
from pipeline.evaluation.benchmark import Benchmark, Evaluation, evaluate_files, evaluate_folders
from pipeline.evaluation.scores import Scores
from pipeline.track_file import track_file


def refined(
    folder: Path,
    out: Path,
    tracker: str,
    benchmark: Benchmark,
    *,
    refine: bool = True,
    camera_motion: str | None = None,
) -> Evaluation:
    """Scores of every sequence of a folder; `camera_motion`: name of the files of it."""
    settings = load_settings(None, [f"tracker.name={tracker}"])
    for info in sorted(folder.glob("*/seqinfo.ini")):
        sequence = info.parent
        refiner = build.refiner(settings.refine) if refine else None
        track_file(
            sequence / "det" / "det.txt",
            sequence,
            build.tracker(settings.tracker),
            refiner=refiner,
            camera_motion=sequence / camera_motion if camera_motion else None,
            out=out / f"{sequence.name}.txt",
        )
    return evaluate_folders(folder, out, benchmark=benchmark)


def percent(scores: Scores) -> tuple[float, float, float]:
    return 100 * scores.hota.hota, 100 * scores.identity.idf1, 100 * scores.clear.mota


# HOTA, IDF1 and MOTA, COMBINED, and what a sequence may lose of the first;
# without hindsight: 58.7 73.8 68.1, 56.2 69.2 66.7, 53.3 65.4 66.4, 38.6 50.7 38.5, 37.4 48.9 35.7
@pytest.mark.parametrize(
    ("data", "camera_motion", "tracker", "least", "loss"),
    [
        pytest.param(
            "mot17-val",
            "gmc.txt",
            "deepsort",
            (59.9, 73.4, 67.7),
            0.0,
            id="mot17 deepsort, camera motion",
            marks=pytest.mark.long,
        ),
        pytest.param("mot17-val", None, "deepsort", (58.1, 70.2, 68.0), 0.0, id="mot17 deepsort"),
        pytest.param(
            "mot17-val", None, "bytetrack", (57.2, 69.0, 70.2), 0.0, id="mot17 bytetrack", marks=pytest.mark.long
        ),
        pytest.param("mot15", None, "deepsort", (40.8, 52.8, 39.2), 0.8, id="mot15 deepsort", marks=pytest.mark.long),
        pytest.param("mot15", None, "bytetrack", (39.6, 51.7, 35.7), 2.5, id="mot15 bytetrack", marks=pytest.mark.long),
    ],
)
def test_hindsight(
    shared: Path,
    tmp_path: Path,
    data: str,
    camera_motion: str | None,
    tracker: str,
    least: tuple[float, float, float],
    loss: float,
) -> None:
    folder = shared / "data" / data
    benchmark = Benchmark.MOT17 if data == "mot17-val" else Benchmark.MOT15
    result = refined(folder, tmp_path, tracker, benchmark, camera_motion=camera_motion)
    assert all(found >= wanted for found, wanted in zip(percent(result.combined), least, strict=True))
    plain = refined(folder, tmp_path, tracker, benchmark, refine=False, camera_motion=camera_motion)
    for name, scores in result.sequences.items():  # not bought with a loss elsewhere
        assert 100 * (scores.hota.hota - plain.sequences[name].hota.hota) > -loss, name


@pytest.mark.parametrize(("detector", "least"), [("2000", 50.5), ("2003", 66.5), ("2004", 63.5)])
def test_pets_through_small_detectors(shared: Path, tmp_path: Path, detector: str, least: float) -> None:
    sequence = shared / "data" / "mot15" / "PETS09-S2L1"
    result = tmp_path / "PETS09-S2L1.txt"
    track_file(
        sequence / "det" / f"person-vehicle-bike-{detector}.txt",
        sequence,
        build.tracker(load_settings().tracker),
        refiner=build.refiner(RefineSettings()),
        out=result,
    )
    scores = evaluate_files(sequence / "gt" / "gt_at_video_scale.txt", result, benchmark=Benchmark.MOT15).combined
    assert 100 * scores.hota.hota >= least
