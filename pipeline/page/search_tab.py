"""SearchTab: the most similar tracks across runs and sources, by a track or by a picture of the reader's own."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import gradio as gr
from markupsafe import Markup

from pipeline.page import look
from pipeline.page.edits import Edits, read_wish, told
from pipeline.page.events import Updates, actor, ids, on, on_any, on_each, say, sent, troubles_told
from pipeline.page.filters_form import FilterForm
from pipeline.page.parts import hint
from pipeline.page.similar_view import FOUND, SimilarView
from pipeline.store.filters import ObjectFilter

Found = list[tuple[UUID, float]]  # tracks and their distances

_HOW = hint(
    "Who was that?",
    "Choose a picture of your own, or open a track and press Find similar: the nearest tracks come first.",
)


class SearchTab:
    """What is searched by, the filters, and what was found."""

    def __init__(self, similar: SimilarView, edits: Edits) -> None:
        self._similar, self._edits = similar, edits
        self.track = gr.State("")  # public id of what is searched by, empty for a picture
        self.found = gr.State([])  # of the search by a picture
        with gr.Row(elem_classes="sl-halves"):
            with gr.Column(scale=1, min_width=260):
                self.asked = gr.HTML(
                    _asked(None, ObjectFilter()), js_on_load=look.script("picture"), apply_default_css=False
                )
            with gr.Column(scale=3):
                self.form = FilterForm()
                self.cards = gr.HTML(str(_HOW), js_on_load=look.script("gallery"), apply_default_css=False)
        self.outputs = [self.track, self.asked, self.cards]
        self.choice_outputs = [self.form.run, self.form.source, self.form.names]

    def wire(self) -> None:
        """What this tab does by itself."""
        inputs = [self.track, self.found, *self.form.fields]
        on_any(self.form.events, self._filtered, [self.track, *self.form.fields], self.outputs)
        on(self.asked.found, self._of_picture, self.form.fields, [*self.outputs, self.found])  # the script's own event
        on_each(self.cards.edit, self._edit, inputs, self.outputs)

    def by_track(self, track: str, *values: Any) -> Updates:
        """Search by a track. `values`: of the filters, in their order."""
        chosen = ids(track)
        with troubles_told():
            wanted = self.form.wanted(values)
            query = self._similar.query(chosen[0]) if chosen else None
            if query is None:
                gone = hint("This track is gone", "It was deleted, or merged into another one.")
                return {self.track: "", self.asked: _asked(None, wanted), self.cards: str(gone)}
            shown = self._similar.like_track(chosen[0], wanted)
        return {self.track: track, self.asked: _asked(query, wanted), self.cards: shown}

    def _filtered(self, track: str, *values: Any) -> Updates:
        """Other filters. The script searches again by its picture once it hears of them."""
        if track:
            return self.by_track(track, *values)
        with troubles_told():
            return {self.asked: _asked(None, self.form.wanted(values))}

    def _of_picture(self, event: gr.EventData, *values: Any) -> Updates:
        """Show what the HTTP API has found by a picture."""
        found = _read_hits(sent(event).get("hits"))
        with troubles_told():
            asked, shown = _asked(None, self.form.wanted(values)), self._similar.like_picture(found)
        return {self.track: "", self.found: found, self.asked: asked, self.cards: shown}

    def _edit(self, event: gr.EventData, request: gr.Request, track: str, found: Found, *values: Any) -> Updates:
        """What the reviewer did with the selected tracks."""
        with troubles_told():
            wish = read_wish(sent(event))
            say(told(wish, self._edits.carry_out(wish, actor=actor(request))))
            if not track:
                return {self.cards: self._similar.like_picture(found)}
        return self.by_track(track, *values)


def _asked(track: Markup | None, wanted: ObjectFilter) -> str:
    """What is searched by: a track, a picture that the script draws, or neither. The script reads the filters there."""
    return str(
        Markup(
            '<div class="sl-query" data-filters="{}">{}<figure class="sl-own" hidden><canvas></canvas></figure>'
            '<label class="sl-drop"><b>Search by a picture</b><span>drop one here, or click to choose it</span>'
            '<input type="file" accept="image/*"></label><p class="sl-said" role="status"></p></div>'
        ).format(_query_string(wanted), track or Markup("<span hidden></span>"))
    )


def _query_string(wanted: ObjectFilter) -> str:
    """The filters as the HTTP API takes them."""
    pairs: list[tuple[str, object]] = [
        *(("run", run) for run in wanted.runs),
        *(("source", source) for source in wanted.sources),
        *(("name", name) for name in wanted.names),
        *(("verdict", verdict or "none") for verdict in wanted.verdicts),
        *(("evidence", evidence.name.lower()) for evidence in wanted.evidence),
        ("min_seconds", wanted.min_seconds),
        ("min_score", wanted.min_score),
        *([("from", wanted.from_at)] if wanted.from_at is not None else []),
        *([("to", wanted.to_at)] if wanted.to_at is not None else []),
    ]
    return urlencode(pairs)


def _read_hits(listed: object) -> Found:
    """Tracks and distances as a script sends them: anything at all."""
    found: Found = []
    for one in listed[:FOUND] if isinstance(listed, list) else []:
        match one:
            case [str(text), int() | float() as distance] if ids(text):
                found.append((ids(text)[0], float(distance)))
    return found
