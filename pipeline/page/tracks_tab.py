"""TracksTab: filters over a gallery of tracks; a click opens one, several can be selected and edited."""

from __future__ import annotations

from typing import Any

import gradio as gr

from pipeline.page import look
from pipeline.page.edits import Edits, read_wish, told
from pipeline.page.events import Updates, actor, ids, on_any, on_each, say, sent, troubles_told
from pipeline.page.filters_form import FilterForm
from pipeline.page.pager import Pager
from pipeline.page.runs_view import Choice
from pipeline.page.tracks_view import Choices, TracksView
from pipeline.store.filters import ObjectOrder

ORDERS: list[Choice] = [
    ("Newest first", ObjectOrder.NEWEST.value),
    ("Oldest first", ObjectOrder.OLDEST.value),
    ("Longest first", ObjectOrder.LONGEST.value),
    ("Best score first", ObjectOrder.SUREST.value),
    ("Clearest picture first", ObjectOrder.CLEAREST.value),
]


class TracksTab:
    """The gallery."""

    def __init__(self, view: TracksView, edits: Edits) -> None:
        self._view, self._edits = view, edits
        self.form = FilterForm(ORDERS)
        self.order = self.form.order
        self.filters: list[Any] = [*self.form.fields, self.order]
        self.cards = gr.HTML(js_on_load=look.script("gallery"), apply_default_css=False)
        self.pager = Pager()
        self.outputs = [self.cards, *self.pager.outputs]
        self.choice_outputs = [self.form.run, self.form.source, self.form.names]

    def wire(self) -> None:
        """What this tab does by itself."""
        changes = [*self.form.events, self.order.input]
        on_any(changes, lambda *values: self.show(0, *values), self.filters, self.outputs)
        on_each(self.cards.edit, self._edit, [self.pager.number, *self.filters], self.outputs)
        self.pager.wire(self.show, self.filters, self.outputs)

    def show(self, number: int, *values: Any) -> Updates:
        """`values`: of the filters, in their order."""
        with troubles_told():
            sheet = self._view.sheet(self.form.wanted(values[:-1]), ObjectOrder(values[-1]), number)
        return {self.cards: sheet.html} | self.pager.turned_to(sheet)

    def of_run(self, run: str) -> Updates:
        """All tracks of one run, the newest first: the other filters are taken back."""
        newest = ObjectOrder.NEWEST.value
        fields = self.form.of_run(self.found(run), run)
        return fields | {self.order: newest} | self.show(0, run, "", [], [], None, None, 0, 0, [], newest)

    def of_source(self, source: str) -> Updates:
        """All tracks of one camera or video, the newest first: the other filters are taken back."""
        newest = ObjectOrder.NEWEST.value
        fields = self.form.of_source(self.found(""), source)
        return fields | {self.order: newest} | self.show(0, "", source, [], [], None, None, 0, 0, [], newest)

    def found(self, run: str) -> Choices:
        """What there is to choose from now. `run`: the one that is chosen, empty for all."""
        chosen = ids(run)
        with troubles_told():
            return self._view.choices(chosen[0] if chosen else None)

    def _edit(self, event: gr.EventData, request: gr.Request, number: int, *values: Any) -> Updates:
        """What the reviewer did with the selected tracks."""
        with troubles_told():
            wish = read_wish(sent(event))
            say(told(wish, self._edits.carry_out(wish, actor=actor(request))))
        return self.show(number, *values)
