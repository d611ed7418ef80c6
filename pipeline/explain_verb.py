"""What the `sightline` command does to say why an object was found: explain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pipeline.errors import ConfigError, SourceError
from pipeline.progress_line import counting
from pipeline.run_verbs import SetOption

if TYPE_CHECKING:
    from pipeline.explain.explanation import Explanation
    from trackers.structures import Frame, ImageArray


def explain(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A video, or a folder of pictures.")],
    frame: Annotated[int, typer.Option(metavar="N", min=0, help="The picture that shows the object; from 0.")],
    box: Annotated[str, typer.Option(metavar="X,Y,W,H", help="The object: left, top, width, height; pixels.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where pictures and numbers are written.")] = Path(
        "explanation"
    ),
    config: Annotated[str, typer.Option(help="YAML file, or the name of one in configs/.")] = "default",
    other: Annotated[
        Path | None,
        typer.Option("--with", metavar="FILE", help="A picture of an object to be compared with.  [default: itself]"),
    ] = None,
    method: Annotated[
        str, typer.Option(metavar="NAME", help="places: what speaks for this object; grad-cam: for all like it, too.")
    ] = "places",
    settings: SetOption = None,
) -> None:
    """Show why the detector sees an object, and why the embedder finds it like another picture of it.

    Pictures show where gradients speak for the detector's score and for the embedder's similarity, and what both lose
    where a grey patch hides the object. Gradients are known of networks of ours, of ultralytics' .pt files and of
    torchvision's; patches work with every network.

    Example: `sightline explain street.mp4 --frame 100 --box 210,96,40,92 --out why`
    """
    from pipeline import build
    from pipeline.config import load_settings
    from pipeline.explain import explanation
    from pipeline.explain.drawing import drawn
    from pipeline.explain.grad_cam import Method
    from pipeline.follow_settings import parse_box
    from pipeline.training.whole_file import write_whole

    if method not in set(Method):
        raise ConfigError(f"--method {method!r} is unknown; use one of {', '.join(Method)}")
    place = parse_box(box)
    chosen = load_settings(config, settings or [])
    compared = None if other is None else _picture(other)
    wanted = explanation.Wanted(Method(method), other=compared)
    shown = _frame(source, frame)
    networks = build.explained(chosen.detector, chosen.embedder)
    try:
        with counting("pictures with a patch") as told:
            found = explanation.explain(networks, shown, place, wanted, min_score=chosen.detector.min_score, told=told)
    except ConfigError as error:
        raise ConfigError(f"--box {box}: {error}") from error
    figures = explanation.figures(found)
    for name, picture in drawn(found).items():
        write_whole(out / name, picture)
    write_whole(out / "explanation.json", (json.dumps({"source": source, **figures}, indent=2) + "\n").encode())
    _tell(found, figures, out)


def _tell(found: Explanation, figures: dict[str, Any], out: Path) -> None:
    console = Console()
    seen = found.seen
    box = ",".join(f"{side:.0f}" for side in figures["box"])
    table = Table(title=f"{seen.class_name} {seen.score:.2f} at {box} in frame {found.frame.index}")
    for heading in ("", "network", "it says", "heat in box", "drop in box", "largest drop", "at x,y"):
        table.add_column(heading, justify="left" if heading in ("", "network") else "right")
    for name, number in (("detector", "score"), ("embedder", "similarity")):
        if name not in figures:
            continue
        row = figures[name]
        table.add_row(
            *(name, row["network"], f"{number} {row[number]:.2f}"),
            *(_percent(row["heat_in_box"]), _percent(row["drop_in_box"])),
            *(f"{row['largest_drop']:.2f}", _place(row["largest_drop_at"])),
        )
    console.print(table)
    for name in ("detector", "embedder"):
        if name in figures and "no_heat" in figures[name]:
            _say(console, f"no heat map of the {name}: {figures[name]['no_heat']}")
        if name in figures and "heat_of" in figures[name]:
            _say(console, f"heat of the {name} is that of {figures[name]['heat_of']} alone, the first of two networks")
    _say(console, f"written   {out / 'explanation.png'}")


def _place(pixel: list[int] | None) -> str:
    return "-" if pixel is None else f"{pixel[0]},{pixel[1]}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _frame(source: str, number: int) -> Frame:
    """Raises SourceError where the source ends before."""
    from pipeline import build
    from pipeline.config import SourceSettings

    with build.source(source, SourceSettings(), first_frame=number) as opened:
        frame = next(iter(opened), None)
    if frame is None or frame.index != number:
        raise SourceError(f"{source} has no picture {number}; choose an earlier one")
    return frame


def _picture(file: Path) -> ImageArray:
    from pipeline.sources.stills import read_picture

    return read_picture(file)


def _say(console: Console, line: str) -> None:
    console.print(line, soft_wrap=True, highlight=False, markup=False)
