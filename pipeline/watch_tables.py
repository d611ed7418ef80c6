"""What a service and its cameras look like in a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pipeline.sources.feed import CameraState
from pipeline.store.cameras import CameraRow
from pipeline.watch.state import CameraSnapshot, ServiceState

_STYLES = {
    CameraState.CONNECTING: "cyan",
    CameraState.LIVE: "green",
    CameraState.STALLED: "yellow",
    CameraState.RECONNECTING: "yellow",
    CameraState.FAILED: "red",
    CameraState.PAUSED: "blue",
    CameraState.ENDED: "dim",
}
_A_SECOND = 1_000_000
_ROUNDED = 60


@dataclass(frozen=True, slots=True)
class _Line:
    name: str
    state: CameraState
    since_at: int
    told: Mapping[str, Any]  # as CameraSnapshot.told says it
    error: str


def service_table(state: ServiceState, *, now: int) -> Table:
    """The cameras of a running service. `now`: microseconds UTC."""
    table = _table([_of_snapshot(camera) for camera in state.cameras], now)
    reasons = state.reasons()
    said = [] if state.budget is None else [str(state.budget)]
    table.caption = Text("; ".join(reasons), style="red") if reasons else Text("; ".join(said)) if said else None
    return table


def cameras_table(rows: Sequence[CameraRow], *, now: int) -> Table:
    """Cameras as the store has them. `now`: microseconds UTC."""
    return _table([_Line(row.name, row.state, row.since_at, row.status, row.error or "") for row in rows], now)


class ServiceDisplay:
    """A live table in a terminal; nothing elsewhere, where there are log lines."""

    def __init__(self, console: Console, look: Callable[[], ServiceState]) -> None:
        self._live = Live(
            console=console,
            refresh_per_second=2,
            get_renderable=lambda: service_table(look(), now=time.time_ns() // 1000),
        )
        self._shown = console.is_terminal

    def __enter__(self) -> Self:
        if self._shown:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._live.stop()


def _of_snapshot(camera: CameraSnapshot) -> _Line:
    status = camera.status
    return _Line(camera.name, status.state, status.since_at, camera.told(), status.error)


def _table(lines: Sequence[_Line], now: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("camera", "state"):
        table.add_column(heading, no_wrap=True)
    for heading in ("for", "fps", "latency", "tracks", "drops", "outages"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("last error", overflow="fold", min_width=20)
    for line in lines:
        told = line.told
        latency = told.get("latency", {}).get("tracked", {}).get("p95", 0.0)
        table.add_row(
            Text(line.name),
            Text(line.state.value, style=_STYLES[line.state]),
            _duration((now - line.since_at) / _A_SECOND),
            f"{told.get('fps_processed', 0.0):.1f}" if line.state is CameraState.LIVE else "",
            f"{1000 * latency:.0f} ms" if latency and line.state is CameraState.LIVE else "",
            str(told.get("tracks_in_all", 0)),
            str(sum(told.get("dropped", {}).values())),
            str(told.get("outages", 0)),
            Text(line.error),
        )
    return table


def _duration(seconds: float) -> str:
    """E.g. "45 s", "12 min", "3.5 h"."""
    seconds = max(0.0, seconds)
    if seconds < _ROUNDED:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < _ROUNDED else f"{minutes / 60:.1f} h"
