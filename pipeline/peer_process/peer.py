"""Starts a process that runs other people's trackers: a script for another Python, without Sightline.

It is given to the peers' interpreter as a file with the name of a module of ours, whose `main` it calls with the words
that follow (`python -I peer.py pipeline.tracker_benchmark.peers.serving`). The modules that are run so need Python
3.10, numpy and what they measure. Of Sightline they import each other alone: `pipeline` is there, but nothing beside
it, since our package `trackers` has the name of roboflow's.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

if __name__ == "__main__":
    package = ModuleType("pipeline")
    package.__path__ = [str(Path(__file__).resolve().parents[1])]
    sys.modules["pipeline"] = package
    importlib.import_module(sys.argv[1]).main(sys.argv[2:])
