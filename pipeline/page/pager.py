"""Pager: which sheet of a long list is shown: previous, "25 to 48 of 300 tracks", next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from pipeline.page.events import Updates, on
from pipeline.page.reading import Sheet


class Pager:
    """Two buttons and a place between them."""

    def __init__(self) -> None:
        self.number = gr.State(0)
        with gr.Row(elem_classes="sl-pager"):
            self.previous = gr.Button("Previous", size="sm", scale=0, min_width=100, visible=False)
            self.place = gr.HTML(elem_classes="sl-place", apply_default_css=False)
            self.next = gr.Button("Next", size="sm", scale=0, min_width=100, visible=False)
        self.outputs = [self.number, self.previous, self.place, self.next]

    def turned_to(self, sheet: Sheet) -> Updates:
        """Show where a sheet lies."""
        return {
            self.number: sheet.number,
            self.previous: gr.Button(interactive=sheet.number > 0, visible=sheet.sheets > 1),
            self.place: f"<p>{escape(sheet.place)}</p>",
            self.next: gr.Button(interactive=sheet.number + 1 < sheet.sheets, visible=sheet.sheets > 1),
        }

    def wire(self, show: Callable[..., Updates], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """`show`: of a sheet's number and the inputs."""
        on(self.previous.click, partial(_turned, show, -1), [self.number, *inputs], outputs)
        on(self.next.click, partial(_turned, show, 1), [self.number, *inputs], outputs)


def _turned(show: Callable[..., Updates], step: int, number: int, *values: Any) -> Updates:
    return show(number + step, *values)
