"""What the `sightline` command does to say what cameras need: size."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipeline.errors import ConfigError
from pipeline.run_verbs import JsonOption, SetOption

SIZES = {"480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080), "1440p": (2560, 1440), "2160p": (3840, 2160)}
_OTHER_NAMES = {"4k": "2160p", "hd": "720p", "full-hd": "1080p"}
_LEAST, _MOST = 64, 8192  # pixels a side


def size(
    cameras: Annotated[int, typer.Option(min=1, max=100_000, help="How many.")],
    resolution: Annotated[
        str, typer.Option(metavar="NAME|WxH", help="480p, 720p, 1080p, 1440p, 2160p, or e.g. 1280x960.")
    ] = "1080p",
    fps: Annotated[float, typer.Option(min=0.01, max=1000, help="Frames/s of each that are processed.")] = 15.0,
    objects: Annotated[float, typer.Option(min=0, max=100_000, help="In each picture, on average.")] = 20.0,
    stay: Annotated[
        float, typer.Option(min=0.1, max=86_400, help="Seconds for which an object is seen, on average.")
    ] = 10.0,
    every: Annotated[
        int | None, typer.Option(min=1, max=1000, help="The detector looks at one of so many frames. [default: as set]")
    ] = None,
    bit_rate: Annotated[
        float | None,
        typer.Option(
            min=0.001, metavar="MBIT", help="Of a camera's stream, Mbit/s, for the disk that recordings take."
        ),
    ] = None,
    config: Annotated[str, typer.Option(help="YAML file, or the name of one in configs/.")] = "default",
    settings: SetOption = None,
    costs_file: Annotated[
        Path | None, typer.Option("--costs", metavar="FILE", help="Where costs are kept.  [default: the user's cache]")
    ] = None,
    measure_again: Annotated[
        bool, typer.Option("--measure-again", help="Measure even if it is known what things cost here.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """How many cores, how much memory and disk some cameras need, and how many of them this machine holds.

    What a frame and an object cost is measured here once for each resolution and settings, in less than a minute on a
    quiet machine, and then known. Everything else is arithmetic, and says so.

    Example: `sightline size --cameras 16 --resolution 1080p --fps 15 --objects 20`
    """
    from importlib.metadata import version

    from pipeline.config import digest, load_settings
    from pipeline.sizing import demand, words
    from pipeline.sizing.costs import Machine, cache_file, keep_costs, read_costs
    from pipeline.sizing.measuring import measure

    pixels = read_size(resolution)
    chosen = load_settings(config, settings or [])
    told = {"settings": chosen.digest("detector", "embedder", "segmenter", "tracker"), "size": pixels}
    machine = Machine.this()
    of = {"name": machine.name, "processor": machine.processor, "cores": machine.cores, "version": version("sightline")}
    place, key = costs_file or cache_file(), digest(told | of)
    costs = None if measure_again else read_costs(place, key)
    if costs is None:
        console = Console(stderr=True)
        with console.status("measuring") as status:
            costs = measure(config, settings or [], size=pixels, told=lambda what: status.update(what))
        keep_costs(place, key, costs)
    if every is not None and every > 1 and not costs.skips:
        raise ConfigError("--every: this detector has to see every frame; leave it out")
    wanted = demand.Wanted(cameras, fps, objects, stay, every or chosen.detector.every)
    found = demand.size(costs, wanted, bit_rate=None if bit_rate is None else 1e6 * bit_rate)
    bounds = words.upper_bounds(schedule=chosen.detector.schedule, described=chosen.embedder.when)
    if as_json:
        typer.echo(json.dumps(words.sizing_to_dict(costs, found, bounds=bounds), indent=2))
        return
    console = Console()
    console.print(words.sizing_table(found))
    at_most = [f"at most   {bound}" for bound in bounds]
    for line in [*words.sentences(costs, found, bit_rate=bit_rate), *at_most, f"kept in   {place}"]:
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def read_size(text: str) -> tuple[int, int]:
    """`1080p` or `1280x960` as width and height in pixels. ConfigError for anything else."""
    name = text.strip().lower()
    if (known := SIZES.get(_OTHER_NAMES.get(name, name))) is not None:
        return known
    match = re.fullmatch(r"(\d+)x(\d+)", name)
    if match is None:
        raise ConfigError(f"--resolution {text}: write one of {', '.join(SIZES)}, or width and height as 1280x960")
    width, height = int(match[1]), int(match[2])
    if not all(_LEAST <= side <= _MOST for side in (width, height)):
        raise ConfigError(f"--resolution {text}: each side must have {_LEAST} to {_MOST} pixels")
    return width, height
