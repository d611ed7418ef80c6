"""A heat map as a picture that can be laid over one of its source."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.errors import OutputError
from trackers.structures import FloatArray

WIDTH = 640  # pixels
_BRIGHT = 99.0  # percentile of the cells with anything in them that is shown at full strength
_STRONGEST = 215  # of 255: the picture below stays visible
_SPREAD = 0.7  # cells by which each is blurred: a foot point is not exact


def heat_png(heat: FloatArray) -> bytes:
    """`heat`: (rows, columns) of counts, 0 or more. RGBA: clear where nobody stood, hot where most did."""
    rows, columns = heat.shape
    size = (WIDTH, max(1, round(WIDTH * rows / columns)))
    level = cv2.GaussianBlur(np.sqrt(heat).astype(np.float32), (0, 0), _SPREAD)  # roots: a rest stop outshines all
    warm = level[level > 0]
    top = float(np.percentile(warm, _BRIGHT)) if len(warm) else 1.0
    share = np.clip(cv2.resize(level / max(top, 1e-9), size, interpolation=cv2.INTER_CUBIC), 0, 1)
    colours = cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    clear = np.clip(share * 1.6, 0, 1) * _STRONGEST
    done, content = cv2.imencode(".png", np.dstack([colours, clear.astype(np.uint8)]))
    if not done:
        raise OutputError("the heat map cannot be written as PNG")
    return content.tobytes()
