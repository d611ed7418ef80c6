"""What the `sightline` command does with stored runs: runs, export, compare, delete, relink."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.errors import ConfigError, SightlineError, StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from pipeline.config import Settings
    from pipeline.exports.export import ExportFormat
    from pipeline.store.database import Database
    from pipeline.store.deletion import Deletion
    from pipeline.store.filters import Scope
    from pipeline.store.rows import RunDetail

INCOMPLETE = 1  # exit code: something was done, but not all
PROJECT = "default"
_MIB = 1 << 20

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY.PATH=VALUE", help="Change one setting; may be given several times."),
]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="SIGHTLINE_DATABASE",
        metavar="URL",
        help="SQLite file or SQLAlchemy URL  [default: runs/sightline.db]",
    ),
]
RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="`last`, or the beginning or end of a run's id (`sightline runs`).")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def runs(
    database: DatabaseOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Show so many, the newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List the runs that are stored, with what became of them.

    A run whose process is gone is shown as interrupted; `sightline resume` goes on with it.

    Example: `sightline runs --limit 5`
    """
    from pipeline.run_tables import run_to_dict, runs_table
    from pipeline.store.run_queries import count_runs, list_runs
    from pipeline.store.writer import now_microseconds

    with opened_store(database) as (store, scope, _), store.read("list runs") as connection:
        total = count_runs(scope, connection)
        listed = list_runs(scope, connection, limit=limit)
        found = [_detail(scope, connection, run.public_id) for run in listed]
    now = now_microseconds()
    if as_json:
        typer.echo(json.dumps([run_to_dict(detail, now=now) for detail in found], indent=2))
        return
    console = Console()
    if found:
        console.print(runs_table(found, now=now))
    if total > len(found) or not total:
        console.print(f"{len(found)} of {total} runs" if total else "no run is stored yet", highlight=False)


def export(
    run: RunArgument,
    out: Annotated[
        Path, typer.Option(metavar="PATH", help="File or folder; `{name}` in it becomes each source's name.")
    ],
    form: Annotated[
        Literal["mot", "csv", "coco", "parquet", "mots"] | None,
        typer.Option("--format", help="[default: told by the suffix: .txt mot, .csv, .json coco, .parquet]"),
    ] = None,
    reviewed: Annotated[
        bool, typer.Option("--reviewed", help="Objects after review: merged, split, renamed; none that was rejected.")
    ] = False,
    source: Annotated[
        str | None, typer.Option(metavar="SOURCE", help="Only this one: its name, or a piece of its id.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """Write a run's tracks to files that other programs read, one for each source.

    mot: MOTChallenge text. csv: a table with times and class names. coco: JSON with a `track_id`. parquet: a table for
    data frames. mots: masks as text, where the run stored masks.

    Example: `sightline export last --format coco --reviewed --out tracks.json`
    """
    from pipeline.exports.export import NAME, ExportFormat, export_run
    from pipeline.store.run_queries import find_run

    format = _format(out) if form is None else ExportFormat(form)
    place = out / f"{NAME}{format.suffix}" if out.is_dir() else out
    with opened_store(database) as (store, scope, _), _progress("exporting") as told:
        with store.read("find a run") as connection:
            wanted = find_run(scope, connection, run)
            chosen = None if source is None else _source_of(_detail(scope, connection, wanted), source)
        paths = export_run(store, scope, wanted, format=format, out=place, reviewed=reviewed, source=chosen, told=told)
    for path in paths:
        Console().print(f"written   {path}", soft_wrap=True, highlight=False, markup=False)


def compare(
    first: RunArgument,
    second: RunArgument,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ground truth as MOTChallenge text; scores both runs.")
    ] = None,
    as_json: JsonOption = False,
    database: DatabaseOption = None,
) -> None:
    """Say what differs between two runs of the same sources: tracks, scores against each other, settings.

    The second run is scored as if the first were the truth.

    Example: `sightline compare 5d07c1aa last --truth gt.txt`
    """
    from pipeline.compare import compare_runs, comparison_to_dict
    from pipeline.run_tables import comparison_lines, comparison_tables
    from pipeline.store.run_queries import find_run

    with opened_store(database) as (store, scope, _):
        with store.read("find runs") as connection:
            one, other = (find_run(scope, connection, text) for text in (first, second))
        comparison = compare_runs(store, scope, one, other, truth=truth)
    if as_json:
        typer.echo(json.dumps(comparison_to_dict(comparison), indent=2))
        return
    console = Console()
    for table in comparison_tables(comparison):
        console.print(table)
    for line in comparison_lines(comparison):
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def delete(
    run: Annotated[
        list[str] | None, typer.Argument(metavar="RUN...", help="`last`, or pieces of runs' ids (`sightline runs`).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Also end interrupted deletions; delete crops and old uploads no run knows.")
    ] = False,
    database: DatabaseOption = None,
) -> None:
    """Delete runs with their tracks, detections and pictures. There is no way back.

    What other runs share stays: detections of the same file, and objects merged from several runs.

    Example: `sightline delete 5d07c1aa --yes`
    """
    if not run and not sweep:
        raise ConfigError("nothing to delete; name runs, or give --sweep")
    with opened_store(database) as opened:
        doomed = _doomed(opened, run or [], sweep=sweep)
        for plan in doomed:
            _say(_described(plan))
        if doomed and not yes:
            confirm(f"Delete {len(doomed)} run{'s' if len(doomed) > 1 else ''}?")
        failed = [error for plan in doomed if (error := _deleted(opened, plan)) is not None]
        for error in failed:
            typer.echo(f"error: {error}", err=True)
        if sweep:
            _sweep(opened, yes=yes)
    if failed:
        raise typer.Exit(INCOMPLETE)


def relink(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A piece of the source's id (`sightline runs --json`).")
    ],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="Where the file or folder is now.")],
    database: DatabaseOption = None,
) -> None:
    """Tell the store where a file is that has moved, so that clips can be cut from it again.

    Its content must be what it was: the fingerprint is compared.

    Example: `sightline relink 5d07c1aa /archive/street.mp4`
    """
    from pipeline.build import source as open_source
    from pipeline.store.relink import relink_source
    from pipeline.store.run_queries import find_source

    with opened_store(database) as (store, scope, settings):
        with store.read("find a source") as connection:
            wanted = find_source(scope, connection, source)
        with open_source(str(path), settings.source) as found:
            uri, name, fingerprint = found.uri, found.name, found.fingerprint
        with store.write("relink a source") as connection:
            done = relink_source(scope, connection, wanted, uri=uri, name=name, fingerprint=fingerprint)
    _say(f"{done.before} is now {done.after}")
    if done.merged:
        _say(f"{done.merged} runs had read it there; they belong to the same source now")


class OpenedStore(NamedTuple):
    """What every verb works on."""

    store: Database
    scope: Scope
    settings: Settings


@contextmanager
def opened_store(database: str | None) -> Iterator[OpenedStore]:
    """The store, which must exist, what the command line may see of it, and settings that name it."""
    from sqlalchemy import select

    from pipeline.config import load_settings
    from pipeline.run_record import database_file
    from pipeline.store.database import open_database
    from pipeline.store.filters import Scope
    from pipeline.store.tables import Project

    settings = load_settings(None, [] if database is None else [f"store.database={json.dumps(database)}"])
    file = database_file(settings)
    if file is not None and not file.exists():
        raise StoreError(f"there is no database {file}; `sightline run` makes one, --database names another")
    with open_database(settings.store.database) as store:
        with store.read("find a project") as connection:  # not there before the first run
            projects = connection.scalars(select(Project.id).where(Project.name == PROJECT)).all()
        yield OpenedStore(store, Scope(tuple(projects)), settings)


def _detail(scope: Scope, connection: Connection, run: UUID) -> RunDetail:
    from pipeline.store.run_queries import run_detail

    found = run_detail(scope, connection, run)
    if found is None:
        raise StoreError(f"run {run} is gone; somebody else deleted it")
    return found


def _format(out: Path) -> ExportFormat:
    from pipeline.exports.export import ExportFormat

    by_suffix = {".txt": "mot", ".csv": "csv", ".json": "coco", ".parquet": "parquet"}
    if out.suffix.lower() not in by_suffix:
        raise ConfigError(f"{out}: its suffix tells no format; give --format mot, csv, coco, parquet or mots")
    return ExportFormat(by_suffix[out.suffix.lower()])


def _source_of(detail: RunDetail, text: str) -> UUID:
    """A source of the run, by name or by a piece of its id."""
    wanted = text.lower().replace("-", "")
    found = [one for one in detail.sources if one.name == text]
    found = found or [
        one
        for one in detail.sources
        if wanted and (one.public_id.hex.startswith(wanted) or one.public_id.hex.endswith(wanted))
    ]
    if len(found) != 1:
        names = ", ".join(f"{one.name} ({one.public_id})" for one in detail.sources)
        raise StoreError(f"'{text}' names {len(found)} sources of the run; it has {names}")
    return found[0].public_id


def _doomed(opened: OpenedStore, texts: list[str], *, sweep: bool) -> list[Deletion]:
    """What would go with each run, once each; nothing is deleted where one of them is not there or at work."""
    from pipeline.store.deletion import interrupted_deletions, plan_deletion
    from pipeline.store.run_queries import find_run

    with opened.store.read("find runs") as connection:
        named = [find_run(opened.scope, connection, text) for text in texts]
        named += interrupted_deletions(opened.scope, connection) if sweep else []
        return [plan_deletion(opened.scope, connection, run) for run in dict.fromkeys(named)]


def _deleted(opened: OpenedStore, plan: Deletion) -> SightlineError | None:
    """Delete one run. A failure is returned: the others still go."""
    from pipeline.run_record import media_folder
    from pipeline.store.deletion import delete_run
    from pipeline.store.run_queries import short_id

    store, scope, settings = opened
    try:
        with store.read("read a run") as connection:
            kept = _detail(scope, connection, plan.run).run.settings.get("store", {}).get("media")
        folder = media_folder(settings) if kept is None else Path(kept)
        with _progress(f"deleting {short_id(plan.run)}") as told:
            delete_run(store, scope, plan.run, media_folder=folder, told=told)
    except SightlineError as error:
        return error
    _say(f"deleted   {plan.run}")
    return None


def _sweep(opened: OpenedStore, *, yes: bool) -> None:
    from pipeline.run_record import media_folder
    from pipeline.store.leftovers import UPLOAD_AGE, find_leftovers, find_old_uploads, remove_leftovers

    folder = media_folder(opened.settings)
    crops = find_leftovers(opened.store, folder) if folder.is_dir() else []
    uploads = find_old_uploads(opened.store, folder) if folder.is_dir() else []
    leftovers = crops + uploads
    if not leftovers:
        _say(f"no crop in {folder} is left over")
        return
    size = sum(leftover.size for leftover in leftovers) / _MIB
    _say(f"{len(leftovers)} files in {folder} ({size:.1f} MiB) are known to no run of {opened.store.name}")
    if uploads:
        _say(f"{len(uploads)} of them came as uploads, more than {UPLOAD_AGE / 86_400:.0f} days ago")
    server = opened.store.engine.dialect.name != "sqlite"
    if yes and server:
        raise ConfigError(
            f"--yes cannot answer whether another database on a server keeps its crops in {folder}, too; run "
            "`sightline delete --sweep` without it"
        )
    if not yes:
        confirm("Delete these files? No database on a server may use this folder, too.")
    with _progress("sweeping") as told:
        remove_leftovers(leftovers, told=told)
    _say(f"deleted   {len(leftovers)} files")


def _described(plan: Deletion) -> str:
    line = (
        f"{plan.run}: {', '.join(plan.sources) or 'no source'}; {plan.tracks} tracks, {plan.observations} boxes, "
        f"{plan.media} pictures ({plan.bytes / _MIB:.1f} MiB)"
    )
    if plan.protected:
        line += f"; {plan.protected} of its objects are protected"
    if plan.protected_media:
        line += f"; {plan.protected_media} of its recordings are protected"
    if plan.shared:
        line += f"; {plan.shared} objects keep their tracks of other runs"
    return line


def confirm(question: str, about: str = "whether to delete") -> None:
    """Go on only if a person agrees. `about`: what is asked, for where nobody can be. Raises ConfigError there."""
    if not sys.stdin.isatty():
        raise ConfigError(f"there is no terminal to ask {about}; add --yes")
    typer.confirm(question, abort=True)


@contextmanager
def _progress(doing: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        task = bars.add_task(doing, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _say(line: str) -> None:
    Console().print(line, soft_wrap=True, highlight=False, markup=False)
