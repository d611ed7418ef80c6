"""TrackTab: one track; below it, as soon as they are found, those that look like it."""

from __future__ import annotations

from dataclasses import replace

import gradio as gr

from pipeline.page import look
from pipeline.page.edits import Edits, Wish, read_wish, told
from pipeline.page.events import Updates, actor, ids, on, on_each, say, sent, troubles_told
from pipeline.page.similar_view import SimilarView
from pipeline.page.track_view import TrackView


class TrackTab:
    """One track."""

    def __init__(self, view: TrackView, similar: SimilarView, edits: Edits) -> None:
        self._view, self._similar, self._edits = view, similar, edits
        self.chosen = gr.State("")
        self.card = gr.HTML(view.page(None), js_on_load=look.script("track"), apply_default_css=False)
        self.near = gr.HTML(js_on_load=look.script("gallery"), apply_default_css=False)
        self.outputs = [self.chosen, self.card]

    def wire(self) -> None:
        """What this tab does by itself. What is similar is looked for once the track stands there."""
        on_each(self.card.edit, self._edit, [self.chosen], self.outputs)
        on_each(self.near.edit, self._merge, [self.chosen], self.outputs)
        on(self.chosen.change, self.show_near, [self.chosen], [self.near])

    def show(self, chosen: str) -> Updates:
        """`chosen`: its public id, empty for none."""
        found = ids(chosen)
        with troubles_told():
            return {self.chosen: chosen, self.card: self._view.page(found[0] if found else None)}

    def show_near(self, chosen: str) -> Updates:
        """What looks like it, and where else it may have been seen."""
        found = ids(chosen)
        with troubles_told():
            return {self.near: self._similar.beside(found[0]) if found else ""}

    def _edit(self, event: gr.EventData, request: gr.Request, chosen: str) -> Updates:
        """What the reviewer did with this track."""
        with troubles_told():
            wish = read_wish(sent(event))
        return self._carry_out(wish, request, chosen)

    def _merge(self, event: gr.EventData, request: gr.Request, chosen: str) -> Updates:
        """The selected similar tracks are this one."""
        with troubles_told():
            wish = read_wish(sent(event))
        return self._carry_out(replace(wish, tracks=(*ids(chosen), *wish.tracks)), request, chosen)

    def _carry_out(self, wish: Wish, request: gr.Request, chosen: str) -> Updates:
        """An edit; after a merge the track that remains is shown."""
        with troubles_told():
            edited = self._edits.carry_out(wish, actor=actor(request))
            say(told(wish, edited))
        shown = edited.objects if edited else ()
        if ids(chosen) and shown and ids(chosen)[0] not in shown and wish.op == "merge":
            chosen = str(shown[0])
        return self.show(chosen)
