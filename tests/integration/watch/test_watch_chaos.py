"""A whole service among cameras that are killed, frozen, changed and garbled, with the worst password there is."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import psutil
import pytest
from sqlalchemy import func, select

from pipeline.sources.feed import CameraState
from pipeline.store.tables import Base, Observation, RunSource, Session, Source, Track
from tests.integration.rtsp_server import Mount, RtspServer, looped
from tests.integration.sources.bad_line import BadLine
from tests.integration.watch.chaos import BACKOFF, Chaos, Report, Yardstick
from tests.integration.watch.process import ServiceProcess, nothing_left
from tests.promptness import allowed
from trackers.structures import Evidence

USER, PASSWORD = "watchman", "p@ss:w/o?rd#7"
SIZES = {"gate": (384, 216), "yard": (256, 144), "alley": (320, 180), "lane": (192, 108)}
OTHER = (224, 126)  # of gate, after its server came back with another
# Pixels that a box may reach beyond its picture, by whether a detection was matched: also such a box is the filter's,
# and was seen 15 pixels outside; others were seen 25. Sizes differ by 64 and 36 or more.
OUTSIDE = {True: 30, False: 60}
FPS = 10


@dataclass
class Scene:
    """Two servers, one of them for blows, and a service over four cameras and one that is never there."""

    service: ServiceProcess
    shaken: RtspServer
    line: BadLine  # before lane
    mounts: dict[str, Mount]
    other: Mount


@pytest.fixture(scope="module")
def videos(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of each camera its own, in its own size; `other` for gate."""
    folder = tmp_path_factory.mktemp("chaos")
    names = {
        "gate": "dense-traffic",
        "yard": "cars",
        "alley": "one-by-one-person-detection",
        "lane": "people-walking",
        "other": "dense-traffic",
    }
    return {
        name: looped(
            shared / "data" / "videos" / f"{video}.mp4",
            folder,
            size=SIZES.get(name, OTHER),
            fps=FPS,
            seconds=2400,
            first_seconds=20,
        )
        for name, video in names.items()
    }


@contextmanager
def staged(folder: Path, videos: dict[str, Path], *, stall_seconds: float = 3) -> Iterator[Scene]:
    """All of it, with every camera live. `stall_seconds`: after which a camera without a picture is given up."""
    mounts = {name: Mount(videos[name]) for name in SIZES}
    closed = {"user": USER, "password": PASSWORD}
    with (
        RtspServer({name: mounts[name] for name in ("gate", "yard")}, **closed) as shaken,
        RtspServer({name: mounts[name] for name in ("alley", "lane")}, **closed) as calm,
        BadLine(calm.port) as line,
    ):
        urls = {name: shaken.url(name) for name in ("gate", "yard")} | {
            "alley": calm.url("alley"),
            "lane": f"rtsp://127.0.0.1:{line.port}/lane",
            "away": "rtsp://127.0.0.1:9/none",
        }
        common = {"secret": "all", "stall_seconds": stall_seconds, "backoff_seconds": BACKOFF, "hardware": "none"}
        settings = {
            "detector": {"backend": "motion"},
            "cameras": {name: {"url": url, **common} for name, url in urls.items()},
        }
        secrets = {"SIGHTLINE_SECRET_ALL": f"{USER}:{PASSWORD}"}
        with ServiceProcess(folder, settings, secrets=secrets) as service:
            for name in SIZES:
                service.await_state(name, CameraState.LIVE)
            service.await_frames(SIZES)
            yield Scene(service, shaken, line, mounts, Mount(videos["other"]))


def rounds(scene: Scene, *, until: float) -> Report:
    """Every kind of blow, again and again until a moment (monotonic seconds), at least once."""
    service = scene.service
    chaos = Chaos(service, scene.shaken, ("gate", "yard"))
    began = time.monotonic()
    turn = 0
    with Yardstick(service.folder) as yardstick:
        while turn == 0 or time.monotonic() < until:
            chaos.kill(3.0)
            scene.line.bad = True
            chaos.suspend(15.0)
            scene.line.bad = False
            gate = scene.other if turn % 2 == 0 else scene.mounts["gate"]
            chaos.kill(1.0, mounts={"gate": gate, "yard": scene.mounts["yard"]})
            service.await_frames(SIZES, seconds=20)
            turn += 1
    away = service.camera("away")
    assert away.state in (CameraState.RECONNECTING, CameraState.CONNECTING)
    assert away.error is not None
    assert "refused" in away.error
    tell_no_secret(service)
    with nothing_left(service):
        assert service.end(signal.SIGTERM) < allowed(3)
    report = chaos.finish(["alley"])
    report.seconds = time.monotonic() - began
    report.machine_pause = yardstick.longest
    return report


def check(service: ServiceProcess, report: Report) -> None:
    """What the issue promises."""
    blows = len(report.blows)
    for blow in report.blows:
        for name, seconds in blow.recovered.items():
            assert seconds <= blow.allowed, (blow.kind, name, report)
    for name in ("gate", "yard"):
        assert len(report.gaps[name]) == blows, (name, report.gaps[name])
        spans = [span for span, _ in report.gaps[name]]
        assert all(span >= blow.away - 0.5 for span, blow in zip(spans, report.blows, strict=True)), report
    assert report.gaps["alley"] == []
    assert report.longest_pause["alley"] <= allowed(1.0) + report.machine_pause, report
    assert len(report.gaps["away"]) == 1, report.gaps["away"]
    assert report.damaged["lane"] > 0
    assert report.frames["lane"] > report.frames["gate"] / 2
    ids_stay_with_their_camera(service)


def ids_stay_with_their_camera(service: ServiceProcess) -> None:
    """Every box lies in the picture of the camera whose track it is; each camera has a size of its own."""
    with service.database.read() as connection:
        strange = select(func.count()).select_from(Observation).join(Track, Track.id == Observation.track_id)
        assert connection.scalar(strange.where(Track.run_source_id != Observation.run_source_id)) == 0
        detected = Observation.evidence == Evidence.DETECTED
        seen = (
            select(Source.name, detected, func.max(Observation.x2), func.max(Observation.y2))
            .join(RunSource, RunSource.source_id == Source.id)
            .join(Observation, Observation.run_source_id == RunSource.id)
            .group_by(Source.name, detected)
        )
        found = {(name, bool(known)): (right, bottom) for name, known, right, bottom in connection.execute(seen)}
        assert {name for name, known in found if known} == set(SIZES), found
        for (name, known), (right, bottom) in found.items():
            width, height = SIZES[name]
            assert right <= width + OUTSIDE[known], (name, known, right)
            assert bottom <= height + OUTSIDE[known], (name, known, bottom)
        sizes = select(Session.width).join(RunSource).join(Source).where(Source.name == "gate").order_by(Session.n)
        assert {SIZES["gate"][0], OTHER[0]} <= set(connection.scalars(sizes))


def tell_no_secret(service: ServiceProcess) -> None:
    """Neither log, rows, metrics, health, nor command lines hold the password, however written."""
    forms = {PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD), quote_plus(PASSWORD), "p@ss", "w/o?rd"}
    texts = {"log": service.said(), "metrics": service.http("/metrics").text, "health": service.http("/healthz").text}
    tree = [psutil.Process(service.process.pid)]
    tree += tree[0].children(recursive=True)
    texts |= {f"process {one.pid}": " ".join([one.name(), *one.cmdline()]) for one in tree}
    with service.database.read() as connection:
        for table in Base.metadata.sorted_tables:
            texts[table.name] = repr(connection.execute(select(table)).all())
    found = [(where, form) for where, text in texts.items() for form in forms if form in text]
    assert not found


def test_cameras_are_shaken_and_nothing_else_notices(tmp_path: Path, videos: dict[str, Path]) -> None:
    with staged(tmp_path, videos) as scene:
        report = rounds(scene, until=0.0)
        report.write(tmp_path)
        check(scene.service, report)


@pytest.mark.long
@pytest.mark.timeout(45 * 60)
def test_half_an_hour_of_chaos(tmp_path: Path, videos: dict[str, Path]) -> None:
    """Writes its report to SIGHTLINE_REPORTS, or beside the test's files."""
    folder = Path(os.environ.get("SIGHTLINE_REPORTS", tmp_path))
    minutes = float(os.environ.get("SIGHTLINE_CHAOS_MINUTES", "30"))
    with staged(tmp_path, videos) as scene:
        report = rounds(scene, until=time.monotonic() + minutes * 60)
        report.write(folder)
        check(scene.service, report)
        settled, last = report.memory[2:5], report.memory[-3:]
        assert sum(last) / len(last) <= 1.05 * sum(settled) / len(settled) + 20, report.memory


def test_a_frozen_camera_does_not_hold_up_the_end(tmp_path: Path, videos: dict[str, Path]) -> None:
    with staged(tmp_path, videos, stall_seconds=60) as scene:
        scene.shaken.suspend()
        time.sleep(0.5)
        with nothing_left(scene.service):
            assert scene.service.end(signal.SIGINT) < allowed(3)
        assert scene.service.process.returncode == 0
        scene.shaken.resume()
    with scene.service.database.read() as connection:
        taken = scene.service.camera("alley").status["frames_taken"]
        stored = connection.scalar(
            select(RunSource.processed).join(Source, Source.id == RunSource.source_id).where(Source.name == "alley")
        )
        assert stored == taken  # the last chunk, too
