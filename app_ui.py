"""The review page and its HTTP API over a store: what `python app_ui.py --database runs/sightline.db` serves.

The tabs are in pipeline/page, the API in pipeline/api. Both stand behind one guard, which listens to this machine alone
unless there is a password.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from fastapi import FastAPI
from rich.console import Console

from pipeline import logs
from pipeline.api.app import make_app
from pipeline.api.services import Limits, Services
from pipeline.config import DATABASE_VARIABLE, Settings, StoreSettings
from pipeline.errors import ConfigError, SightlineError
from pipeline.page.access import check_host, read_login_hosts, read_media_roots, read_password
from pipeline.page.process_form import ConfigChoice
from pipeline.picture_search import PictureSearch
from pipeline.run_control import RunControl
from pipeline.run_record import media_folder
from pipeline.shipped import config_folders
from pipeline.store.database import open_database
from pipeline.store.search import SimilarityIndex
from pipeline.track_explanation import TrackExplainer

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported: it would report to its makers
BAD_INPUT = 2  # exit code: nothing was done
_NO_FILES = 1  # byte: the largest upload that gradio takes; ours has a route of its own

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="markdown", add_completion=False)


@app.command()
def serve(
    database: Annotated[
        str, typer.Option(envvar=DATABASE_VARIABLE, metavar="URL", help="SQLite file or SQLAlchemy address.")
    ] = "runs/sightline.db",
    media: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of crops.  [default: media beside the SQLite file]")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Where to listen; beyond this machine only with SIGHTLINE_PASSWORD or its _FILE.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
) -> None:
    """Look at runs and tracks in the browser, review them, and start runs.

    Example: `python app_ui.py --database runs/sightline.db`
    """
    password = read_password(os.environ)
    check_host(host, password)
    settings = Settings(store=StoreSettings(database=database, media=media))
    with open_database(database) as store, _listening(host, port) as listener:
        folder = media_folder(settings)
        services = Services(
            database=store,
            media_folder=folder,
            runs=RunControl(store, folder),
            similarity=SimilarityIndex(store),
            pictures=PictureSearch(store),
            explanations=TrackExplainer(store),
            password=password,
            host=host,
            limits=Limits(
                media_roots=read_media_roots(os.environ, password=password, here=Path.cwd()),
                login_hosts=read_login_hosts(os.environ, password=password),
            ),
        )
        login = "" if password is None else " (it asks for the password)"
        said = f"Sightline shows {store.name} at http://{_address(host)}:{port}{login}; Ctrl-C ends it"
        _Server(build_app(services), said).run(sockets=[listener])


def build_app(services: Services) -> FastAPI:
    """The HTTP API with the page on it, behind the guard of both."""
    import gradio as gr  # takes seconds, and who is refused need not wait for it

    from pipeline.page import look
    from pipeline.page.site import Behind, Site

    site = Site(
        Behind(
            database=services.database,
            media_folder=services.media_folder,
            runs=services.runs,
            index=services.similarity,
            configs=configs(),
            logged_in=services.password is not None,
        )
    )
    os.environ.pop("GRADIO_ALLOWED_PATHS", None)  # no file is served by gradio, whatever the environment says
    mounted: FastAPI = gr.mount_gradio_app(
        make_app(services),
        site.blocks,
        path="/",
        footer_links=[],
        run_history=False,
        allowed_paths=[],
        max_file_size=_NO_FILES,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        theme=look.theme(),
        css=look.css(),
        head=look.head(),
    )
    return mounted


def configs() -> list[ConfigChoice]:
    """The configs that come with Sightline, each with the sentence it begins with; the default one first."""
    files = {file.stem: file for folder in reversed(config_folders()) for file in folder.glob("*.yaml")}
    for other in ("cameras", "catalog"):  # for `sightline watch` and `sightline models`
        files.pop(other, None)
    names = sorted(files, key=lambda name: (name != "default", name))
    return [ConfigChoice(name, _first_sentence(files[name])) for name in names]


def main() -> None:
    """Run the command line. Errors Sightline raises on purpose become one line and exit code 2."""
    logs.set_up()
    try:
        app()
    except SightlineError as error:
        message = f"[bold red]error:[/] {' '.join(str(error).split())}"
        Console(stderr=True).print(message, soft_wrap=True, highlight=False)
        sys.exit(BAD_INPUT)


class _Server(uvicorn.Server):
    """Says where it listens once it does; the first Ctrl-C or SIGTERM lets it finish, and the program after it."""

    def __init__(self, app: FastAPI, said: str) -> None:
        super().__init__(
            uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=2)
        )
        self._said = said

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if self.started:
            Console().print(self._said, soft_wrap=True, highlight=False)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn. Browsers keep streams open; that these are cut off at the end is no error worth a traceback."""
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Uvicorn's own would raise the signal again, which skips what is still to be closed."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that waits for connections. Raises ConfigError where that cannot be."""
    try:
        found = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(f"cannot listen at {host}, port {port}: {reason}; give another --port or --host") from error
    with found:
        yield found


def _address(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _first_sentence(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    said = lines[0].removeprefix("#").strip() if lines and lines[0].startswith("#") else ""
    return f"{said.partition('. ')[0].rstrip('.')}." if said else ""


if __name__ == "__main__":
    main()
