"""Metrics of a service for Prometheus: a scrape reads the state at that moment. Labels are names, never addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.live_report import BudgetReport, Percentiles
from pipeline.sources.feed import CameraState, DropReason
from pipeline.watch.state import CameraSnapshot, ServiceState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_COUNTERS = {  # field of FeedStatus -> name and help
    "frames_read": ("frames_read", "Frames that came from the camera."),
    "frames_taken": ("frames_taken", "Frames that were processed or are being so."),
    "connections": ("connections", "Connections that gave a frame."),
    "outages": ("outages", "Times without frames."),
    "repaired": ("timestamps_repaired", "Time stamps that were missing or wrong."),
    "damaged": ("packets_damaged", "Packets that could not be decoded."),
    "bytes_read": ("read_bytes", "Bytes that came from the camera."),
}


class ServiceCollector(Collector):
    """Turns a ServiceState into metric families."""

    def __init__(self, look: Callable[[], ServiceState]) -> None:
        self._look = look

    def collect(self) -> Iterator[Metric]:
        """Everything there is to know."""
        state = self._look()
        yield from _of_cameras(state.cameras)
        yield from _of_stages(state)
        yield from _of_memory()
        yield _gauge("sightline_healthy", "1 where /healthz says ok.", not state.reasons())
        yield _gauge("sightline_store_reachable", "1 where results can be stored.", state.trouble is None)
        yield _counter("sightline_store_retries", "Writes that had to be tried again.", state.store_retries)
        yield _gauge("sightline_alerts_waiting", "Alerts that have not arrived yet.", state.alerts_waiting)
        recorded = GaugeMetricFamily("sightline_recording_bytes", "Recordings kept.", labels=["camera"])
        for camera, size in state.disk.recorded_bytes.items():
            recorded.add_metric([camera], size)
        yield recorded
        yield from _of_budget(state.budget)
        yield _gauge("sightline_recording_disk_full", "1 while recording is off for want of room.", state.disk.full)
        if state.disk.free_bytes is not None:
            yield _gauge("sightline_disk_free_bytes", "Free where media are kept.", state.disk.free_bytes)


def metrics_text(look: Callable[[], ServiceState]) -> Callable[[], bytes]:
    """What /metrics answers, made anew at each call."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ServiceCollector(look))
    return lambda: generate_latest(registry)


def _of_cameras(cameras: tuple[CameraSnapshot, ...]) -> Iterator[Metric]:
    for field, (name, documentation) in _COUNTERS.items():
        family = CounterMetricFamily(f"sightline_camera_{name}", documentation, labels=["camera"])
        for one in cameras:
            family.add_metric([one.name], getattr(one.status, field))
        yield family
    states = GaugeMetricFamily("sightline_camera_state", "1 for the state it is in.", labels=["camera", "state"])
    dropped = CounterMetricFamily("sightline_camera_frames_dropped", "By reason.", labels=["camera", "reason"])
    recording = GaugeMetricFamily("sightline_camera_recording", "1 while it is recorded.", labels=["camera"])
    for one in cameras:
        for state in CameraState:
            states.add_metric([one.name, state.value], one.status.state is state)
        for reason in DropReason:
            dropped.add_metric([one.name, reason.value], one.status.dropped.get(reason.value, 0))
        recording.add_metric([one.name], one.status.recording == "on")
    yield from (states, dropped, recording)
    gauges: dict[str, tuple[str, Callable[[CameraSnapshot], float]]] = {
        "fps": ("Frames processed a second.", lambda one: one.fps),
        "delivered_fps": ("Frames that came a second.", lambda one: one.status.delivered_fps),
        "tracks": ("Confirmed tracks at present.", lambda one: one.tracks),
    }
    for name, (documentation, value) in gauges.items():
        gauge = GaugeMetricFamily(f"sightline_camera_{name}", documentation, labels=["camera"])
        for one in cameras:
            gauge.add_metric([one.name], value(one))
        yield gauge
    looked = CounterMetricFamily(
        "sightline_camera_frames_looked_at", "Frames that the detector looked at.", labels=["camera"]
    )
    seen = CounterMetricFamily("sightline_camera_tracks_seen", "Tracks since the start.", labels=["camera"])
    latency = GaugeMetricFamily(
        "sightline_camera_latency_seconds", "From capture, lately.", labels=["camera", "until", "quantile"]
    )
    for one in cameras:
        looked.add_metric([one.name], one.looked)
        seen.add_metric([one.name], one.tracks_in_all)
        _add_quantiles(latency, [one.name, "tracked"], one.tracked)
        _add_quantiles(latency, [one.name, "stored"], one.stored)
    yield from (looked, seen, latency)


def _of_stages(state: ServiceState) -> Iterator[Metric]:
    latency = GaugeMetricFamily(
        "sightline_stage_seconds", "How long a stage is busy with a batch, lately.", labels=["stage", "quantile"]
    )
    waiting = GaugeMetricFamily("sightline_stage_queue", "Batches in front of a stage.", labels=["stage"])
    hanging = GaugeMetricFamily("sightline_stage_hanging", "1 where one batch takes too long.", labels=["stage"])
    for name, stage in state.stages.items():
        _add_quantiles(latency, [name], stage.latency)
        waiting.add_metric([name], stage.waiting)
        hanging.add_metric([name], name in state.hanging)
    yield from (latency, waiting, hanging)


def _of_budget(budget: BudgetReport | None) -> Iterator[Metric]:
    if budget is None:
        return
    yield _gauge(
        "sightline_detector_interval_seconds", "From one look at a camera to the next, chosen.", budget.interval
    )
    yield _gauge("sightline_detector_input_scale", "Of the usual input's sides, chosen.", budget.scale)
    yield _gauge("sightline_detector_look_seconds", "What a look takes, with all networks.", budget.cost)
    yield _gauge("sightline_detector_budget_kept", "1 where the budget is kept so.", budget.kept)


def _of_memory() -> Iterator[Metric]:
    """Resident memory of this process and of the cameras' readers."""
    own = psutil.Process()
    readers = 0
    for child in own.children(recursive=True):
        try:
            readers += child.memory_info().rss
        except psutil.NoSuchProcess:  # ended since the list was made: it takes no memory
            continue
    family = GaugeMetricFamily("sightline_memory_bytes", "Resident memory.", labels=["process"])
    family.add_metric(["service"], own.memory_info().rss)
    family.add_metric(["readers"], readers)
    yield family


def _add_quantiles(family: GaugeMetricFamily, labels: list[str], latency: Percentiles) -> None:
    for quantile, seconds in (("0.5", latency.p50), ("0.95", latency.p95), ("0.99", latency.p99)):
        family.add_metric([*labels, quantile], seconds)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def _counter(name: str, documentation: str, value: float) -> Metric:
    return CounterMetricFamily(name, documentation, value=value)
