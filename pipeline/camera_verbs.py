"""What the `sightline` command does with cameras."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.errors import OutputError

if TYPE_CHECKING:
    from pipeline.sources.probe import Probe
    from trackers.structures import ImageArray


def probe(
    url: Annotated[str, typer.Argument(metavar="URL", help="rtsp://, http://, /dev/video0 or a file.")],
    secret: Annotated[
        str | None, typer.Option(metavar="NAME", help="Log in with this secret: SIGHTLINE_SECRET_NAME=user:password.")
    ] = None,
    secrets_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML with secrets: `name: {user: ..., password: ...}`.")
    ] = None,
    snapshot: Annotated[Path | None, typer.Option(metavar="FILE", help="Save the last picture (.jpg, .png).")] = None,
    seconds: Annotated[float, typer.Option(min=0.5, max=600, help="Look for so long.")] = 5.0,
    transport: Annotated[Literal["auto", "tcp", "udp"], typer.Option(help="Of RTSP.")] = "auto",
    hardware: Annotated[
        Literal["auto", "none", "cuda", "vaapi", "qsv"], typer.Option(help="What is to decode.")
    ] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Look at a camera: codec, size, frames a second, latency to the first frame, damage. Passwords are never shown.

    Example: `sightline probe rtsp://10.0.0.4/stream --secret gate --snapshot gate.jpg`

    Exit code 2: no picture came, and why.
    """
    from pipeline import build
    from pipeline.secrets import Secrets

    login = None if secret is None else Secrets.read(secrets_file, os.environ).find(secret)
    if snapshot is not None:
        _check_snapshot(snapshot)
    found = build.probe(url, secret=login, transport=transport, hardware=hardware, seconds=seconds)
    if snapshot is not None:
        _save(snapshot, found.image)
    if as_json:
        typer.echo(json.dumps(_values(found) | {"snapshot": None if snapshot is None else str(snapshot)}, indent=2))
        return
    console = Console()
    console.print(_table(found))
    if snapshot is not None:
        console.print(f"written   {snapshot}", soft_wrap=True, highlight=False, markup=False)


def _values(found: Probe) -> dict[str, Any]:
    return {
        "uri": found.uri,
        "codec": found.codec,
        "width": found.width,
        "height": found.height,
        "transport": found.transport,
        "decoder": found.decoder,
        "declared_fps": found.declared_fps,
        "delivered_fps": found.delivered_fps,
        "first_frame_seconds": found.first_frame_seconds,
        "seconds": found.seconds,
        "frames": found.frames,
        "repaired": found.repaired,
        "damaged": found.damaged,
        "bits_per_second": found.bits_per_second,
        "ended": found.ended or None,
    }


def _table(found: Probe) -> Table:
    table = Table(title=Text(found.uri), title_justify="left", show_header=False)
    table.add_column("what", style="bold")
    table.add_column("value")
    rows = [
        ("codec", found.codec),
        ("size", f"{found.width}x{found.height}"),
        ("transport", found.transport),
        ("decoder", found.decoder),
        ("frames/s declared", "unknown" if found.declared_fps is None else f"{found.declared_fps:.2f}"),
        ("frames/s delivered", "unknown" if found.delivered_fps is None else f"{found.delivered_fps:.2f}"),
        ("first frame after", f"{found.first_frame_seconds:.2f} s"),
        ("looked at", f"{found.frames} frames, {found.seconds:.1f} s"),
        ("bit rate", f"{found.bits_per_second / 1000:.0f} kbit/s"),
        ("time stamps repaired", str(found.repaired)),
        ("damaged", str(found.damaged)),
    ]
    if found.ended:
        rows.append(("ended early", found.ended))
    for what, value in rows:
        table.add_row(what, Text(value))
    return table


def _check_snapshot(path: Path) -> None:
    """Raise OutputError before anything else is done."""
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png"):
        raise OutputError(f"{path}: a snapshot is a .jpg or .png file")
    if not path.parent.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {path.parent}")


def _save(path: Path, image: ImageArray) -> None:
    import cv2

    good, coded = cv2.imencode(path.suffix.lower(), image)
    try:
        if good:
            path.write_bytes(coded.tobytes())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}") from error
