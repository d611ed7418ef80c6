"""FollowTab: draw a box on a picture of a video, and what it shows is followed; the track it becomes opens."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import gradio as gr

from pipeline.page import look
from pipeline.page.events import Updates, ids, on, troubles_told, word
from pipeline.page.follow_form import follow_form
from pipeline.page.runs_view import RunsView
from pipeline.store.run_kinds import FOLLOW
from pipeline.tracker_names import TargetName

SECONDS = 1.0  # between two looks at a run that goes on


class FollowTab:
    """A form with the picture and, beside it, the run that goes on."""

    def __init__(self, view: RunsView, ask: Callable[[gr.EventData], None]) -> None:
        """`ask`: passes on what is wanted of a run."""
        self._view, self._pass_on = view, ask
        self.watched = gr.State("")  # public id of the run that is shown
        with gr.Row(elem_classes="sl-halves"):
            with gr.Column(scale=3):
                self._form = gr.HTML(
                    str(follow_form(get_args(TargetName))), js_on_load=look.script("follow"), apply_default_css=False
                )
            with gr.Column(scale=2):
                self.live = gr.HTML(js_on_load=look.script("followed"), apply_default_css=False)
        self.timer = gr.Timer(SECONDS, active=False)
        self.outputs = [self.watched, self.live, self.timer]

    def wire(self) -> None:
        """What this tab does by itself."""
        on(self.timer.tick, self.show, [self.watched], self.outputs)
        on(self._form.started, self._started, [], self.outputs)  # the script's own event
        on(self.live.control, self._control, [self.watched], self.outputs)

    def show(self, watched: str) -> Updates:
        """`watched`: a run that follows a target, empty for the newest one that goes on."""
        with troubles_told():
            found = ids(watched)
            run = found[0] if found else self._view.newest_alive(FOLLOW)
            html, going_on = self._view.followed(run)
        return {self.watched: str(run or ""), self.live: html, self.timer: gr.Timer(active=going_on)}

    def _started(self, event: gr.EventData) -> Updates:
        return self.show(word(event, "run"))

    def _control(self, event: gr.EventData, watched: str) -> Updates:
        self._pass_on(event)
        return self.show(watched)
