"""What the `sightline` command does with events: list them, count them by time, write them into files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from pipeline.errors import ConfigError
from pipeline.events import EventKind
from pipeline.moments import TIME, clock, iso, read_moment
from pipeline.run_verbs import DatabaseOption, OpenedStore, opened_store

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy import Connection

    from pipeline.store.event_queries import EventCount, EventFilter, EventRow
    from pipeline.store.filters import Scope

ALL = "all"
PAGE = 5000  # events read at once for a file
_BUCKETS = {"minute": 60, "hour": 3600, "day": 86_400}
_UNITS = {EventKind.SPEED: " m/s", EventKind.COUNT: " inside"}


def events(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="`last`, `all`, or a piece of a run's id (`sightline runs`).")
    ] = "last",
    source: Annotated[
        str | None, typer.Option("--source", "--camera", metavar="NAME", help="Only of this file or camera.")
    ] = None,
    rule: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only of this zone or line; may be given several times.")
    ] = None,
    kind: Annotated[list[EventKind] | None, typer.Option(help="Only such; may be given several times.")] = None,
    class_name: Annotated[list[str] | None, typer.Option("--class", metavar="NAME", help="Only of this class.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help=f"Only then or later; {TIME}.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only before this time.")] = None,
    by: Annotated[Literal["minute", "hour", "day"] | None, typer.Option(help="Count them by time.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show so many, the newest first; files get all.")] = 20,
    csv_out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all of them as a table.")] = None,
    json_out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write all of them, one JSON value a line.")
    ] = None,
    database: DatabaseOption = None,
) -> None:
    """List what happened at the zones and lines of a run, the newest first, or count it by time (UTC).

    Zones and lines are set in `analytics` or drawn in the page. `sightline retrack RUN` finds the events of zones and
    lines that came later.

    Example: `sightline events last --rule gate --kind cross --by hour --csv-out gate.csv`
    """
    from pipeline.store.event_queries import count_events, count_events_by_time, list_events

    with opened_store(database) as opened, opened.store.read("list events") as connection:
        wanted = _wanted(
            opened.scope,
            connection,
            run=run,
            source=source,
            rules=rule,
            kinds=kind,
            classes=class_name,
            since=since,
            until=until,
        )
        total = count_events(opened.scope, connection, wanted)
        if by is not None:
            counts = count_events_by_time(opened.scope, connection, wanted, bucket_seconds=_BUCKETS[by])
            _write(csv_out, json_out, (_told_count(one) for one in counts), len(counts))
            shown = _counts_table(counts[-limit:])
            left_out = len(counts) - limit
        else:
            _write(csv_out, json_out, _all(opened, connection, wanted), total)
            shown = _events_table(list_events(opened.scope, connection, wanted, limit=limit))
            left_out = total - limit
    console = Console()
    if not total:
        console.print("no event; zones and lines are set in `analytics` or drawn in the page", highlight=False)
        return
    if csv_out is None and json_out is None:
        console.print(shown)
        if left_out > 0:
            console.print(f"{left_out} rows more; --limit shows them, --csv-out writes them", highlight=False)
    for path in (csv_out, json_out):
        if path is not None:
            console.print(f"written   {path}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"{total} events", highlight=False)


def _wanted(
    scope: Scope,
    connection: Connection,
    *,
    run: str,
    source: str | None,
    rules: Sequence[str] | None,
    kinds: Sequence[EventKind] | None,
    classes: Sequence[str] | None,
    since: str | None,
    until: str | None,
) -> EventFilter:
    """What was asked for. Raises ConfigError, StoreError for what does not exist."""
    from pipeline.store.event_queries import EventFilter, rule_names
    from pipeline.store.run_queries import find_run, find_source, list_sources

    sources: tuple[UUID, ...] = ()
    if source is not None:
        named = [one.public_id for one in list_sources(scope, connection) if one.name == source]
        sources = tuple(named) or (find_source(scope, connection, source),)
    runs = () if run == ALL else (find_run(scope, connection, run),)
    if rules:
        known = rule_names(scope, connection, EventFilter(runs=runs, sources=sources))
        if unknown := [one for one in rules if one not in known]:
            told = ", ".join(known) or "none"
            raise ConfigError(f"there is no event at {', '.join(unknown)}; zones and lines with events: {told}")
    return EventFilter(
        runs=runs,
        sources=sources,
        rules=tuple(rules or ()),
        kinds=tuple(kinds or ()),
        class_names=tuple(classes or ()),
        from_at=None if since is None else read_moment(since, "--since"),
        to_at=None if until is None else read_moment(until, "--until"),
    )


def _all(opened: OpenedStore, connection: Connection, wanted: EventFilter) -> Iterator[dict[str, Any]]:
    """Every event, page by page."""
    from pipeline.store.event_queries import list_events

    page = list_events(opened.scope, connection, wanted, limit=PAGE)
    while page:
        yield from map(_told, page)
        page = list_events(opened.scope, connection, wanted, after=page[-1].place, limit=PAGE)


def _write(csv_out: Path | None, json_out: Path | None, rows: Iterator[dict[str, Any]], total: int) -> None:
    """Into the files that are wanted, which appear whole or not at all. Raises OutputError, ConfigError."""
    from pipeline.sinks.part_file import PartFile

    if csv_out is None and json_out is None:
        return
    if csv_out is not None and json_out is not None:
        raise ConfigError("--csv-out and --json-out are two forms of the same; give one of them")
    path = csv_out or json_out
    assert path is not None, "one of them was given"
    console = Console(stderr=True)
    shown = track(rows, "writing events", total=total, console=console, disable=not console.is_terminal, transient=True)
    with PartFile(path) as file, file.part.open("w", encoding="utf-8", newline="") as out:
        if csv_out is not None:
            _write_csv(out, shown)
        else:
            out.writelines(f"{json.dumps(row, ensure_ascii=False)}\n" for row in shown)


def _write_csv(out: TextIO, rows: Iterator[dict[str, Any]] | Any) -> None:
    table: csv.DictWriter[str] | None = None
    for row in rows:
        if table is None:
            table = csv.DictWriter(out, list(row), lineterminator="\n")
            table.writeheader()
        table.writerow(row)


def _told(event: EventRow) -> dict[str, Any]:
    return {
        "at": iso(event.at),
        "source": event.source_name,
        "rule": event.rule,
        "kind": event.kind.value,
        "direction": event.direction,
        "value": event.value,
        "class": event.class_name,
        "x": event.x,
        "y": event.y,
        "track": event.local_id,
        "object": None if event.object is None else str(event.object),
        "run": str(event.run),
        "id": str(event.public_id),
    }


def _told_count(count: EventCount) -> dict[str, Any]:
    return {
        "from": iso(count.start_at),
        "rule": count.rule,
        "kind": count.kind.value,
        "direction": count.direction,
        "number": count.n,
    }


def _events_table(rows: Sequence[EventRow]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("at (UTC)", "source", "rule", "event", "value", "what", "track"):
        table.add_column(heading, justify="right" if heading in ("value", "track") else "left", no_wrap=True)
    for row in rows:
        table.add_row(
            clock(row.at),
            Text(row.source_name, overflow="ellipsis"),
            Text(row.rule, overflow="ellipsis"),
            Text(" ".join(filter(None, (row.kind.value, row.direction)))),
            "" if row.value is None else f"{row.value:.4g}{_UNITS.get(row.kind, ' s')}",
            Text(row.object_name or row.class_name or ""),
            "" if row.local_id is None else str(row.local_id),
        )
    return table


def _counts_table(counts: Sequence[EventCount]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("from (UTC)", "rule", "event", "number"):
        table.add_column(heading, justify="right" if heading == "number" else "left", no_wrap=True)
    for one in counts:
        what = Text(" ".join(filter(None, (one.kind.value, one.direction))))
        table.add_row(clock(one.start_at)[:16], Text(one.rule, overflow="ellipsis"), what, str(one.n))
    return table
