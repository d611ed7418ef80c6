"""RunWatch: the run that goes on beside a form that starts some: looked at every second, steered by its buttons."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import gradio as gr

from pipeline.page import look
from pipeline.page.events import Updates, ids, on, troubles_told, word

SECONDS = 1.0  # between two looks at a run that goes on


class RunWatch:
    """One run, chosen by what was started last, else the newest that goes on."""

    def __init__(
        self,
        script: str,
        *,
        newest: Callable[[], UUID | None],
        shown: Callable[[UUID | None], tuple[str, bool]],
        ask: Callable[[gr.EventData], None],
    ) -> None:
        """`script`: of the card in the browser. `newest`: the newest run that goes on, where none was started here.

        `shown`: HTML of a run, and whether it goes on. `ask`: passes on what is wanted of a run.
        """
        self._newest, self._shown, self._pass_on = newest, shown, ask
        self.watched = gr.State("")  # public id of the run that is shown
        self.live = gr.HTML(js_on_load=look.script(script), apply_default_css=False)
        self.timer = gr.Timer(SECONDS, active=False)
        self.outputs = [self.watched, self.live, self.timer]

    def wire(self, form: gr.HTML) -> None:
        """What happens by itself, and what does when the form says that it has started a run."""
        on(self.timer.tick, self.show, [self.watched], self.outputs)
        on(form.started, self._started, [], self.outputs)  # the script's own event
        on(self.live.control, self._control, [self.watched], self.outputs)

    def show(self, watched: str) -> Updates:
        """`watched`: a run, empty for the newest one that goes on."""
        with troubles_told():
            found = ids(watched)
            run = found[0] if found else self._newest()
            html, going_on = self._shown(run)
        return {self.watched: str(run or ""), self.live: html, self.timer: gr.Timer(active=going_on)}

    def _started(self, event: gr.EventData) -> Updates:
        return self.show(word(event, "run"))

    def _control(self, event: gr.EventData, watched: str) -> Updates:
        self._pass_on(event)
        return self.show(watched)
