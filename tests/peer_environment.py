"""A Python environment with other people's trackers: packages that only look like theirs, beside real libraries."""

from __future__ import annotations

import venv
from pathlib import Path

import numpy as np

ROBOFLOW = """
import os
import numpy as np

class ByteTrackTracker:
    '''Ids by the order from left to right.'''
    def __init__(self, frame_rate):
        print('a library that talks')
        assert frame_rate in (10.0, 30.0)  # of the sequence, of the crowd
    def update(self, detections, frame=None):
        detections.tracker_id = 1 + np.argsort(np.argsort(detections.xyxy[:, 0]))
        return detections

class BoTSORTTracker(ByteTrackTracker):
    '''Where it is given camera motion, its shift is added to the ids.'''
    cmc = None
    def update(self, detections, frame=None):
        result = super().update(detections)
        if frame is not None:
            result.tracker_id = result.tracker_id + int(self.cmc.estimate(frame, None)[0, 2])
        return result

class SORTTracker(ByteTrackTracker):
    def update(self, detections, frame=None):
        raise ValueError('out of\\norder')

class OCSORTTracker(ByteTrackTracker):
    def update(self, detections, frame=None):
        if os.path.exists('dies'):
            os._exit(3)
        return super().update(detections)
"""
OPENCV = """
__version__ = '4.99'

def setNumThreads(count):
    assert count == 1

class Still:
    '''Says that its target stands where it was.'''
    def init(self, picture, box):
        assert picture.ndim == 3
        self.box = box
    def update(self, picture):
        return True, self.box

class Clumsy(Still):
    def update(self, picture):
        raise ValueError('it fell')

TrackerCSRT_create = Still
TrackerKCF_create = Clumsy
"""
LAP = """
import numpy as np
from scipy.optimize import linear_sum_assignment
__version__ = '0'

def lapjv(cost, extend_cost, cost_limit):
    '''Pairs below the limit; of scipy, since the real one is no dependency of ours.'''
    rows, columns = linear_sum_assignment(np.minimum(cost, cost_limit))
    x, y = np.full(cost.shape[0], -1), np.full(cost.shape[1], -1)
    good = cost[rows, columns] <= cost_limit
    x[rows[good]], y[columns[good]] = columns[good], rows[good]
    return 0.0, x, y
"""


def make_environment(folder: Path, *, with_libraries: bool = True) -> Path:
    """Make it; its interpreter. `with_libraries`: what this Python has (numpy, ultralytics) can be imported there."""
    venv.EnvBuilder(symlinks=True).create(folder)
    python = folder / "bin" / "python"
    packages = next(folder.glob("lib/python*/site-packages"))
    if with_libraries:
        (packages / "libraries.pth").write_text(f"{Path(np.__file__).parents[1]}\n", encoding="utf-8")
    return python


def install(python: Path, name: str, source: str, *, version: str = "9.9") -> None:
    """Put a package of one file into the environment."""
    packages = next(python.parents[1].glob("lib/python*/site-packages"))
    (packages / f"{name}.py").write_text(source, encoding="utf-8")
    about = packages / f"{name}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
