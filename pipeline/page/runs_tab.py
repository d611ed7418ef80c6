"""RunsTab: cards of runs that follow their progress; pause, stop and resume; two runs compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from pipeline.page import look
from pipeline.page.events import Updates, ids, on, say, sent, troubles_told
from pipeline.page.pager import Pager
from pipeline.page.runs_view import Choice, RunsView
from pipeline.page.steering import RunSteering, steer

SECONDS = 2.0  # between two looks at runs that go on


class RunsTab:
    """Runs, the newest first. A card's buttons name the run and what is wanted of it."""

    def __init__(self, view: RunsView, control: RunSteering) -> None:
        self._view, self._control = view, control
        self.cards = gr.HTML(js_on_load=look.script("runs"), apply_default_css=False)
        self.pager = Pager()
        with gr.Accordion("Compare two runs", open=False), gr.Column():
            with gr.Row(elem_classes="sl-pair-of-runs"):
                self.first = gr.Dropdown([], label="This run")
                self.second = gr.Dropdown([], label="against this one")
                self._compare = gr.Button("Compare", scale=0, min_width=120)
            self._comparison = gr.HTML(apply_default_css=False)
        self.timer = gr.Timer(SECONDS, active=False)
        self.outputs = [self.cards, self.timer, *self.pager.outputs]
        self.choice_outputs = [self.first, self.second]

    def wire(self) -> None:
        """What this tab does by itself."""
        on(self.timer.tick, self.show, [self.pager.number], self.outputs)
        on(self.cards.control, self._ask, [self.pager.number], self.outputs)  # the script's own event
        on(self._compare.click, self._compared, [self.first, self.second], [self._comparison])
        self.pager.wire(self.show, [], self.outputs)

    def show(self, number: int) -> Updates:
        """One sheet; it looks again by itself as long as a run on it goes on."""
        with troubles_told():
            found = self._view.sheet(number)
        shown = {self.cards: found.sheet.html, self.timer: gr.Timer(active=found.going_on)}
        return shown | self.pager.turned_to(found.sheet)

    def offered(self, runs: Sequence[Choice]) -> Updates:
        """Runs to compare."""
        return {self.first: gr.Dropdown(list(runs)), self.second: gr.Dropdown(list(runs))}

    def ask(self, event: gr.EventData) -> None:
        """Pass on what is wanted of a run."""
        with troubles_told():
            said = steer(self._control, sent(event))
        if said is not None:
            say(said)

    def _ask(self, event: gr.EventData, number: int) -> Updates:
        self.ask(event)
        return self.show(number)

    def _compared(self, first: Any, second: Any) -> Updates:
        with troubles_told():
            return {self._comparison: self._view.comparison(ids(first), ids(second))}
