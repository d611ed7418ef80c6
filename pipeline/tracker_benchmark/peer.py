"""Starts a process that runs other people's trackers: a script for another Python, without Sightline.

It is given to the peers' interpreter as a file (`python -I peer.py`). It and its modules in peers/ need Python 3.10,
numpy and what they measure. They import nothing of Sightline, whose package `trackers` has the name of roboflow's, and
each other by relative names, since there they lie in a package called `peers`. own_trackers.py serves Sightline's own.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parent))  # the last place: what is installed comes first
    serving = importlib.import_module("peers.serving")
    answers = serving.own_stdout()
    serving.serve(*importlib.import_module("peers.discovery").discover(), sys.stdin, answers)
