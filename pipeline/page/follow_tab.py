"""FollowTab: draw a box on a picture of a video, and what it shows is followed; the track it becomes opens."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import get_args

import gradio as gr

from pipeline.page import look
from pipeline.page.follow_form import follow_form
from pipeline.page.run_watch import RunWatch
from pipeline.page.runs_view import RunsView
from pipeline.store.run_kinds import FOLLOW
from pipeline.tracker_names import TargetName


class FollowTab:
    """A form with the picture and, beside it, the run that goes on."""

    def __init__(self, view: RunsView, ask: Callable[[gr.EventData], None]) -> None:
        """`ask`: passes on what is wanted of a run."""
        with gr.Row(elem_classes="sl-halves"):
            with gr.Column(scale=3):
                self._form = gr.HTML(
                    str(follow_form(get_args(TargetName))), js_on_load=look.script("follow"), apply_default_css=False
                )
            with gr.Column(scale=2):
                newest = partial(view.newest_alive, FOLLOW)
                self.run = RunWatch("followed", newest=newest, shown=view.followed, ask=ask)

    def wire(self) -> None:
        """What this tab does by itself."""
        self.run.wire(self._form)
