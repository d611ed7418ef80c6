"""Which hardware decodes a camera's stream, and what to say where the wish cannot be met."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError

SOFTWARE = "software"
_NODES = {"cuda": "/dev/nvidia0", "vaapi": "/dev/dri/renderD128", "qsv": "/dev/dri/renderD128"}  # in order of taste


class Choice(NamedTuple):
    """What decodes."""

    name: str  # "software", "cuda", "vaapi" or "qsv"
    accelerator: HWAccel | None  # None for software
    obstacle: str = ""  # why it is not what was wished for


def choose(wish: str) -> Choice:
    """What can decode here. With auto, software is as good as wished.

    `wish`: auto, none, cuda, vaapi or qsv.
    """
    match wish:
        case "none":
            return Choice(SOFTWARE, None)
        case "auto":
            found = [name for name, node in _NODES.items() if Path(node).exists() and not _obstacle(name)]
            return Choice(found[0], _open(found[0])) if found else Choice(SOFTWARE, None)
        case _:
            why = _obstacle(wish)
            if why:
                return Choice(SOFTWARE, None, f"{wish} cannot decode here: {why}")
            return Choice(wish, _open(wish))


def label(choice: Choice, wish: str, context: av.CodecContext) -> tuple[str, str]:
    """What decodes a stream, in words, and what of that is to be said aloud ("" for nothing)."""
    if context.is_hwaccel:
        return choice.name, ""
    note = choice.obstacle
    if choice.accelerator is not None and wish != "auto":
        note = f"{wish} does not decode {context.name}"
    return (f"{SOFTWARE} ({note})" if note else SOFTWARE), note


def after_nothing(wish: str, decoder: str) -> str:
    """What to wish for after a connection that opened and gave no picture, decoded by `decoder` (a `label`).

    A device may open and yet decode nothing: too many streams, a form of the codec it does not know.
    """
    return "none" if decoder and not decoder.startswith(SOFTWARE) else wish


def _open(name: str) -> HWAccel:
    return HWAccel(name, allow_software_fallback=True)


def _obstacle(name: str) -> str:
    """Why this kind of device cannot be used; empty where it can."""
    if name not in hwdevices_available():
        return "this FFmpeg was built without it"
    try:
        _open(name).create(av.Codec("h264", "r"))
    except FFmpegError as error:
        return f"no device ({error.strerror})"
    except NotImplementedError:
        return "this FFmpeg has no decoder for it"
    return ""
