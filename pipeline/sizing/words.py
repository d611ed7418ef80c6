"""A sizing for people (a table and sentences) and for programs (a dict that goes into JSON)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.table import Table

from pipeline.sizing.costs import Costs
from pipeline.sizing.demand import LONGEST, USABLE, Sizing

_GIB, _GB = 1 << 30, 1e9
_WHAT = {
    "decode": "measured: a frame of rendered H.264",
    "detector": "measured: a look",
    "embedder": "measured: an object in a look",
    "track": "measured: 5 and 50 simulated objects; between and beyond, a line",
    "write": "measured: a run; in proportion to objects",
    "other": "measured: runs of several streams less their parts",
}


def sizing_table(sizing: Sizing) -> Table:
    """Cores busy by part, the most first."""
    wanted = sizing.wanted
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"{wanted.cameras} cameras at {wanted.fps:g} frames/s, {wanted.objects:g} objects in each picture, "
        f"detector at every {'frame' if wanted.every == 1 else f'{wanted.every} frames'}",
    )
    for heading, side in (("part", "left"), ("cores busy", "right"), ("share", "right"), ("from", "left")):
        table.add_column(heading, justify="right" if side == "right" else "left")
    for part, cores in sorted(sizing.parts.items(), key=lambda item: -item[1]):
        table.add_row(part, f"{cores:.2f}", f"{100 * cores / sizing.cores:.0f} %", _WHAT[part])
    table.add_section()
    table.add_row("all", f"{sizing.cores:.2f}", "100 %", "sum; frames/s, cameras and objects: extrapolated")
    return table


def sentences(costs: Costs, sizing: Sizing, *, bit_rate: float | None) -> list[str]:
    """What follows, one thing a line."""
    machine, wanted = costs.machine, sizing.wanted
    kind = f"{costs.width}x{costs.height} cameras at {wanted.fps:g} frames/s"
    if sizing.fits:
        verdict = f"this machine holds them; it holds {sizing.cameras_held} such cameras, {sizing.binds} binds"
    else:
        verdict = f"this machine holds {sizing.cameras_held} of the {wanted.cameras} {kind}; {sizing.binds} binds"
    lines = [
        f"needed    {sizing.cores_needed} cores like these, {100 * USABLE:.0f} % of them busy; "
        f"{sizing.memory / _GIB:.1f} GiB of memory",
        f"here      {machine.cores} cores, {machine.memory / _GIB:.1f} GiB ({machine.processor}): {verdict}",
        f"interval  {_interval(costs, sizing)}",
        f"disk      {sizing.database_day / _GB:.1f} GB a day of database, {sizing.pictures_day / _GB:.1f} GB of "
        f"pictures where each object is seen for {wanted.stay:g} s, day and night; {sizing.recording_day / _GB:.0f} GB "
        f"a day where recorded ({_rate(bit_rate)})",
    ]
    if sizing.processes > 1:
        lines.append(
            f"processes at least {sizing.processes}: tracking, writing and what is between them are Python, of which a "
            "process does one core's worth"
        )
    lines += [
        f"measured  {costs.measured_at} on {machine.name} with {costs.detector}, {costs.embedder}; "
        f"{costs.objects:.1f} objects in a picture",
        "unknown   what live cameras take beyond files: each has a process that reads it; networks on graphics cards",
    ]
    return lines


def upper_bounds(*, schedule: str, described: str) -> list[str]:
    """What is counted in full though a run spares some of it, by how much only the cameras' pictures say.

    `schedule`, `described`: settings detector.schedule and embedder.when.
    """
    lines = []
    if schedule != "every":
        lines.append(
            f"what detector.schedule={schedule} spares depends on what is seen, and is not counted; a run's report "
            "says how many frames were looked at"
        )
    if described == "asked":
        lines.append("what embedder.when=asked spares depends on what is seen: every object is counted as described")
    return lines


def sizing_to_dict(costs: Costs, sizing: Sizing, *, bounds: Sequence[str] = ()) -> dict[str, Any]:
    """Seconds and bytes; `measured` is what was measured, all else is computed from it. `bounds`: upper_bounds()."""
    found = {**dataclasses.asdict(sizing), "fits": sizing.fits, "at_most": list(bounds)}
    return {"measured": dataclasses.asdict(costs), "usable": USABLE, **found}


def _interval(costs: Costs, sizing: Sizing) -> str:
    needed = sizing.every_needed
    if needed is None and not costs.skips:
        return "the detector has to see every frame, at which they do not fit"
    if needed is None:
        return f"there is no detector.every up to {LONGEST} at which they fit: decoding and tracking alone are too much"
    if needed == 1:
        return "they fit with the detector at every frame"
    return f"they fit with detector.every={needed}, where the processors are what binds"


def _rate(bit_rate: float | None) -> str:
    return (
        "the measured video's rate; a camera's own differs: --bit-rate" if bit_rate is None else f"{bit_rate:g} Mbit/s"
    )
