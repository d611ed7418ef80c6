"""What the `sightline` command does with heat maps: draw one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer
from rich.console import Console

from pipeline.errors import ConfigError, GoneError, OutputError, SourceError, StoreError
from pipeline.moments import TIME, read_moment
from pipeline.run_verbs import DatabaseOption, opened_store

if TYPE_CHECKING:
    from pipeline.store.footage_queries import FootageRow
    from pipeline.store.segments import SegmentRow
    from trackers.structures import ImageArray

_SECOND = 1_000_000  # microseconds
_SUFFIXES = (".png", ".jpg", ".jpeg")


def heatmap(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Name of a file or camera, or a piece of its id.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The picture to write, .png or .jpg.")],
    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="Only of this run.  [default: a file's newest, all of a camera]")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help=f"Only then or later; {TIME}.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only before this time.")] = None,
    columns: Annotated[int, typer.Option(min=4, max=1000, help="Cells from left to right.")] = 96,
    database: DatabaseOption = None,
) -> None:
    """Draw where the tracks of a file or camera stood, over one of its pictures where it can still be read.

    Example: `sightline heatmap street.mp4 --out heat.png`
    """
    from pipeline.heat_picture import heat_picture
    from pipeline.run_record import media_folder
    from pipeline.store.footage_queries import footage_rows
    from pipeline.store.heat import heat_map, newest_part
    from pipeline.store.run_queries import find_run, find_source, list_sources
    from pipeline.store.segments import segments

    if out.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"{out}: a heat map is written as {', '.join(_SUFFIXES)}")
    begin = None if since is None else read_moment(since, "--since")
    end = None if until is None else read_moment(until, "--until")
    with opened_store(database) as (store, scope, settings), store.read("read where tracks stood") as connection:
        named = [one.public_id for one in list_sources(scope, connection) if one.name == source]
        if len(named) > 1:
            ids = ", ".join(map(str, named))
            raise StoreError(f"there are {len(named)} sources '{source}'; give a piece of the id of one: {ids}")
        chosen: UUID = named[0] if named else find_source(scope, connection, source)
        wanted = None if run is None else find_run(scope, connection, run)
        heat = heat_map(scope, connection, chosen, begin, end, run=wanted, columns=columns)
        part = newest_part(scope, connection, chosen, run=wanted)
        row = None if part is None else footage_rows(scope, connection, [part]).get(part)
        recorded = segments(scope, connection, source=chosen, newest_first=True, limit=1)
    console = Console()
    if not heat.any():
        raise StoreError(f"no track of '{source}' was seen then; `sightline runs` lists what is stored")
    background = None
    if recorded:
        background = _recorded_picture(recorded[0], media_folder(settings), console)
    elif row is not None:
        background = _picture(row, console)
    _write(out, heat_picture(heat, background))
    console.print(f"written   {out}: {heat.sum():.0f} sightings", soft_wrap=True, highlight=False, markup=False)


def _picture(row: FootageRow, console: Console) -> ImageArray | None:
    """The first picture of a source, None where there is none any more, which is said."""
    from pipeline.clips.originals import Originals

    try:
        footage = Originals().open(row)
    except GoneError as error:
        console.print(f"drawn on grey: {error}", soft_wrap=True, highlight=False, markup=False)
        return None
    assert row.start_at is not None, "it was opened"
    frame = next(footage.between(row.start_at, row.start_at + 10 * _SECOND), None)
    return None if frame is None else frame.image


def _recorded_picture(row: SegmentRow, media: Path, console: Console) -> ImageArray | None:
    """The first picture of a camera's recording, None where it cannot be read, which is said."""
    from pipeline.sources.segment_footage import SegmentPart, open_segment

    try:
        footage = open_segment(SegmentPart(media / row.path, row.from_at, row.to_at))
        frame = next(footage.between(row.from_at, row.to_at), None)
    except SourceError as error:
        console.print(f"drawn on grey: {error}", soft_wrap=True, highlight=False, markup=False)
        return None
    return None if frame is None else frame.image


def _write(out: Path, picture: ImageArray) -> None:
    import cv2

    from pipeline.sinks.part_file import PartFile

    done, data = cv2.imencode(out.suffix.lower(), picture)
    if not done:
        raise OutputError(f"{out}: a picture of {picture.shape[1]}x{picture.shape[0]} pixels cannot be written so")
    with PartFile(out) as file:
        file.part.write_bytes(bytes(data))
