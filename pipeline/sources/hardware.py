"""Which hardware decodes a camera's stream, and what to say where the wish cannot be met."""

from __future__ import annotations

from pathlib import Path

import av
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError

SOFTWARE = "software"
_NODES = {"cuda": "/dev/nvidia0", "vaapi": "/dev/dri/renderD128", "qsv": "/dev/dri/renderD128"}  # in order of taste


def choose(wish: str) -> tuple[HWAccel | None, str]:
    """What to decode with, None for software, and why not as wished ("" where it is).

    `wish`: auto, none, cuda, vaapi or qsv. With auto software is as good as wished.
    """
    match wish:
        case "none":
            return None, ""
        case "auto":
            found = [name for name, node in _NODES.items() if Path(node).exists() and not _obstacle(name)]
            return (_open(found[0]), "") if found else (None, "")
        case _:
            why = _obstacle(wish)
            return (None, f"{wish} cannot decode here: {why}") if why else (_open(wish), "")


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
