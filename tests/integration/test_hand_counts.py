"""Real videos through detector, tracker and analytics count what a person counts.

How it was counted by hand: both videos were looked at as sheets of frames, every 8th or 10th to see who comes and
goes, then every single or second frame with the lines drawn in; for each person or car the frame was noted at which the
middle of its lower edge passes each line. A person has come to the table when feet are seen before it, not only head
and shoulders.

car-detection.mp4 (377 frames, 12.5 a second, seen from above) shows four cars: a white one upwards (frames 55-105), a
blue one downwards (180-228), a red one upwards (187-237) and a white one downwards (314-347); those downwards keep to
the left 38 % of the picture. one-by-one-person-detection.mp4 (1394 frames, 10 a second) shows six people, one after the
other: each comes from below, stands at a table, and leaves to the right. Nobody turns back.

No line was chosen by its result; every place that was counted by hand is here but one: a level line right above the
lower edge, where people come in. They pass it within half a second, before the detector is sure of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.events import EventKind
from pipeline.store.database import open_database
from pipeline.store.event_queries import EventRow, list_events
from pipeline.store.filters import scope_of
from tests.integration.command import sightline
from tests.integration.conftest import REID_0288

START = 1_767_225_600_000_000  # 2026-01-01, microseconds
UP, DOWN = "up", "down"
CAR_LINES: dict[str, tuple[dict[str, object], dict[str, list[int]]]] = {
    "high": ({"start": [0, 0.3], "end": [1, 0.3]}, {UP: [95, 227], DOWN: [191, 322]}),
    "middle": ({"start": [0, 0.5], "end": [1, 0.5]}, {UP: [88, 220], DOWN: [198, 326]}),
    "low": ({"start": [0, 0.7], "end": [1, 0.7]}, {UP: [82, 214], DOWN: [203, 330]}),
    "oblique": ({"start": [0, 0.35], "end": [1, 0.7]}, {UP: [88, 219], DOWN: [195, 326]}),
    "left half": ({"start": [0, 0.55], "end": [0.38, 0.55]}, {UP: [], DOWN: [199, 327]}),
    "right half": ({"start": [0.38, 0.55], "end": [1, 0.55]}, {UP: [87, 218], DOWN: []}),
    "centres": ({"start": [0, 0.5], "end": [1, 0.5], "anchor": "centre"}, {UP: [80, 211], DOWN: [206, 332]}),
}
LANES = {  # frames of coming in and going out
    "left lane": ([[0, 0.3], [0.38, 0.3], [0.38, 0.8], [0, 0.8]], [191, 322], [205, 331]),
    "right lane": ([[0.38, 0.3], [1, 0.3], [1, 0.8], [0.38, 0.8]], [79, 211], [95, 227]),
}
PEOPLE_LINES = {
    "x 0.70": (0.7, [186, 438, 688, 855, 1184, 1347]),
    "x 0.75": (0.75, [188, 439, 690, 858, 1187, 1349]),
    "x 0.80": (0.8, [190, 440, 691, 859, 1189, 1350]),
    "x 0.85": (0.85, [191, 441, 692, 860, 1190, 1352]),
}
NO_EMBEDDER = {"backend": "none", "weights": None}
TABLE = [[0.4, 0.7], [0.7, 0.7], [0.7, 1], [0.4, 1]]
COME, GO = [71, 236, 513, 755, 931, 1245], [186, 438, 688, 855, 1184, 1347]


def events_of(
    video: Path,
    shared: Path,
    folder: Path,
    *,
    keep: str,
    detector: str,
    zones: object,
    lines: object,
    looks: bool = True,
) -> list[EventRow]:
    """Of `sightline run`, oldest first."""
    weights = shared / "weights"
    words = [
        "run",
        video,
        "--config",
        "people",
        "--set",
        f"detector.keep=[{keep}]",
        "--set",
        "source.start_at=2026-01-01T00:00Z",
    ]
    words += ["--set", f"detector.weights={weights / detector / detector}.xml"]
    embedder = {"weights": str(weights / REID_0288 / REID_0288) + ".xml", "precision": "f32"} if looks else NO_EMBEDDER
    words += ["--set", "detector.precision=f32", "--set", f"embedder={json.dumps(embedder)}"]
    words += ["--set", f"analytics.zones={json.dumps(zones)}", "--set", f"analytics.lines={json.dumps(lines)}"]
    done = sightline(*words, folder=folder, seconds=600)
    assert done.code == 0, done.err
    with open_database(folder / "runs" / "sightline.db") as store, store.read() as connection:
        return list_events(scope_of(connection, ["default"]), connection, limit=1000)[::-1]


def frames(events: list[EventRow], rule: str, kind: EventKind, *, rate: float, way: str | None = None) -> list[int]:
    """Frame numbers of the events."""
    wanted = [event for event in events if (event.rule, event.kind, event.direction) == (rule, kind, way)]
    return [round((event.at - START) / 1e6 * rate) for event in wanted]


def assert_counted(found: list[int], by_hand: list[int], *, within: int = 3) -> None:
    """The same number of them, each within so many frames of when it was seen by eye."""
    assert len(found) == len(by_hand), (found, by_hand)
    assert all(abs(one - other) <= within for one, other in zip(found, by_hand, strict=True)), (found, by_hand)


def assert_cars(events: list[EventRow]) -> None:
    for name, (_, ways) in CAR_LINES.items():
        for way, by_hand in ways.items():
            assert_counted(frames(events, name, EventKind.CROSS, way=way, rate=12.5), by_hand)
    for name, (_, come, go) in LANES.items():
        assert_counted(frames(events, name, EventKind.ENTER, rate=12.5), come)
        assert_counted(frames(events, name, EventKind.LEAVE, rate=12.5), go)
    assert {event.class_name for event in events} == {"vehicle"}
    assert len({event.object for event in events}) == 4
    assert None not in {event.object for event in events}


def assert_people(events: list[EventRow]) -> None:
    for name, (_, by_hand) in PEOPLE_LINES.items():
        assert_counted(frames(events, name, EventKind.CROSS, way="leaving", rate=10), by_hand)
    crossed = {event.direction for event in events if event.kind is EventKind.CROSS}
    assert crossed == {"leaving"}  # nobody comes back, nobody walks over the line at the left or above the heads
    for name, stood in (("table", 6), ("table for 15 s", 3), ("table for 22 s", 1)):
        assert_counted(frames(events, name, EventKind.ENTER, rate=10), COME, within=6)
        assert_counted(frames(events, name, EventKind.LEAVE, rate=10), GO)
        assert len(frames(events, name, EventKind.DWELL, rate=10)) == stood
    stays = [event.value or 0 for event in events if (event.rule, event.kind) == ("table", EventKind.LEAVE)]
    for seconds, come, go in zip(stays, COME, GO, strict=True):
        assert seconds == pytest.approx((go - come) / 10, abs=0.8)
    assert len({event.object for event in events}) == 6


def cars(shared: Path, folder: Path, detector: str) -> list[EventRow]:
    lines = {name: line | {"directions": [UP, DOWN]} for name, (line, _) in CAR_LINES.items()}
    zones = {name: {"polygon": polygon} for name, (polygon, _, _) in LANES.items()}
    video = shared / "data" / "videos" / "car-detection.mp4"
    return events_of(video, shared, folder, keep="vehicle", detector=detector, zones=zones, lines=lines, looks=False)


def people(shared: Path, folder: Path, detector: str) -> list[EventRow]:
    ways: Mapping[str, object] = {"directions": ["leaving", "coming"]}  # seen from below, what lies right goes left
    lines = {name: {"start": [x, 0], "end": [x, 1]} for name, (x, _) in PEOPLE_LINES.items()}
    lines |= {"far left": {"start": [0.2, 0], "end": [0.2, 1]}, "above": {"start": [0.8, 0.0], "end": [0.8, 0.6]}}
    zones = {
        f"table{name}": {"polygon": TABLE, "dwell_seconds": dwell}
        for name, dwell in (("", 5), (" for 15 s", 15), (" for 22 s", 22))
    }
    video = shared / "data" / "videos" / "one-by-one-person-detection.mp4"
    turned = {name: line | ways for name, line in lines.items()}
    return events_of(video, shared, folder, keep="person", detector=detector, zones=zones, lines=turned)


def test_cars_are_counted_as_by_hand(shared: Path, tmp_path: Path) -> None:
    assert_cars(cars(shared, tmp_path, "person-vehicle-bike-detection-2004"))


@pytest.mark.long
@pytest.mark.timeout(900)
def test_people_are_counted_as_by_hand(shared: Path, tmp_path: Path) -> None:
    assert_people(people(shared, tmp_path, "person-vehicle-bike-detection-2004"))


@pytest.mark.long
def test_another_detector_counts_the_same_cars(shared: Path, tmp_path: Path) -> None:
    assert_cars(cars(shared, tmp_path, "person-vehicle-bike-detection-2003"))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_another_detector_counts_the_same_people(shared: Path, tmp_path: Path) -> None:
    assert_people(people(shared, tmp_path, "person-vehicle-bike-detection-2003"))
