"""A benchmark of whole runs for people (tables) and for programs (a dict that goes into JSON)."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.evaluation.report import scores_to_dict
from pipeline.evaluation.scores import Scores
from pipeline.pipeline_benchmark.benchmark import PipelinePlan, Rounds
from pipeline.pipeline_benchmark.takes import OwnTake, PeerTake, Take
from pipeline.report import STAGES

FORMAT = 1  # of the JSON file
_OWN = "bold green"
_MIB = 1 << 20
_PEER = "ultralytics track"
_FIGURES = (
    *("frames/s", "least", "most", "whole process, frames/s", "start-up, s"),
    *("CPU, ms a frame", "peak memory, MiB", "a stream more, MiB"),
)


def busy_ratio(take: OwnTake) -> float:
    """Wall time of a run by the sum of its stages' busy times: below 1 they overlap."""
    return take.engine_seconds / sum(stage.seconds for stage in take.stages.values())


def serial_ratio(take: OwnTake, parts: Mapping[str, float]) -> float:
    """Wall time of a run by what its stages would take one after the other, each undisturbed.

    `parts`: seconds a frame of each stage by itself; a stage that is not among them counts as it was in the run. Below
    1 the overlap of stages more than pays for threads and queues.
    """
    alone = (parts[name] * stage.frames if name in parts else stage.seconds for name, stage in take.stages.items())
    return take.engine_seconds / sum(alone)


def memory_per_stream(one: Take, many: OwnTake) -> float:
    """Bytes of peak memory for each stream beyond the first. ValueError where there is none."""
    if many.streams < 2:
        raise ValueError("a run of one stream has no extra stream")
    return (many.usage.peak_memory - one.usage.peak_memory) / (many.streams - 1)


def ratios(rounds: Rounds) -> dict[str, float]:
    """How many times the peer's each figure of one stream is: medians over rounds of the ratio within a round."""
    pairs = [*zip(rounds.own[1], rounds.peer, strict=False)]
    if not pairs:
        return {}
    figures: dict[str, Callable[[Take], float]] = {
        "frames_per_second": lambda take: take.rate,
        "frames_per_second_of_the_whole_process": lambda take: take.whole_rate,
        "start_up": lambda take: take.start_up,
        "cpu_per_frame": lambda take: take.cpu_per_frame,
        "peak_memory": lambda take: float(take.usage.peak_memory),
    }
    return {name: statistics.median(of(own) / of(peer) for own, peer in pairs) for name, of in figures.items()}


def runs_table(plan: PipelinePlan, rounds: Rounds) -> Table:
    """A column for each number of streams and one for the peer: few enough for 80 letters."""
    table = Table(box=box.SIMPLE_HEAD, title=f"{plan.sources[0].name}, {plan.rounds} rounds in turn, medians")
    table.add_column("sightline run with", no_wrap=True)
    columns = []
    for count, takes in rounds.own.items():
        table.add_column("1 stream" if count == 1 else f"{count} streams", justify="right", style=_OWN)
        extra = f"{_extra(rounds, count) / _MIB:.0f}" if count > 1 else ""
        columns.append(_cells(takes, extra) + _scores(rounds.own_scores if count == 1 else [], plan))
    if rounds.peer:
        table.add_column(Text(_PEER), justify="right")
        columns.append(_cells(rounds.peer, "") + _scores(rounds.peer_scores, plan))
    headings = _FIGURES if plan.truth is None else (*_FIGURES, "HOTA %", "IDF1 %")
    for heading, *cells in zip(headings, *columns, strict=True):
        table.add_row(heading, *cells)
    return table


def stages_table(rounds: Rounds) -> Table:
    """What each stage took in the runs of one stream, and by itself."""
    table = Table(box=box.SIMPLE_HEAD, title="Milliseconds a frame that a stage was given, one stream")
    table.add_column("Stage")
    for heading in ("in the run", "by itself", "frames", "share of wall time"):
        table.add_column(heading, justify="right")
    for name, row in stage_figures(rounds).items():
        alone = "" if row["alone"] is None else f"{1000 * row['alone']:.2f}"
        table.add_row(
            name, f"{1000 * row['busy']:.2f}", alone, f"{row['frames']:.0f}", f"{100 * row['share_of_wall']:.0f} %"
        )
    return table


def stage_figures(rounds: Rounds) -> dict[str, dict[str, Any]]:
    """By stage that did something in the runs of one stream, medians over rounds.

    `busy` and `alone`: seconds a frame that it was given, in the run and by itself; None where that was not measured.
    """
    figures: dict[str, dict[str, Any]] = {}
    for name in STAGES:
        takes = [(take, take.stages[name]) for take in rounds.own[1] if take.stages[name].frames]
        if not takes:
            continue
        alone = [parts[name] for parts in rounds.parts if name in parts]
        figures[name] = {
            "busy": statistics.median(stage.seconds / stage.frames for _, stage in takes),
            "alone": statistics.median(alone) if alone else None,
            "frames": statistics.median(stage.frames for _, stage in takes),
            "share_of_wall": statistics.median(stage.seconds / take.engine_seconds for take, stage in takes),
        }
    return figures


def notes(plan: PipelinePlan, rounds: Rounds) -> list[str]:
    """What else there is to say."""
    overhead = overheads(rounds)
    models = rounds.own[1][0].models
    lines = [f"{kind:9} {name}" for kind, name in models.items() if name != "none"]
    lines.append(
        f"wall time of a run is {overhead['serial']:.2f} of its stages one after the other, each by itself, and "
        f"{overhead['busy']:.2f} of their busy times in the run"
    )
    if found := ratios(rounds):
        lines.append(
            f"ours by ultralytics', medians: frames/s x{found['frames_per_second']:.2f}, of the whole process "
            f"x{found['frames_per_second_of_the_whole_process']:.2f}, start-up x{found['start_up']:.2f}, CPU a frame "
            f"x{found['cpu_per_frame']:.2f}, memory x{found['peak_memory']:.2f}"
        )
    many = [count for count in rounds.own if count > 1]
    lines += [
        f"{count} streams at once: x{_total(rounds, count):.2f} the frames/s of one, "
        f"{_extra(rounds, count) / _MIB:.0f} MiB for each more"
        for count in many
    ]
    if rounds.peer_failure is not None:
        lines.append(f"ultralytics failed: {rounds.peer_failure}")
    elif plan.peer is None:
        lines.append("ultralytics' own track was not measured; name its model with --peer-weights")
    return lines


def overheads(rounds: Rounds) -> dict[str, float]:
    """Medians over rounds of `serial_ratio` and `busy_ratio`, one stream."""
    pairs = [*zip(rounds.own[1], rounds.parts, strict=True)]
    return {
        "serial": statistics.median(serial_ratio(take, parts) for take, parts in pairs),
        "busy": statistics.median(busy_ratio(take) for take, _ in pairs),
    }


def summary_to_dict(plan: PipelinePlan, rounds: Rounds) -> dict[str, Any]:
    """All figures and every round; times in seconds, memory in bytes."""
    return {
        "format": FORMAT,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "system": platform.system(),
            "python": platform.python_version(),
        },
        "plan": {
            "sources": [str(source) for source in plan.sources],
            "config": plan.config,
            "settings": [*plan.settings],
            "max_frames": plan.max_frames,
            "peer_weights": None if plan.peer is None else str(plan.peer.weights),
            "truth": None if plan.truth is None else str(plan.truth),
        },
        "streams": {
            str(count): {
                "rounds": [_take_to_dict(take) for take in takes],
                "frames_per_second": statistics.median(take.rate for take in takes),
                "times_one_stream": _total(rounds, count),
                "bytes_per_extra_stream": _extra(rounds, count) if count > 1 else None,
            }
            for count, takes in rounds.own.items()
        },
        "stages": stage_figures(rounds),
        "parts": rounds.parts,
        "wall_by_serial_sum": overheads(rounds),
        "scores": [scores_to_dict(scores) for scores in rounds.own_scores],
        "peer": None if plan.peer is None else _peer_to_dict(rounds),
    }


def _peer_to_dict(rounds: Rounds) -> dict[str, Any]:
    return {
        "rounds": [_take_to_dict(take) for take in rounds.peer],
        "scores": [scores_to_dict(scores) for scores in rounds.peer_scores],
        "ours_by_theirs": ratios(rounds),
        "failure": rounds.peer_failure,
    }


def _take_to_dict(take: OwnTake | PeerTake) -> dict[str, Any]:
    told = asdict(take)
    return told | {
        "frames_per_second": take.rate,
        "frames_per_second_of_the_whole_process": take.whole_rate,
        "start_up": take.start_up,
        "cpu_per_frame": take.cpu_per_frame,
    }


def _extra(rounds: Rounds, count: int) -> float:
    """Bytes for each stream beyond the first, median over rounds."""
    return statistics.median(
        memory_per_stream(one, many) for one, many in zip(rounds.own[1], rounds.own[count], strict=True)
    )


def _total(rounds: Rounds, count: int) -> float:
    """Frames/s of all streams by those of one alone, median over rounds."""
    return statistics.median(many.rate / one.rate for one, many in zip(rounds.own[1], rounds.own[count], strict=True))


def _cells(takes: Sequence[Take], extra: str) -> list[str]:
    rates = [take.rate for take in takes]
    return [
        f"{statistics.median(rates):.1f}",
        f"{min(rates):.1f}",
        f"{max(rates):.1f}",
        f"{statistics.median(take.whole_rate for take in takes):.1f}",
        f"{statistics.median(take.start_up for take in takes):.1f}",
        f"{1000 * statistics.median(take.cpu_per_frame for take in takes):.1f}",
        f"{statistics.median(take.usage.peak_memory for take in takes) / _MIB:.0f}",
        extra,
    ]


def _scores(scores: Sequence[Scores], plan: PipelinePlan) -> list[str]:
    if plan.truth is None:
        return []
    if not scores:
        return ["", ""]
    values = [scores_to_dict(one) for one in scores]
    return [f"{100 * statistics.median(one[name] for one in values):.1f}" for name in ("HOTA", "IDF1")]
