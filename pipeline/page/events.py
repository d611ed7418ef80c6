"""What happens between the browser and Python: reading what it sends, telling it what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from html import escape
from typing import Any
from uuid import UUID

import gradio as gr

from pipeline.errors import SightlineError

Updates = dict[Any, Any]  # component -> its new value


def on(event: Callable[..., Any], act: Callable[..., Updates], inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
    """Let an event act. Nothing of it is an interface for programs: those have the HTTP API."""
    return event(act, inputs, outputs, api_visibility="private", show_progress="minimal", trigger_mode="always_last")


def on_any(
    events: Sequence[Callable[..., Any]], act: Callable[..., Updates], inputs: Sequence[Any], outputs: Sequence[Any]
) -> Any:
    """Let several events do the same, as one: wired each for itself, an older answer could come last and stay."""
    return on(partial(gr.on, list(events)), act, inputs, outputs)


def on_each(
    event: Callable[..., Any], act: Callable[..., Updates], inputs: Sequence[Any], outputs: Sequence[Any]
) -> Any:
    """Let every single event act, one after the other: none of several quick edits may be left out."""
    return event(
        act,
        inputs,
        outputs,
        api_visibility="private",
        show_progress="minimal",
        trigger_mode="multiple",
        concurrency_limit=1,
        concurrency_id="edits",
    )


@contextmanager
def troubles_told() -> Iterator[None]:
    """What Sightline finds wrong is told in the page, which shows it as HTML."""
    try:
        yield
    except SightlineError as error:
        raise gr.Error(escape(str(error)), print_exception=False) from error


def say(text: str) -> None:
    """Tell the reader, in a corner of the page, for some seconds."""
    gr.Info(escape(text), duration=3, title="Sightline")


def sent(event: gr.EventData) -> Mapping[str, Any]:
    """What a script of the page sent with its event, as browsers tell it: anything at all."""
    return event._data if isinstance(event._data, dict) else {}


def word(event: gr.EventData, key: str) -> str:
    """A text that a script sent; empty where it sent none."""
    value = sent(event).get(key)
    return value if isinstance(value, str) else ""


def ids(text: object) -> tuple[UUID, ...]:
    """The public id in a text from the browser; none if there is none in it."""
    try:
        return (UUID(str(text)),) if text else ()
    except ValueError:
        return ()


def actor(request: gr.Request) -> str:
    """Who acts, as the guard before all routes found out."""
    assert request.request is not None, "an event of a browser comes with a request"
    return str(request.request.state.actor)
