"""Scores of the trackers' defaults with hindsight, on published detections of real videos. They may rise, not fall."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import build
from pipeline.config import RefineSettings, load_settings
from pipeline.evaluation.benchmark import Benchmark, Evaluation, evaluate_files, evaluate_folders
from pipeline.evaluation.scores import Scores
from pipeline.track_file import track_file


def refined(folder: Path, out: Path, tracker: str, benchmark: Benchmark, *, refine: bool = True) -> Evaluation:
    """Scores of every sequence of a folder."""
    settings = load_settings(None, [f"tracker.name={tracker}"])
    for info in sorted(folder.glob("*/seqinfo.ini")):
        sequence = info.parent
        refiner = build.refiner(settings.refine) if refine else None
        result = out / f"{sequence.name}.txt"
        track_file(sequence / "det" / "det.txt", sequence, build.tracker(settings.tracker), refiner=refiner, out=result)
    return evaluate_folders(folder, out, benchmark=benchmark)


def percent(scores: Scores) -> tuple[float, float, float]:
    return 100 * scores.hota.hota, 100 * scores.identity.idf1, 100 * scores.clear.mota


# HOTA, IDF1 and MOTA, COMBINED; without hindsight: 54.4 66.8 65.7, 53.3 65.4 66.4, 37.4 48.5 36.3, 37.4 48.9 35.7
@pytest.mark.parametrize(
    ("data", "benchmark", "tracker", "least"),
    [
        pytest.param("mot17-val", Benchmark.MOT17, "deepsort", (57.6, 69.4, 69.9), id="mot17 deepsort"),
        pytest.param("mot17-val", Benchmark.MOT17, "bytetrack", (57.6, 68.8, 70.6), id="mot17 bytetrack"),
        pytest.param("mot15", Benchmark.MOT15, "deepsort", (39.7, 50.5, 37.3), id="mot15 deepsort"),
        pytest.param("mot15", Benchmark.MOT15, "bytetrack", (39.7, 51.5, 35.9), id="mot15 bytetrack"),
    ],
)
def test_hindsight(
    shared: Path, tmp_path: Path, data: str, benchmark: Benchmark, tracker: str, least: tuple[float, float, float]
) -> None:
    folder = shared / "data" / data
    result = refined(folder, tmp_path, tracker, benchmark)
    assert all(found >= wanted for found, wanted in zip(percent(result.combined), least, strict=True))
    plain = refined(folder, tmp_path, tracker, benchmark, refine=False)
    for name, scores in result.sequences.items():  # not bought with a loss elsewhere
        assert scores.hota.hota > plain.sequences[name].hota.hota, name


@pytest.mark.parametrize(("detector", "least"), [("2000", 52.2), ("2003", 67.0), ("2004", 59.6)])
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
