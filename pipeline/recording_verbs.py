"""What the `sightline` command does with recordings: what is kept of cameras and why, and a part of it as one file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.errors import ConfigError
from pipeline.moments import TIME, read_moment
from pipeline.run_verbs import INCOMPLETE, DatabaseOption, JsonOption, opened_store

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.store.filters import Scope
    from pipeline.store.segment_reasons import Reason
    from pipeline.store.segments import SegmentRow

recordings_app = typer.Typer(invoke_without_command=True)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MIB = 1 << 20


@recordings_app.callback()
def recordings(
    context: typer.Context,
    camera: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this camera.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help=f"What shows this time or later; {TIME}.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="What begins before this time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show so many, the newest first.")] = 20,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the files that are kept of cameras, and what keeps them: an event, a reviewed or a protected track.

    They lie in the folder of media under recordings/CAMERA/DAY; --json says where.

    Example: `sightline recordings --camera gate --since 2026-11-21`
    """
    if context.invoked_subcommand is not None:
        return
    from pipeline.store.segments import recorded_cameras, segments

    with opened_store(database) as (store, scope, _), store.read("list recordings") as connection:
        kept = [one for one in recorded_cameras(scope, connection) if camera in (None, one.camera)]
        rows = segments(
            scope,
            connection,
            camera=camera,
            from_at=None if since is None else read_moment(since, "--since"),
            to_at=None if until is None else read_moment(until, "--until"),
            newest_first=True,
            limit=limit,
        )
        why = _reasons(scope, connection, rows)
    if as_json:
        typer.echo(json.dumps([_told(row, why.get(row.id)) for row in rows], indent=2))
        return
    console = Console()
    if rows:
        console.print(_table(rows, why))
    for one in kept:
        size = f"{one.segments} files, {one.bytes / _MIB:,.1f} MiB"
        _say(f"{one.camera}: {size}, {_clock(one.from_at)} to {_clock(one.to_at)} UTC")
    if not kept:
        _say("nothing is recorded yet" if camera is None else f"nothing is recorded of '{camera}'")


@recordings_app.command()
def export(
    camera: Annotated[str, typer.Argument(metavar="CAMERA", help="Its name.")],
    from_: Annotated[str, typer.Option("--from", metavar="TIME", help=f"{TIME}.")],
    to: Annotated[str, typer.Option("--to", metavar="TIME", help="Up to this time, without it.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The file to write, .mp4 or .mkv.")],
    database: DatabaseOption = None,
) -> None:
    """Write what was recorded of a camera into one file, as the camera sent it.

    It begins up to a few seconds early, with a picture that needs none before it. Exit code 0: all of that time is in
    it. 1: some of it was not recorded, or has been removed.

    Example: `sightline recordings export gate --from 2026-11-21T15:30 --to 2026-11-21T15:35 --out gate.mp4`
    """
    from pipeline.recordings import export_recording
    from pipeline.run_record import media_folder

    begin, end = read_moment(from_, "--from"), read_moment(to, "--to")
    if end <= begin:
        raise ConfigError(f"--to {to} is not after --from {from_}")
    with opened_store(database) as (store, scope, settings):
        joined = export_recording(store, scope, media_folder(settings), camera, out, from_at=begin, to_at=end)
    lost = joined.missing + max(0, joined.from_at - begin) + max(0, end - joined.to_at)
    line = f"written   {out}: {_clock(joined.from_at)} to {_clock(joined.to_at)}, {joined.pictures} pictures"
    incomplete = lost > 2_000_000
    if incomplete:
        line += f"; {lost / 1e6:.1f} s of that time are not recorded"
    _say(line)
    if incomplete:
        raise typer.Exit(INCOMPLETE)


def _reasons(scope: Scope, connection: Connection, rows: Sequence[SegmentRow]) -> dict[int, Reason]:
    """By the row of the segment. Around events as far as a camera keeps it where nothing else is set."""
    from pipeline.camera_settings import RecordSettings
    from pipeline.store.segment_reasons import reasons
    from pipeline.store.segments import run_sources_of

    usual = RecordSettings()
    before, after = round(usual.before_seconds * 1e6), round(usual.after_seconds * 1e6)
    found: dict[int, Reason] = {}
    for camera in dict.fromkeys(row.camera for row in rows):
        mine = [row for row in rows if row.camera == camera]
        parts = run_sources_of(scope, connection, camera)
        found |= reasons(scope, connection, mine, parts, before=before, after=after)
    return found


def _table(rows: Sequence[SegmentRow], why: Mapping[int, Reason]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("camera")
    table.add_column("from (UTC)", no_wrap=True)
    for heading in ("seconds", "MiB"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("kept, as it", "file"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        reason = why.get(row.id)
        words = "" if reason is None else ("is protected" if row.protected else reason.value)
        seconds, size = (row.to_at - row.from_at) / 1e6, row.bytes / _MIB
        file = PurePosixPath(row.path).name
        table.add_row(row.camera, _clock(row.from_at), f"{seconds:.1f}", f"{size:,.1f}", words, file)
    return table


def _told(row: SegmentRow, why: Reason | None) -> dict[str, object]:
    """For programs."""
    return {
        "id": str(row.public_id),
        "camera": row.camera,
        "from_at": row.from_at,
        "to_at": row.to_at,
        "bytes": row.bytes,
        "width": row.width,
        "height": row.height,
        "path": row.path,
        "protected": row.protected,
        "reason": None if why is None else why.value,
    }


def _clock(at: int | None) -> str:
    """Microseconds UTC, for people."""
    return "" if at is None else f"{_EPOCH + timedelta(microseconds=at):%Y-%m-%d %H:%M:%S}"


def _say(line: str) -> None:
    Console().print(line, soft_wrap=True, highlight=False, markup=False)
