"""How long Mask R-CNN takes: the full pass against given boxes, in turns in one process. Not a test: run it by hand.

python -m tests.benchmarks.mask_rcnn_speed [--rounds 5] [--light FILE]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from pipeline.models.mask_rcnn_models import MaskRcnnDetector, open_detector, open_segmenter
from trackers.structures import Detections, Frame

OBJECTS = 10
R50 = "maskrcnn_resnet50_fpn"


def picture(width: int, height: int) -> Frame:
    small = np.random.default_rng(0).integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8)
    return Frame(small.repeat(16, axis=0).repeat(16, axis=1), 0, 0.0, 0)


def ten(detector: MaskRcnnDetector, frame: Frame) -> Detections:
    """The boxes of the full pass, after letting it keep no more than so many: random networks are sure of nothing."""
    heads = detector.network.roi_heads
    heads.score_thresh, heads.detections_per_img = 0.0, OBJECTS
    (found,) = detector.detect([frame])
    heads.score_thresh = float(found.scores.min()) * 0.999
    return detector.detect([frame])[0]


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Milliseconds by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - clock) * 1e3, (time.process_time() - processor) * 1e3


def compare(name: str, weights: str, side: int, frame: Frame, rounds: int) -> None:
    for precision in ("f32", "bf16"):
        options = {"weights": weights, "shortest_side": side, "precision": precision}
        detector = open_detector(name, **options)
        segmenter = open_segmenter(name, prompts=detector.card.classes, **options)
        found = ten(detector, frame)  # of COCO's 91 numbers some mean nothing, so that a few of the ten may be left out
        prompt = replace(found, masks=None)[np.resize(np.arange(len(found)), OBJECTS)]
        segmenter.segment([frame], [prompt])
        whole, given = [], []
        for _ in range(rounds):
            whole.append(timed(partial(detector.detect, [frame])))
            given.append(timed(partial(segmenter.segment, [frame], [prompt])))
        (a, used), (b, less) = np.median(whole, axis=0), np.median(given, axis=0)
        Console().print(
            f"{name or Path(weights).stem} {side} {precision}: full {a:.0f} ms (processor {used:.0f}), given boxes "
            f"{b:.0f} ms (processor {less:.0f}): {a / b:.2f}x, by processor {used / less:.2f}x"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--light", type=Path, help="a file of `sightline train mask-rcnn`")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.light is not None:
        for side in (320, 448):
            compare("", str(chosen.light), side, picture(1280, 720), chosen.rounds)
    compare(R50, "none", 640, picture(640, 640), chosen.rounds)


if __name__ == "__main__":
    main()
