"""How good a sighting of a track is: the measure by which best pictures and exemplars are chosen."""

from __future__ import annotations

import cv2
import numpy as np

from trackers.geometry import clip_boxes, covered_matrix
from trackers.structures import FloatArray, ImageArray, Tracks
from trackers.track_rows import in_picture

HALF_HEIGHT = 64.0  # pixels; a box of this height is worth half of a very large one
CUT = 0.5  # worth of a box that touches the border of the picture, and so may be cut
JPEG_QUALITY = 90


def qualities(tracks: Tracks, width: int, height: int) -> FloatArray:
    """score * share not hidden by a nearer object * h / (h + 64), halved at the border: (n,) float32 0..1.

    Nearer is what stands lower in the picture. 0 where nobody looked: such a box may show something else. `width`,
    `height`: of the picture, pixels.
    """
    seen = in_picture(tracks)
    if not seen.any():  # as of most frames between two looks
        return np.zeros(len(tracks), np.float32)
    boxes = np.asarray(tracks.boxes, np.float64)
    nearer = boxes[None, :, 3] > boxes[:, None, 3]
    hidden = np.where(nearer, covered_matrix(boxes, boxes), 0).max(axis=1, initial=0)
    tall = boxes[:, 3] - boxes[:, 1]
    inside = ((boxes[:, :2] > 1) & (boxes[:, 2:] < [width - 1, height - 1])).all(axis=1)
    quality = seen * tracks.scores * (1 - hidden) * tall / (tall + HALF_HEIGHT) * np.where(inside, 1, CUT)
    return np.asarray(np.clip(quality, 0, 1), np.float32)


def cut_out(image: ImageArray, box: FloatArray) -> ImageArray:
    """A copy of what a box (4,) shows; empty where it lies outside the picture."""
    height, width = image.shape[:2]
    left, top = np.floor(clip_boxes(box[None], width, height)[0, :2]).astype(int)
    right, bottom = np.ceil(clip_boxes(box[None], width, height)[0, 2:]).astype(int)
    return image[top:bottom, left:right].copy()


def encode_jpeg(picture: ImageArray) -> bytes:
    """The picture as a JPEG file."""
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ValueError(f"OpenCV cannot write a picture of shape {picture.shape} as JPEG")
    return data.tobytes()
