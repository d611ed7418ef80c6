"""FilterForm: the fields that tracks are filtered by, and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import gradio as gr

from pipeline.errors import ConfigError
from pipeline.page.events import Updates, ids
from pipeline.page.gallery import VERDICTS
from pipeline.page.runs_view import Choice
from pipeline.page.timeline import WAYS
from pipeline.page.tracks_view import Choices
from pipeline.store.filters import ObjectFilter
from trackers.structures import Evidence

_TIME = "%Y-%m-%d %H:%M:%S"  # as Gradio's field writes it


class FilterForm:
    """Run, source and class in sight; clock time, duration, score, evidence and verdict folded away."""

    def __init__(self, orders: Sequence[Choice] = ()) -> None:
        """`orders`: what may come first; where there are any, the field `order` stands beside the filters."""
        with gr.Row(elem_classes="sl-filters"):
            self.run = gr.Dropdown([("All runs", "")], value="", label="Run")
            self.source = gr.Dropdown([("All sources", "")], value="", label="Source")
            self.names = gr.Dropdown([], value=[], multiselect=True, label="Class or label")
            self.verdicts = gr.Dropdown(
                [("not judged", ""), *((said, verdict.value) for verdict, said in VERDICTS.items())],
                value=[],
                multiselect=True,
                label="Verdict",
            )
            self.order = gr.Dropdown(
                list(orders), value=orders[0][1] if orders else None, label="Sort", visible=bool(orders)
            )
        with gr.Accordion("More filters", open=False), gr.Row(elem_classes="sl-filters"):
            self.from_at = gr.DateTime(None, type="string", label="Seen from", elem_classes="sl-from")
            self.to_at = gr.DateTime(None, type="string", label="Seen before", elem_classes="sl-before")
            self.seconds = gr.Number(0, minimum=0, step=0.5, label="Shortest, seconds")
            self.score = gr.Number(0, minimum=0, maximum=1, step=0.05, label="Lowest score")
            self.evidence = gr.Dropdown(
                [(said, int(evidence)) for evidence, said in WAYS.items()], value=[], multiselect=True, label="Evidence"
            )
        self.fields: list[Any] = [
            *(self.run, self.source, self.names, self.verdicts),
            *(self.from_at, self.to_at, self.seconds, self.score, self.evidence),
        ]

    @property
    def events(self) -> list[Any]:
        """What happens when the reader changes a field."""
        times = (self.from_at, self.to_at)
        return [field.change if field in times else field.input for field in self.fields]

    def wanted(self, values: tuple[Any, ...]) -> ObjectFilter:
        """What the fields mean. `values`: theirs, in order. Raises ConfigError for a time that is none."""
        run, source, names, verdicts, from_at, to_at, seconds, score, evidence = values
        return ObjectFilter(
            runs=ids(run),
            sources=ids(source),
            names=tuple(names),
            verdicts=tuple(verdicts),
            from_at=read_time(from_at),
            to_at=read_time(to_at),
            min_seconds=seconds or 0.0,
            min_score=score or 0.0,
            evidence=tuple(Evidence(one) for one in evidence),
        )

    def offered(self, found: Choices, run: str) -> Updates:
        """New choices; the fields keep their values. `run`: the one that is chosen, empty for all."""
        return {
            self.run: gr.Dropdown([("All runs", ""), *found.runs], value=_known(found, run)),
            self.source: gr.Dropdown([("All sources", ""), *found.sources]),
            self.names: gr.Dropdown(found.names),
        }

    def of_run(self, found: Choices, run: str) -> Updates:
        """New choices; all fields but the run as they were at first."""
        return self._first(found, run=_known(found, run))

    def of_source(self, found: Choices, source: str) -> Updates:
        """New choices; all fields but the source as they were at first."""
        return self._first(found, source=source if any(value == source for _, value in found.sources) else "")

    def _first(self, found: Choices, *, run: str = "", source: str = "") -> Updates:
        return {
            self.run: gr.Dropdown([("All runs", ""), *found.runs], value=run),
            self.source: gr.Dropdown([("All sources", ""), *found.sources], value=source),
            self.names: gr.Dropdown(found.names, value=[]),
            **{self.verdicts: [], self.from_at: None, self.to_at: None},
            **{self.seconds: 0, self.score: 0, self.evidence: []},
        }


def _known(found: Choices, run: str) -> str:
    return run if any(value == run for _, value in found.runs) else ""


def read_time(text: str | None) -> int | None:
    """A clock time in this machine's time zone as microseconds UTC. Raises ConfigError for what is none."""
    if text is None or not text.strip():
        return None
    try:
        return round(datetime.strptime(text.strip(), _TIME).astimezone().timestamp() * 1e6)
    except ValueError as error:
        raise ConfigError(f"'{text}' is no time; write it as 2026-11-21 14:30:00") from error
