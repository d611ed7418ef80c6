"""What the `sightline` command does with the catalogue of models: list, describe, fetch, check and find them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pipeline.errors import ConfigError
from pipeline.run_verbs import INCOMPLETE, JsonOption

if TYPE_CHECKING:
    from pipeline.models.catalog import Catalog, Entry, RemoteFile
    from pipeline.models.download_watchers import Watcher
    from pipeline.models.model_cache import Looked, ModelCache

models_app = typer.Typer(help="Models by name: what there is, and fetching it.", no_args_is_help=True)

_STYLES = {"good": "green", "unconfirmed": "yellow", "wrong": "bold red", "absent": ""}

CatalogOption = Annotated[
    Path | None, typer.Option("--catalog", metavar="FILE", help="Your own models; SIGHTLINE_CATALOG if not given.")
]
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As `sightline models list` shows it.")]


@models_app.command("list")
def list_models(
    task: Annotated[
        Literal["detect", "segment", "embed", "target"] | None, typer.Option(help="Only those for this.")
    ] = None,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """List all models that have a name, with size, licence, and whether they are here.

    `detector.weights`, `embedder.weights` and `target.weights` take such a name. speed: a picture takes on two cores of
    a CPU up to about 40 ms (real-time), 150 (fast), 500 (medium), or more (slow); ~ where that was not measured, but
    goes by the architecture.

    Example: `sightline models list --task detect`
    """
    known, cache = _known(catalog), _cache()
    rows = [(one, _here(one, cache)) for one in known.entries if task in (None, one.task)]
    if as_json:
        typer.echo(json.dumps([_told(one) | {"here": here} for one, here in rows], indent=2))
        return
    Console().print(_table(rows))


@models_app.command()
def info(name: NameArgument, catalog: CatalogOption = None, as_json: JsonOption = False) -> None:
    """Say all that is known of a model: files, addresses, hashes, licence, classes, what its scores are worth.

    Example: `sightline models info yolo11n`
    """
    entry, cache = _known(catalog).find(name), _cache()
    if as_json:
        typer.echo(json.dumps(_told(entry) | {"here": _here(entry, cache)}, indent=2))
        return
    console = Console()
    for subject, said in _facts(entry, cache):
        console.print(f"{subject:<12}{said}", soft_wrap=True, highlight=False, markup=False)


@models_app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="As `sightline models list` shows them.")],
    no_network: Annotated[
        bool,
        typer.Option("--no-network", help="Fetch nothing: say what to put where. Likewise SIGHTLINE_NO_NETWORK=1."),
    ] = False,
    catalog: CatalogOption = None,
) -> None:
    """Fetch models from where their publishers offer them, into ~/.cache/sightline/models (SIGHTLINE_MODELS).

    A download that broke off goes on where it ended. A file with another hash than the catalogue's is refused.

    Example: `sightline models fetch yolo11n person-reidentification-retail-0288`
    """
    from pipeline.models.fetching import NO_NETWORK, Fetcher, network_forbidden

    known = _known(catalog)
    entries = [known.find(name) for name in names]
    forbidden = f"{NO_NETWORK} forbids fetching it" if network_forbidden(os.environ) else None
    with _Bars() as bars:
        brings = Fetcher(
            _cache(), forbidden="--no-network forbids fetching it" if no_network else forbidden, onlooker=bars
        )
        for entry in entries:
            for path in brings.anew(entry).paths:
                _say(f"{entry.name}: {path}")


@models_app.command()
def verify(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only this one; else all that are here.")] = None,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compute the hashes of fetched models anew and compare them with the catalogue's.

    good: the confirmed hash. unconfirmed: nobody confirms what it should be; it is as it was when it came. wrong: it is
    another file. Exit code 0: none is wrong. 1: one is, or the named one is not here.

    Example: `sightline models verify`
    """
    known, cache = _known(catalog), _cache()
    entries = [known.find(name)] if name is not None else list(known.entries)
    rows = [
        (entry, file, cache.looked(entry, file, anew=True)) for entry in entries for file in entry.files
    ]  # what comes with Sightline has none
    rows = [row for row in rows if name is not None or row[2].path.exists()]
    if as_json:
        typer.echo(json.dumps([_seen(*row) for row in rows], indent=2))
    elif rows:
        Console().print(_verified_table(rows))
    else:
        _say("nothing was fetched yet" if name is None else f"{name} comes with Sightline")
    if any(looked.state in ("wrong", "absent") for _, _, looked in rows):
        raise typer.Exit(INCOMPLETE)


@models_app.command()
def where(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A model; else the folder of all.")] = None,
    catalog: CatalogOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say in which folder models are, or which files of one model belong where, for putting them there by hand.

    Example: `sightline models where yolo11n`
    """
    cache = _cache()
    if name is None:
        typer.echo(json.dumps({"folder": str(cache.folder)}) if as_json else str(cache.folder))
        return
    entry = _known(catalog).find(name)
    if entry.bundled is not None:
        typer.echo(json.dumps([{"path": str(entry.bundled)}], indent=2) if as_json else str(entry.bundled))
        return
    looked = [(file, cache.looked(entry, file)) for file in entry.files]
    if as_json:
        typer.echo(json.dumps([_seen(entry, file, found) for file, found in looked], indent=2))
        return
    for file, found in looked:
        _say(f"{found.path}")
        _say(f"  {found.state}; from {file.address}")
        _say(f"  {_hash(file)}")


class _Bars:
    """A progress bar for each file that is being fetched."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begins(self, file: RemoteFile) -> Watcher:
        """A bar for it."""
        return _Bar(self._progress, self._progress.add_task(file.name, total=file.bytes), file.name)

    def waits(self, entry: Entry) -> None:
        """Say so."""
        self._progress.console.print(f"another process is fetching {entry.name}; waiting for it", highlight=False)


class _Bar:
    def __init__(self, progress: Progress, task: TaskID, name: str) -> None:
        self._progress, self._task, self._name = progress, task, name

    def at(self, bytes_: int, total: int | None) -> None:
        """So much of the file is here."""
        self._progress.update(self._task, completed=bytes_, total=total)

    def again(self, why: str, seconds: float) -> None:
        """Say so."""
        told = f"{self._name}: {why}; asking again in {seconds:.0f} s"
        self._progress.console.print(told, highlight=False, markup=False, soft_wrap=True)


def _known(catalog: Path | None) -> Catalog:
    from pipeline.models.catalog import VARIABLE, load_catalog

    if catalog is not None and not catalog.is_file():
        raise ConfigError(f"--catalog {catalog}: there is no such file")
    return load_catalog(catalog or os.environ.get(VARIABLE))


def _cache() -> ModelCache:
    from pipeline.models.model_cache import ModelCache

    return ModelCache.of(os.environ)


def _here(entry: Entry, cache: ModelCache) -> bool:
    """Whether its files are there; whether they are the right ones is looked at when they are used."""
    return all(cache.path(entry, file).is_file() for file in entry.files)


def _table(rows: Sequence[tuple[Entry, bool]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("name", overflow="fold")
    for heading in ("task", "MB", "input", "speed"):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "MB" else "left")
    for heading in ("classes", "licence"):
        table.add_column(heading)
    table.add_column("hash", no_wrap=True)
    table.add_column("here", no_wrap=True)
    for entry, here in rows:
        table.add_row(
            Text(entry.name),
            entry.task,
            megabytes(entry),
            "" if entry.input_size is None else "x".join(map(str, entry.input_size)),
            shown_speed(entry),
            shown_classes(entry),
            entry.licence,
            "" if entry.verified else Text("unverified", style="yellow"),
            Text("yes", style="green") if here else "",
        )
    return table


def megabytes(entry: Entry) -> str:
    """Of all its files; empty where that is unknown."""
    return "" if entry.bytes is None else f"{entry.bytes / 1e6:.1f}"


def shown_speed(entry: Entry) -> str:
    """With a ~ where it is an estimate; empty where it is unknown."""
    return "" if entry.speed is None else f"{'' if entry.speed_measured else '~'}{entry.speed}"


def shown_classes(entry: Entry) -> str:
    """A few by their names, many by their number."""
    return ", ".join(entry.classes) if len(entry.classes) <= 3 else f"{len(entry.classes)} classes"


def _facts(entry: Entry, cache: ModelCache) -> list[tuple[str, str]]:
    facts = [("name", entry.name), ("task", entry.task), ("family", entry.family)]
    if entry.backend is not None:
        facts.append(("backend", " ".join(filter(None, (entry.backend, entry.architecture)))))
    facts.append(("licence", ": ".join(filter(None, (entry.licence, entry.licence_note)))))
    if entry.input_size is not None:
        facts.append(("input", "{} x {} pixels, height x width".format(*entry.input_size)))
    if entry.classes:
        facts.append(("classes", ", ".join(entry.classes)))
    if entry.speed is not None:
        how = "measured" if entry.speed_measured else "by the architecture, not measured"
        facts.append(("speed", f"{entry.speed}, {how}"))
    if entry.calibration is not None:
        facts.append(("scores", ", ".join(f"{score:g} -> {sure:g}" for score, sure in entry.calibration)))
    if entry.note is not None:
        facts.append(("note", entry.note))
    if entry.bundled is not None:
        facts.append(("file", f"{entry.bundled}, {megabytes(entry)} MB"))
    for file in entry.files:
        facts += [
            ("file", f"{cache.path(entry, file)} ({cache.looked(entry, file).state})"),
            ("", f"from {file.address}{'' if file.bytes is None else f', {file.bytes} bytes'}"),
            ("", _hash(file)),
        ]
    return facts


def _hash(file: RemoteFile) -> str:
    known = file.sha256 or (f"{file.sha256_begins}..." if file.sha256_begins else "unknown")
    return f"sha256 {known}, {'unverified' if file.verified is None else f'verified: {file.verified}'}"


def _verified_table(rows: Sequence[tuple[Entry, RemoteFile, Looked]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for heading in ("model", "file"):
        table.add_column(heading, overflow="fold")
    table.add_column("state", no_wrap=True)
    table.add_column("sha256", overflow="fold")
    for entry, file, looked in rows:
        style = _STYLES[looked.state.value]
        table.add_row(Text(entry.name), Text(file.name), Text(looked.state.value, style=style), looked.sha256 or "")
    return table


def _seen(entry: Entry, file: RemoteFile, looked: Looked) -> dict[str, object]:
    """For programs."""
    return {
        "model": entry.name,
        "path": str(looked.path),
        "address": file.address,
        "state": looked.state.value,
        "sha256": looked.sha256,
        "expected": file.sha256 or file.sha256_begins,
    }


def _told(entry: Entry) -> dict[str, object]:
    """For programs."""
    return entry.model_dump(mode="json") | {"bytes": entry.bytes, "verified": entry.verified}


def _say(line: str) -> None:
    Console().print(line, soft_wrap=True, highlight=False, markup=False)
