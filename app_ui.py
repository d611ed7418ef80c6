"""The review page: runs, tracks and one track at a time, over an existing store. It changes nothing in it.

Start it with `python app_ui.py --database runs/sightline.db`; it listens to this machine alone unless told otherwise.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from html import escape
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from pipeline.config import Settings, StoreSettings
from pipeline.errors import ConfigError, SightlineError
from pipeline.page import cards, look
from pipeline.page.access import USER, check_host, read_password
from pipeline.page.views import Choice, Sheet, Views
from pipeline.runs import media_folder
from pipeline.store.database import Database, open_database
from pipeline.store.filters import ObjectFilter, ObjectOrder

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import: gradio would report to its makers
import gradio as gr

BAD_INPUT = 2  # exit code: nothing was done
RUNS, TRACKS, TRACK = "runs", "tracks", "track"  # the tabs
ORDERS: list[Choice] = [
    ("Newest first", ObjectOrder.NEWEST.value),
    ("Oldest first", ObjectOrder.OLDEST.value),
    ("Longest first", ObjectOrder.LONGEST.value),
    ("Best score first", ObjectOrder.SUREST.value),
]

Updates = dict[Any, Any]  # component -> its new value

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="markdown", add_completion=False)


def build_page(database: Database, media_folder: Path) -> gr.Blocks:
    """The page over an open store. Start it with `launch`, or mount it with the same style."""
    views = Views(database, media_folder)
    page: gr.Blocks
    with gr.Blocks(title="Sightline", fill_width=True, analytics_enabled=False) as page:
        with gr.Row(elem_classes="sl-head"):
            gr.HTML(str(cards.banner(database.name)), scale=1, apply_default_css=False)
            refresh = gr.Button("Refresh", size="sm", scale=0, min_width=110)
        with gr.Tabs() as tabs:
            with gr.Tab("Runs", id=RUNS):
                runs = _RunsTab(views)
            with gr.Tab("Tracks", id=TRACKS):
                tracks = _TracksTab(views)
            with gr.Tab("Track", id=TRACK):
                track = _TrackTab(views)
        _wire(page, refresh, tabs, runs, tracks, track)
    page.queue(default_concurrency_limit=8)
    return page


def launch(page: gr.Blocks, *, host: str, port: int, password: str | None = None) -> str:
    """Serve the page in threads of this process and return its address. Raises ConfigError if that cannot be.

    A host that others can reach is refused without a password.
    """
    check_host(host, password)
    os.environ.pop("GRADIO_ALLOWED_PATHS", None)  # no file is served by gradio, whatever the environment says
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()  # gradio's own complaint is long
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            auth=None if password is None else (USER, password),
            share=False,
            prevent_thread_lock=True,
            quiet=True,
            inbrowser=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            run_history=False,
            footer_links=[],
            allowed_paths=[],
            max_file_size=1,  # byte: nothing is uploaded
            theme=theme(),
            css=look.CSS,
        )
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"cannot listen at {host}, port {port}: {reason}; give another --port or --host") from error
    return address


def theme() -> gr.themes.Base:
    """Colours and fonts, to go with `look.CSS`. The system's own fonts: those that gradio brings lack bold letters."""
    fonts = ("ui-sans-serif", "system-ui", "sans-serif")
    return gr.themes.Default(primary_hue="teal", secondary_hue="teal", neutral_hue="slate", font=fonts)


@app.command()
def serve(
    database: Annotated[
        str, typer.Option(metavar="URL", help="SQLite file or SQLAlchemy address.")
    ] = "runs/sightline.db",
    media: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of crops.  [default: media beside the SQLite file]")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond this machine only with SIGHTLINE_PASSWORD or its _FILE.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
) -> None:
    """Look at runs and tracks in the browser.

    Example: `python app_ui.py --database runs/sightline.db`
    """
    password = read_password(os.environ)
    check_host(host, password)
    settings = Settings(store=StoreSettings(database=database, media=media))
    with open_database(database) as store:
        page = build_page(store, media_folder(settings))
        address = launch(page, host=host, port=port, password=password)
        login = "" if password is None else f" (log in as {USER})"
        Console().print(f"Sightline shows {store.name} at {address}{login}; Ctrl-C ends it", soft_wrap=True)
        page.block_thread()


def main() -> None:
    """Run the command line. Errors Sightline raises on purpose become one line and exit code 2."""
    try:
        app()
    except SightlineError as error:
        message = f"[bold red]error:[/] {' '.join(str(error).split())}"
        Console(stderr=True).print(message, soft_wrap=True, highlight=False)
        sys.exit(BAD_INPUT)


class _Pager:
    """Which sheet of a long list is shown: previous, "25 to 48 of 300 tracks", next."""

    def __init__(self) -> None:
        self.number = gr.State(0)
        with gr.Row(elem_classes="sl-pager"):
            self.previous = gr.Button("Previous", size="sm", scale=0, min_width=100, visible=False)
            self.place = gr.HTML(elem_classes="sl-place", apply_default_css=False)
            self.next = gr.Button("Next", size="sm", scale=0, min_width=100, visible=False)
        self.outputs = [self.number, self.previous, self.place, self.next]

    def turned_to(self, sheet: Sheet) -> Updates:
        return {
            self.number: sheet.number,
            self.previous: gr.Button(interactive=sheet.number > 0, visible=sheet.sheets > 1),
            self.place: f"<p>{escape(sheet.place)}</p>",
            self.next: gr.Button(interactive=sheet.number + 1 < sheet.sheets, visible=sheet.sheets > 1),
        }


class _RunsTab:
    """Cards of runs. A click on a card's button names the run."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self.cards = gr.HTML(js_on_load=look.OPEN_ON_CLICK, apply_default_css=False)
        self.pager = _Pager()
        self.outputs = [self.cards, *self.pager.outputs]

    def show(self, number: int) -> Updates:
        with _told():
            sheet = self._views.runs(number)
        return {self.cards: sheet.html} | self.pager.turned_to(sheet)


class _TracksTab:
    """Filters over cards of tracks. A click on a card names the track."""

    def __init__(self, views: Views) -> None:
        self._views = views
        with gr.Row(elem_classes="sl-filters"):
            self.run = gr.Dropdown([("All runs", "")], value="", label="Run")
            self.source = gr.Dropdown([("All sources", "")], value="", label="Source")
            self.names = gr.Dropdown([], value=[], multiselect=True, label="Class")
            self.seconds = gr.Number(0, minimum=0, step=0.5, label="Shortest, seconds")
            self.score = gr.Number(0, minimum=0, maximum=1, step=0.05, label="Lowest score")
            self.order = gr.Dropdown(ORDERS, value=ObjectOrder.NEWEST.value, label="Sort")
        self.filters: list[Any] = [self.run, self.source, self.names, self.seconds, self.score, self.order]
        self.cards = gr.HTML(js_on_load=look.OPEN_ON_CLICK, apply_default_css=False)
        self.pager = _Pager()
        self.outputs = [self.cards, *self.pager.outputs]

    def show(self, number: int, *values: Any) -> Updates:
        """`values`: of the filters, in their order."""
        run, source, names, seconds, score, order = values
        wanted = ObjectFilter(
            runs=_ids(run), sources=_ids(source), names=tuple(names), min_seconds=seconds or 0.0, min_score=score or 0.0
        )
        with _told():
            sheet = self._views.tracks(wanted, ObjectOrder(order), number)
        return {self.cards: sheet.html} | self.pager.turned_to(sheet)

    def choices(self, run: str) -> Updates:
        """What there is to choose from now. `run`: the one that is chosen, empty for all."""
        ids = _ids(run)
        with _told():
            found = self._views.choices(ids[0] if ids else None)
        known = any(value == run for _, value in found.runs)
        return {
            self.run: gr.Dropdown([("All runs", ""), *found.runs], value=run if known else ""),
            self.source: gr.Dropdown([("All sources", ""), *found.sources]),
            self.names: gr.Dropdown(found.names),
        }

    def of_run(self, run: str) -> Updates:
        """All tracks of one run: the other filters are taken back."""
        choices = self.choices(run)
        choices[self.source] = gr.Dropdown(value="")
        choices[self.names] = gr.Dropdown(value=[])
        newest = ObjectOrder.NEWEST.value
        plain = {self.seconds: 0, self.score: 0, self.order: newest}
        return choices | plain | self.show(0, run, "", [], 0, 0, newest)


class _TrackTab:
    """One track."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self.chosen = gr.State("")
        self.card = gr.HTML(views.track(None), apply_default_css=False)
        self.outputs = [self.chosen, self.card]

    def show(self, chosen: str) -> Updates:
        ids = _ids(chosen)
        with _told():
            return {self.chosen: chosen, self.card: self._views.track(ids[0] if ids else None)}


def _wire(
    page: gr.Blocks, refresh: gr.Button, tabs: gr.Tabs, runs: _RunsTab, tracks: _TracksTab, track: _TrackTab
) -> None:
    """What happens when. Nothing of it is an interface for programs."""

    def show_all(runs_sheet: int, tracks_sheet: int, chosen: str, *filters: Any) -> Updates:
        return (
            runs.show(runs_sheet)
            | tracks.choices(filters[0])
            | tracks.show(tracks_sheet, *filters)
            | track.show(chosen)
        )

    def open_run(event: gr.EventData) -> Updates:
        run = _named(event, "run")
        return {tabs: gr.Tabs(selected=TRACKS)} | tracks.of_run(run) if run else {tabs: gr.skip()}

    def open_track(event: gr.EventData) -> Updates:
        chosen = _named(event, "track")
        return {tabs: gr.Tabs(selected=TRACK)} | track.show(chosen) if chosen else {tabs: gr.skip()}

    def on(
        event: Callable[..., Any], act: Callable[..., Updates], inputs: Sequence[Any], outputs: Sequence[Any]
    ) -> None:
        event(act, inputs, outputs, api_visibility="private", show_progress="minimal", trigger_mode="always_last")

    everything = [*runs.outputs, *tracks.filters[:3], *tracks.outputs, *track.outputs]
    for event in (page.load, refresh.click):
        on(event, show_all, [runs.pager.number, tracks.pager.number, track.chosen, *tracks.filters], everything)
    for one in tracks.filters:
        on(one.input, lambda *values: tracks.show(0, *values), tracks.filters, tracks.outputs)
    for pager, act, inputs, outputs in (
        (runs.pager, runs.show, [], runs.outputs),
        (tracks.pager, tracks.show, tracks.filters, tracks.outputs),
    ):
        on(pager.previous.click, partial(_turned, act, -1), [pager.number, *inputs], outputs)
        on(pager.next.click, partial(_turned, act, 1), [pager.number, *inputs], outputs)
    on(runs.cards.click, open_run, [], [tabs, *tracks.filters, *tracks.outputs])
    on(tracks.cards.click, open_track, [], [tabs, *track.outputs])


def _turned(act: Callable[..., Updates], step: int, number: int, *values: Any) -> Updates:
    return act(number + step, *values)


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with the store is told in the page, which shows it as HTML."""
    try:
        yield
    except SightlineError as error:
        raise gr.Error(escape(str(error)), print_exception=False) from error


def _named(event: gr.EventData, key: str) -> str:
    """What a card that was clicked names, as browsers tell it: anything at all."""
    value = event._data.get(key) if isinstance(event._data, dict) else None
    return value if isinstance(value, str) else ""


def _ids(text: object) -> tuple[UUID, ...]:
    """The public id in a text from the browser; none if there is none in it."""
    try:
        return (UUID(str(text)),) if text else ()
    except ValueError:
        return ()


if __name__ == "__main__":
    main()
