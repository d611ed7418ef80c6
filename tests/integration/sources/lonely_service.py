"""A process with a camera and nothing else, to be killed: prints the pid of the camera's reader once it is live."""

from __future__ import annotations

import sys
import time

from pipeline.sources.camera import Camera
from pipeline.sources.feed import CameraState
from pipeline.sources.outage_guard import OutageGuard


def main() -> None:
    """The camera's address comes through standard input."""
    camera = Camera("gate", sys.stdin.readline().strip(), guard=OutageGuard())
    camera.start(lambda: None)
    while camera.status().state is not CameraState.LIVE:
        time.sleep(0.01)
    sys.stdout.write(f"{camera.reader_pid}\n")
    sys.stdout.flush()
    time.sleep(600)


if __name__ == "__main__":
    main()
