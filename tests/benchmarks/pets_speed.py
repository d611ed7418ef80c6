"""Frames a second of `sightline run` on PETS09-S2L1, beside its own serial parts and beside ultralytics' `track`.

    python -m tests.benchmarks.pets_speed [--rounds 3]

Everything runs in turn in one process on the same clip, since the speed of a machine drifts; ratios are what counts.
The peer needs `pip install lap`. Nothing here passes or fails.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline import build
from pipeline.config import Settings, load_settings
from pipeline.runs import Run
from tests.conftest import ROOT

SHARED = Path(os.environ.get("SIGHTLINE_SHARED", ROOT.parent / "shared"))
VIDEO = SHARED / "data" / "mot15" / "PETS09-S2L1" / "video.mp4"
WEIGHTS = SHARED / "weights"
DETECTOR = WEIGHTS / "person-vehicle-bike-detection-2004" / "person-vehicle-bike-detection-2004.xml"
EMBEDDER = WEIGHTS / "person-reidentification-retail-0288" / "person-reidentification-retail-0288.xml"
PEER = WEIGHTS / "yolov8n_int8" / "yolov8n_quantized_int8.onnx"


def settings(precision: str, folder: Path) -> Settings:
    """The `people` config with small models."""
    return load_settings(
        "people",
        [
            f"detector.weights={DETECTOR}",
            f"embedder.weights={EMBEDDER}",
            f"detector.precision={precision}",
            f"embedder.precision={precision}",
            f"store.database={json.dumps(str(folder / 'bench.db'))}",
        ],
    )


def run_rate(chosen: Settings) -> float:
    """Frames/s of the streaming part of a run, database included."""
    outcome = Run([str(VIDEO)], chosen).execute()
    return outcome.frames / outcome.seconds


def serial_rate(chosen: Settings) -> float:
    """Decode, then resize and detect, then crop and embed every frame, one thing at a time."""
    detector = build.detector(chosen.detector)
    embedder = build.embedder(chosen.embedder)
    assert embedder is not None
    spent, count = 0.0, 0
    with build.source(str(VIDEO), chosen.source) as source:
        frames = iter(source)
        while True:
            started = time.perf_counter()
            frame = next(frames, None)
            if frame is None:
                return count / spent
            found = detector.detect([frame])
            embedder.embed([frame], found)
            spent += time.perf_counter() - started
            count += 1


def peer_rate() -> float:
    """Frames/s of ultralytics' own tracking."""
    from pipeline.models import yolo  # sets the environment that keeps ultralytics offline

    model = yolo.ultralytics.YOLO(str(PEER), task="detect")
    started = time.perf_counter()
    stream = model.track(str(VIDEO), tracker="bytetrack.yaml", stream=True, verbose=False, imgsz=640, classes=[0])
    return sum(1 for _ in stream) / (time.perf_counter() - started)


def main(rounds: Annotated[int, typer.Option(min=1)] = 3, precision: str = "auto", peer: bool = True) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        chosen = settings(precision, Path(name))
        jobs: dict[str, Callable[[], float]] = {
            "sightline run": lambda: run_rate(chosen),
            "decode + resize + detect + embed, serially": lambda: serial_rate(chosen),
        }
        if peer:
            jobs["ultralytics track, yolov8n int8"] = peer_rate
        rates: dict[str, list[float]] = {job: [] for job in jobs}
        for _ in range(rounds):
            for job, measure in jobs.items():
                rates[job].append(measure())
    table = Table(title=f"PETS09-S2L1, precision {precision}, {rounds} rounds in turn")
    for heading in ("what", "frames/s: median", "least", "most", "sightline run is so many times as fast: median"):
        table.add_column(heading)
    ours = rates["sightline run"]
    for job, values in rates.items():
        ratio = median(own / value for value, own in zip(values, ours, strict=True))
        table.add_row(job, *(f"{value:.1f}" for value in (median(values), min(values), max(values))), f"{ratio:.2f}")
    Console(width=140).print(table)


if __name__ == "__main__":
    typer.run(main)
