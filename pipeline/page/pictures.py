"""Crops as data URIs, so that they need no address of their own. Nothing outside the media folder is ever read."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

from pipeline.store.rows import MediaRow

_log = logging.getLogger(__name__)

LARGEST = 4 * 2**20  # bytes; a crop is some kilobytes
_JPEG = b"\xff\xd8\xff"  # how every JPEG file begins


def data_uri(folder: Path, crop: MediaRow | None) -> str | None:
    """A crop to put into src="..."; None if there is none, its file is gone, or it is not what a crop may be.

    `folder`: of the media. A path that leads out of it, by itself or by a link, is refused.
    """
    if crop is None:
        return None
    try:
        root = folder.resolve()
        path = (root / crop.path).resolve()
        if not path.is_relative_to(root):
            _log.warning("media %s: its path leads out of the media folder; not shown", crop.public_id)
            return None
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:  # ValueError: a path that no file can have
        _log.info("media %s cannot be read: %s", crop.public_id, error)
        return None
    if len(content) > LARGEST or not content.startswith(_JPEG):
        _log.warning("media %s is not a JPEG file of at most %d bytes; not shown", crop.public_id, LARGEST)
        return None
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"
