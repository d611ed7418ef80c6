"""What is truly in a rendered frame, to the pixel: boxes, masks, ids, who hides whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.synthetic.raster import Layer, Window, solid
from trackers.structures import BoolArray, FloatArray, ImageArray, IntArray, Masks

HIDDEN = 0.05  # visibility up to which a walker counts as fully hidden


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The walkers with at least one pixel of their silhouette, hidden or not, inside the frame.

    Row i of every column is the same walker; ids increase. A silhouette is what the walker would cover if nothing
    stood in front and the picture had no edge; masks never overlap, a pixel belongs to whoever is in front.
    """

    index: int  # of the frame, from 0
    time: float  # seconds
    ids: IntArray  # (n,) int64 from 1, the same again when a walker returns
    boxes: FloatArray  # (n, 4) float32 x1 y1 x2 y2, pixels: the whole silhouette, also where hidden or out of the frame
    visible_boxes: FloatArray  # (n, 4) float32: the visible pixels; all zero where there are none
    visibility: FloatArray  # (n,) float32 0..1: visible pixels / pixels of the whole silhouette
    covered: FloatArray  # (n, n) float32 0..1: share of silhouette i that lies behind silhouette j
    masks: Masks  # the visible pixels

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """One walker's silhouette in one frame."""

    walker: int
    distance: float  # metres from the camera along Z
    window: Window
    coverage: ImageArray  # (height, width) 0..255


def measure(index: int, time: float, bodies: list[Body], props: list[tuple[float, Layer]], frame: Window) -> Truth:
    """Exact truth of one frame. `bodies` and `props` (distance, pixels) may come in any order."""
    silhouettes = {body.walker: solid(body.coverage) for body in bodies}
    inside = [b for b in bodies if _any_inside(silhouettes[b.walker], b.window, frame)]
    inside.sort(key=lambda body: body.walker)
    owners = _owners(inside, silhouettes, props, frame)
    boxes, visible_boxes = np.zeros((len(inside), 4), np.float32), np.zeros((len(inside), 4), np.float32)
    visibility, origins = np.zeros(len(inside), np.float32), np.zeros((len(inside), 2), np.int64)
    crops: list[BoolArray] = []
    for i, body in enumerate(inside):
        part = body.window & frame
        visible = owners[part.slices(frame)] == body.walker + 1
        tight, crop = _tight(visible, part)
        crops.append(crop)
        origins[i] = tight.x1, tight.y1
        boxes[i] = _edges(_tight(silhouettes[body.walker], body.window)[0])
        visible_boxes[i] = _edges(tight)
        visibility[i] = crop.sum() / silhouettes[body.walker].sum()
    ids = np.array([body.walker + 1 for body in inside], np.int64)
    covered = _covered(inside, silhouettes)
    return Truth(index, time, ids, boxes, visible_boxes, visibility, covered, Masks(origins, tuple(crops)))


def _owners(
    bodies: list[Body], silhouettes: dict[int, BoolArray], props: list[tuple[float, Layer]], frame: Window
) -> IntArray:
    """(height, width): whose pixel it is, walker + 1, or 0 for the plaza. Painted from far to near."""
    owners = np.zeros((frame.y2, frame.x2), np.int32)
    for body in sorted(bodies, key=lambda one: one.distance, reverse=True):
        part = body.window & frame
        visible = silhouettes[body.walker][part.slices(body.window)].copy()
        for distance, layer in props:
            shared = part & layer.window
            if distance < body.distance and not shared.empty:
                hides = solid(layer.coverage[shared.slices(layer.window)])
                visible[shared.slices(part)] &= ~hides
        owners[part.slices(frame)][visible] = body.walker + 1
    return owners


def _covered(bodies: list[Body], silhouettes: dict[int, BoolArray]) -> FloatArray:
    covered = np.zeros((len(bodies), len(bodies)), np.float32)
    for i, behind in enumerate(bodies):
        for j, ahead in enumerate(bodies):
            part = behind.window & ahead.window
            if ahead.distance >= behind.distance or part.empty:
                continue
            own = silhouettes[behind.walker]
            both = own[part.slices(behind.window)] & silhouettes[ahead.walker][part.slices(ahead.window)]
            covered[i, j] = both.sum() / own.sum()
    return covered


def _any_inside(silhouette: BoolArray, window: Window, frame: Window) -> bool:
    part = window & frame
    return not part.empty and bool(silhouette[part.slices(window)].any())


def _tight(mask: BoolArray, window: Window) -> tuple[Window, BoolArray]:
    """The smallest window that holds every set pixel, and the mask cut to it; empty and at 0 0 if none is set."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if len(rows) == 0:
        return Window(0, 0, 0, 0), np.zeros((0, 0), bool)
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    tight = Window(window.x1 + left, window.y1 + top, window.x1 + right, window.y1 + bottom)
    return tight, mask[top:bottom, left:right].copy()


def _edges(window: Window) -> tuple[int, int, int, int]:
    return window.x1, window.y1, window.x2, window.y2
