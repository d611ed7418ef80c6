"""What the `sightline` command does with a service over cameras: watch, and the cameras of the one that runs."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import typer
from rich.console import Console

from pipeline import logs
from pipeline.errors import BusyError, ConfigError, SightlineError, StoreError
from pipeline.run_verbs import INCOMPLETE, DatabaseOption, JsonOption, opened_store
from pipeline.stopping import stopping

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.camera_settings import WatchSettings
    from pipeline.config import Settings
    from pipeline.secrets import Secrets
    from pipeline.store.cameras import CameraRow
    from pipeline.store.filters import Scope
    from pipeline.store.rows import RunRow
    from pipeline.store.states import CameraWish
    from pipeline.watch.service import WatchOptions

LOOK_SECONDS = 1.0  # between two looks of `sightline cameras --watch`

cameras_app = typer.Typer(invoke_without_command=True)
_log = logging.getLogger(__name__)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the camera.")]


def watch(
    file: Annotated[Path, typer.Argument(metavar="CAMERAS.yaml", help="The cameras file.")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change one setting; may be given several times."),
    ] = None,
    database: DatabaseOption = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Of /metrics and /healthz; '' for none.")
    ] = None,
    log_json: Annotated[bool, typer.Option("--log-json", help="Log lines as JSON.")] = False,
) -> None:
    """Watch cameras until Ctrl-C or SIGTERM: read, detect, track, record, alert; bring back whatever fails.

    `sightline cameras` shows how they are doing, adds more and pauses some meanwhile. Passwords come from the
    environment (SIGHTLINE_SECRET_NAME=user:password) or a secrets file, never from the cameras file.

    Example: `sightline watch cameras.yaml --log-json`

    Exit code 0: it was stopped. 1: it broke, or another is at work; start it again. 2: bad input, nothing was done.
    """
    from pipeline.page.access import read_password
    from pipeline.secrets import Secrets
    from pipeline.watch.cameras_file import load_watch_settings
    from pipeline.watch.service import WatchOptions

    overrides = list(settings or [])
    if database is not None:
        overrides.append(f"store.database={json.dumps(database)}")
    if listen is not None:
        overrides.append(f"service.listen={json.dumps(listen)}")
    chosen = load_watch_settings(file, overrides)
    secrets = Secrets.read(None if chosen.secrets_file is None else Path(chosen.secrets_file), os.environ)
    options = WatchOptions(password=read_password(os.environ))
    serve(chosen, secrets, options, log_json=log_json)
    _leave()


def serve(settings: WatchSettings, secrets: Secrets, options: WatchOptions, *, log_json: bool = False) -> bool:
    """Run a service until its end. Returns whether somebody stopped it.

    Logs what it does, or shows a table in a terminal.
    """
    from pipeline.store.engines import read_address
    from pipeline.watch.service import Watch
    from pipeline.watch_tables import ServiceDisplay

    console = Console()
    form = logs.LogForm.JSON if log_json else logs.LogForm.RICH if console.is_terminal else logs.LogForm.PLAIN
    password = read_address(settings.store.database).password
    words = [*secrets.words(), options.password or "", str(password or "")]
    logs.set_up(form, level=logging.INFO, secrets=words, console=console if console.is_terminal else None)
    logs.log_uncaught()
    service = Watch(settings, secrets, options=options, began=_began)
    with stopping(service, _log.info), ServiceDisplay(console, service.state):
        try:
            service.execute()
        except SightlineError as error:
            if service.public_id is None and not isinstance(error, BusyError):  # nothing was done, nor ever will be
                raise
            _log.error("the service cannot go on: %s", " ".join(str(error).split()))
            raise typer.Exit(INCOMPLETE) from error
    _log.info("run %s has ended", service.public_id)
    return service.stopped


def watch_streams(
    addresses: Sequence[str],
    settings: Settings,
    *,
    secret: str | None,
    max_frames: int | None,
    public_id: UUID | None,
) -> bool:
    """Process cameras, or files at their own pace, until they end or somebody stops it. Returns whether somebody did.

    `secret`: name of the one to log in with. `max_frames`: of each. Raises ConfigError for an address with a password.
    """
    from pipeline.camera_settings import WatchSettings, check_camera
    from pipeline.secrets import Secrets
    from pipeline.section import parse
    from pipeline.watch.feeds import FirstFrames
    from pipeline.watch.service import WatchOptions, all_ended
    from pipeline.watch.succession import RUN

    policy = "batch" if settings.source.policy == "batch" else "live"
    cameras: dict[str, Any] = {}
    for address in addresses:
        values = {"url": address if "://" in address else str(Path(address).absolute()), "policy": policy}
        name = camera_name(address, taken=cameras)
        if secret is not None and "://" in address:
            values["secret"] = secret
        cameras[name] = check_camera(name, values).model_dump(exclude_unset=True)
    values = settings.model_dump(mode="json", exclude_unset=True)
    chosen = parse({**values, "cameras": cameras, "service": {"listen": ""}}, WatchSettings)
    options = WatchOptions(
        made_by=RUN,
        public_id=public_id,
        over=all_ended,
        shorten=(lambda feed: feed) if max_frames is None else (lambda feed: FirstFrames(feed, max_frames)),
    )
    return serve(chosen, Secrets.read(None, os.environ), options)


def is_stream(address: str) -> bool:
    """Whether it is a camera's address, not a file's."""
    return "://" in address or address.startswith("/dev/")


def camera_name(address: str, *, taken: Mapping[str, object]) -> str:
    """A name for a camera of the command line, from its host and path, or the file's name."""
    if "://" in address:
        parts = urlsplit(address)
        words = f"{parts.hostname or ''}{parts.path}"
    else:
        words = Path(address).stem
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in words).strip("-")[:56]
    name, number = plain or "camera", 2
    while name in taken:
        name, number = f"{plain or 'camera'}-{number}", number + 1
    return name


@cameras_app.callback()
def cameras(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--watch", help="Look again each second, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Show how the cameras of the service are doing, also after its end.

    Example: `sightline cameras --watch`
    """
    if context.invoked_subcommand is not None:
        return
    with opened_store(database) as (store, scope, _):
        while True:
            with store.read("look at the cameras") as connection:
                run, rows = _look(scope, connection)
            _show(run, rows, as_json=as_json)
            if not follow:
                return
            try:
                time.sleep(LOOK_SECONDS)
            except KeyboardInterrupt:
                return


@cameras_app.command()
def add(
    name: NameArgument,
    url: Annotated[str, typer.Argument(metavar="URL", help="rtsp://, http(s)://, /dev/video0 or a file.")],
    secret: Annotated[
        str | None, typer.Option(metavar="NAME", help="Log in with this secret, as the service knows it.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="More of what a cameras file may say of a camera."),
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Let the running service take up another camera. It is kept when the service is started again.

    Example: `sightline cameras add yard rtsp://10.0.0.5/stream --secret yard --set max_fps=10`
    """
    from pipeline.camera_settings import check_camera
    from pipeline.overrides import nested
    from pipeline.store.cameras import add_camera

    values = nested(settings or []) | {"url": url if is_stream(url) else str(Path(url).absolute())}
    if secret is not None:
        values["secret"] = secret
    checked = check_camera(name, values).model_dump(mode="json", exclude_unset=True)
    with opened_store(database) as (store, scope, _):
        with store.read("look for the service") as connection:
            run, _ = _look(scope, connection)
        add_camera(store, scope, run.public_id, name, checked)
    typer.echo(f"camera '{name}' is added; `sightline cameras` shows how it is doing")


@cameras_app.command()
def pause(name: NameArgument, database: DatabaseOption = None) -> None:
    """Read no frames of a camera until it is resumed; the others go on.

    Example: `sightline cameras pause yard`
    """
    from pipeline.store.states import CameraWish

    _wish(name, CameraWish.PAUSE, database)
    typer.echo(f"camera '{name}' pauses")


@cameras_app.command()
def resume(name: NameArgument, database: DatabaseOption = None) -> None:
    """Let a paused camera go on.

    Example: `sightline cameras resume yard`
    """
    from pipeline.store.states import CameraWish

    _wish(name, CameraWish.RUN, database)
    typer.echo(f"camera '{name}' goes on")


@cameras_app.command()
def remove(name: NameArgument, database: DatabaseOption = None) -> None:
    """Take a camera away from the service. What it showed so far is kept; one of the cameras file is back next time.

    Example: `sightline cameras remove yard`
    """
    from pipeline.store.states import CameraWish

    _wish(name, CameraWish.REMOVE, database)
    typer.echo(f"camera '{name}' is taken away")


def _leave() -> None:
    """End the process now: all is stored and closed. Python takes itself apart for seconds on a busy machine."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _began(service: Any) -> None:
    _log.info("run %s has begun", service.public_id)


def _wish(name: str, wanted: CameraWish, database: str | None) -> None:
    from pipeline.store.cameras import camera_named, set_wish

    with opened_store(database) as (store, scope, _):
        with store.read("look for a camera") as connection:
            camera = camera_named(scope, connection, name)
        set_wish(store, scope, camera.public_id, wanted)


def _look(scope: Scope, connection: Connection) -> tuple[RunRow, list[CameraRow]]:
    from pipeline.store.cameras import list_cameras, newest_live_run

    run = newest_live_run(scope, connection)
    if run is None:
        raise StoreError("there was no service yet; start one with: sightline watch cameras.yaml")
    return run, list_cameras(scope, connection, run=run.public_id)


def _show(run: RunRow, rows: Sequence[CameraRow], *, as_json: bool) -> None:
    from pipeline.store.liveness import is_alive, shown_status
    from pipeline.store.writer import now_microseconds
    from pipeline.watch_tables import cameras_table

    now = now_microseconds()
    alive = is_alive(run, now)
    if as_json:
        service = {"run": str(run.public_id), "alive": alive, "status": shown_status(run, now).value}
        typer.echo(json.dumps({"service": service, "cameras": [_values(row) for row in rows]}, indent=2))
        return
    console = Console()
    console.print(cameras_table(rows, now=now))
    if not alive:
        console.print(
            f"the service is not running ({shown_status(run, now).value}); this is how it was: "
            "start it with: sightline watch cameras.yaml",
            soft_wrap=True,
            highlight=False,
        )


def _values(row: CameraRow) -> dict[str, Any]:
    return {
        "id": str(row.public_id),
        "name": row.name,
        "uri": row.uri_redacted,
        "origin": row.origin.value,
        "wanted": row.wanted.value,
        "state": row.state.value,
        "since_at": row.since_at,
        "error": row.error,
        "updated_at": row.updated_at,
        "source": None if row.source is None else str(row.source),
        "status": dict(row.status),
    }


def refuse_mixture(addresses: Sequence[str], *, live: bool) -> None:
    """Raise ConfigError where cameras and files are named together. `live`: files are played, too."""
    streams = [address for address in addresses if is_stream(address)]
    if streams and len(streams) < len(addresses) and not live:
        raise ConfigError(
            "cameras and files cannot be run together: cameras never end, and of files every frame is wanted; run them "
            "one after the other, or play the files as cameras with --policy live"
        )
