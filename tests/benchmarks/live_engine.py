"""Latency and frames a second of the live engine, for 1, 4 and 16 cameras that each give 480p pictures in real time.

    python -m tests.benchmarks.live_engine [--seconds 10] [--fps 15] [--milliseconds 10]

The cameras are stand-ins that copy pictures of PETS09-S2L1, or black ones; trackers, sinks and SQLite are real. The
detector is one that takes so long a frame and finds eight people, or person-vehicle-bike-2004 with ReID 0288 where the
shared material is there. What a camera drops, as the detector had no time for it, is a share of what it gave.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pipeline import build
from pipeline.config import load_settings
from pipeline.live_engine import LiveEngine, LiveStream
from pipeline.live_report import LiveReport
from pipeline.models.base import Detector, Embedder, ModelCard
from pipeline.sinks.best_pictures import BestPictures
from pipeline.sinks.database import DatabaseSink
from pipeline.store.database import open_database
from pipeline.store.records import RunRecord, SourceRecord
from pipeline.store.writer import RunWriter
from pipeline.watch.feeds import FeedCounts
from tests.conftest import ROOT
from tests.fakes import FakeFeed
from trackers.deepsort import DeepSort
from trackers.structures import Detections, Frame, ImageArray

SHARED = Path(os.environ.get("SIGHTLINE_SHARED", ROOT.parent / "shared"))
VIDEO = SHARED / "data" / "mot15" / "PETS09-S2L1" / "video.mp4"
WEIGHTS = SHARED / "weights"
SIZE = (854, 480)
PICTURES = 60


class Timed:
    """Takes so long a frame and finds eight people who walk to and fro."""

    card = ModelCard("timed", "detect", "1", "0" * 64, "none", None, ("person",))

    def __init__(self, milliseconds: float) -> None:
        self._seconds = milliseconds / 1e3

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        time.sleep(self._seconds * len(frames))
        return [self._people(frame) for frame in frames]

    def _people(self, frame: Frame) -> Detections:
        x = 400 + 300 * np.sin(frame.time / 5 + np.arange(8))
        y = 20.0 + 55 * np.arange(8)
        boxes = np.stack([x, y, x + 25, y + 50], axis=1).astype(np.float32)
        return Detections(boxes, np.full(8, 0.9, np.float32), np.zeros(8, np.int64))


def real_networks() -> tuple[Detector, Embedder | None]:
    """The small ones of OpenVINO."""
    detector = WEIGHTS / "person-vehicle-bike-detection-2004" / "person-vehicle-bike-detection-2004.xml"
    embedder = WEIGHTS / "person-reidentification-retail-0288" / "person-reidentification-retail-0288.xml"
    settings = load_settings("people", [f"detector.weights={detector}", f"embedder.weights={embedder}"])
    return build.detector(settings.detector), build.embedder(settings.embedder)


def pictures() -> list[ImageArray]:
    """Of the video; black ones without it."""
    if not VIDEO.exists():
        return [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)]
    video = cv2.VideoCapture(str(VIDEO))
    found = [cv2.resize(image, SIZE) for _ in range(PICTURES) for read, image in [video.read()] if read]
    video.release()
    return [np.asarray(image, np.uint8) for image in found]


def measure(
    cameras: int, networks: tuple[Detector, Embedder | None], shown: list[ImageArray], seconds: float, fps: float
) -> tuple[LiveReport, float]:
    """What the engine reports at the end, and the share of frames that were dropped."""
    detector, embedder = networks
    with tempfile.TemporaryDirectory() as folder, open_database(Path(folder) / "runs.db") as database:
        writer = RunWriter.begin(database, RunRecord("live", {}, "bench", "0"), media_folder=Path(folder) / "media")
        writer.register_model(detector.card)
        embedder_id = None if embedder is None else writer.register_model(embedder.card)
        engine = LiveEngine(
            detector, embedder=embedder, stream_failed=lambda number, error: print_failure(number, error)
        )
        thread = threading.Thread(target=engine.run)
        feeds = [FakeFeed(f"camera {number}", pictures=shown) for number in range(cameras)]
        for number, feed in enumerate(feeds):
            key = writer.add_source(SourceRecord("camera", feed.name, feed.uri, None))
            sink = DatabaseSink(
                writer, key, FeedCounts(feed), detect_hash="d", embedder_id=embedder_id, pictures=BestPictures()
            )
            engine.add(LiveStream(number, feed, DeepSort(), [sink]))
        thread.start()
        for feed in feeds:
            feed.play(fps, round(fps * seconds * 2))
            time.sleep(1 / fps / cameras)  # cameras are not in step
        time.sleep(seconds)
        report = engine.report()
        engine.stop()
        thread.join()
    return report, sum(feed.dropped.total() for feed in feeds) / max(1, sum(feed.read for feed in feeds))


def print_failure(number: int, error: Exception) -> None:
    """A benchmark goes on, but says so."""
    Console(stderr=True).print(f"[red]camera {number}: {error}")


def row(name: str, cameras: int, report: LiveReport, dropped: float) -> list[str]:
    """Of the table; latencies are of the worst camera."""

    def worst(latency: str, rank: str) -> str:
        return f"{max(getattr(getattr(one, latency), rank) for one in report.streams.values()) * 1e3:.0f}"

    frames = sum(one.frames for one in report.streams.values())
    batches = sum(report.batches.values())
    busy = " ".join(f"{100 * stage.seconds / report.seconds:.0f}" for stage in report.stages.values())
    latencies = [worst("to_track", rank) for rank in ("p50", "p95", "p99")]
    stored = [worst("to_store", rank) for rank in ("p50", "p95")]
    rate, size = f"{frames / report.seconds:.0f}", f"{frames / max(1, batches):.1f}"
    return [name, str(cameras), rate, f"{100 * dropped:.0f}", *latencies, *stored, size, busy]


def main(
    seconds: Annotated[float, typer.Option(help="of each measurement")] = 10.0,
    fps: Annotated[float, typer.Option(help="of each camera")] = 15.0,
    milliseconds: Annotated[float, typer.Option(help="of the timed detector, a frame")] = 10.0,
) -> None:
    """Print a table."""
    table = Table(title=f"live engine, {fps:g} frames/s a camera, {SIZE[0]}x{SIZE[1]}")
    for column in ("detector", "cameras", "frames/s", "dropped %", "track p50 ms", "p95", "p99", "stored p50", "p95"):
        table.add_column(column, justify="right")
    table.add_column("frames a batch", justify="right")
    table.add_column("busy %: detect embed track write", justify="right")
    kinds: list[tuple[str, tuple[Detector, Embedder | None]]] = [(f"{milliseconds:g} ms", (Timed(milliseconds), None))]
    if WEIGHTS.is_dir():
        kinds.append(("2004 + ReID", real_networks()))
    shown = pictures()
    for name, networks in kinds:
        for cameras in (1, 4, 16):
            table.add_row(*row(name, cameras, *measure(cameras, networks, shown, seconds, fps)))
    Console(width=160).print(table)


if __name__ == "__main__":
    typer.run(main)
