"""What Prometheus reads is what the service is, and every label is a name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.sources.feed import CameraState
from pipeline.watch.metrics import metrics_text
from pipeline.watch.patience import Trouble
from pipeline.watch.state import ServiceState
from tests.unit.watch.states import camera, service


def samples(state: ServiceState) -> dict[tuple[str, ...], float]:
    """Values by name and label values."""
    text = metrics_text(lambda: state)().decode()
    return {
        (one.name, *(one.labels[name] for name in sorted(one.labels))): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def test_every_number_of_a_camera_is_there() -> None:
    found = samples(service(camera("gate"), camera("yard", CameraState.FAILED)))
    assert found["sightline_camera_fps", "gate"] == 9.3
    assert found["sightline_camera_delivered_fps", "gate"] == 10
    assert found["sightline_camera_frames_read_total", "gate"] == 100
    assert found["sightline_camera_frames_dropped_total", "gate", "stale"] == 7
    assert found["sightline_camera_frames_dropped_total", "gate", "overrun"] == 0
    assert found["sightline_camera_connections_total", "gate"] == 2
    assert found["sightline_camera_outages_total", "gate"] == 1
    assert found["sightline_camera_tracks", "gate"] == 2
    assert found["sightline_camera_tracks_seen_total", "gate"] == 5
    assert found["sightline_camera_recording", "gate"] == 1
    assert found["sightline_camera_latency_seconds", "gate", "0.95", "tracked"] == 0.05
    assert found["sightline_camera_latency_seconds", "gate", "0.99", "stored"] == 0.7
    assert found["sightline_camera_state", "gate", "live"] == 1
    assert found["sightline_camera_state", "yard", "live"] == 0
    assert found["sightline_camera_state", "yard", "failed"] == 1


def test_the_service_itself_is_measured() -> None:
    found = samples(replace(service(camera("gate")), hanging=("detect",), trouble=Trouble(0.0, "locked")))
    assert found["sightline_stage_seconds", "0.5", "detect"] == 0.02
    assert found["sightline_stage_queue", "detect"] == 1
    assert found["sightline_stage_hanging", "detect"] == 1
    assert found["sightline_stage_hanging", "write"] == 0
    assert found["sightline_store_reachable",] == 0
    assert found["sightline_store_retries_total",] == 4
    assert found["sightline_alerts_waiting",] == 6
    assert found["sightline_recording_bytes", "gate"] == 300
    assert found["sightline_disk_free_bytes",] == 5_000
    assert found["sightline_healthy",] == 0
    assert found["sightline_memory_bytes", "service"] > 1 << 20


def test_a_service_without_cameras_has_metrics_too() -> None:
    found = samples(ServiceState())
    assert found["sightline_store_reachable",] == 1
    assert not any(name.startswith("sightline_camera") for name, *_ in found)
    assert ("sightline_disk_free_bytes",) not in found


@pytest.mark.parametrize(
    ("state", "reasons"),
    [
        (service(camera("gate")), []),
        (service(), []),
        (service(camera("gate", CameraState.PAUSED), camera("yard", CameraState.ENDED)), []),
        (service(camera("gate", CameraState.PAUSED), camera("yard", CameraState.FAILED)), ["no camera is live"]),
        (service(camera("gate"), camera("yard", CameraState.FAILED)), []),
        (replace(service(camera("gate")), hanging=("detect",)), ["the stage 'detect' hangs"]),
        (replace(service(camera("gate")), trouble=Trouble(0.0, "x")), ["the store takes nothing"]),
        (replace(service(), running=False), ["the service is starting or ending"]),
    ],
)
def test_when_a_service_is_healthy(state: ServiceState, reasons: list[str]) -> None:
    assert state.reasons() == reasons


def test_what_the_row_of_a_camera_keeps_is_json() -> None:
    told = json.loads(json.dumps(camera("gate").told()))
    assert told["dropped"] == {"stale": 7}
    assert told["fps_processed"] == 9.3
    assert told["latency"]["stored"] == {"p50": 0.3, "p95": 0.6, "p99": 0.7, "count": 0}
    assert not {"state", "since_at", "error"} & set(told)
