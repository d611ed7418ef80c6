"""ProcessTab: choose a video and a config, start a run, and watch it: progress, newest frame with boxes, stop."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import gradio as gr

from pipeline.page import look
from pipeline.page.process_form import ConfigChoice, process_form
from pipeline.page.run_watch import RunWatch
from pipeline.page.runs_view import RunsView


class ProcessTab:
    """A form and, beside it, the run that goes on."""

    def __init__(self, view: RunsView, configs: Sequence[ConfigChoice], ask: Callable[[gr.EventData], None]) -> None:
        """`ask`: passes on what is wanted of a run."""
        with gr.Row(elem_classes="sl-halves"):
            with gr.Column():
                self._form = gr.HTML(
                    str(process_form(configs)), js_on_load=look.script("process"), apply_default_css=False
                )
            with gr.Column():
                self.run = RunWatch("runs", newest=view.newest_alive, shown=view.live, ask=ask)

    def wire(self) -> None:
        """What this tab does by itself."""
        self.run.wire(self._form)
