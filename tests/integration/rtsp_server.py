"""RtspServer: a real camera's other end for tests, that can be killed, suspended and started again on its port.

video = looped(shared / "data/videos/cars.mp4", folder, size=(640, 360))
with RtspServer({"gate": Mount(video), "yard": Mount(other)}) as server:
    server.url("gate")  # rtsp://127.0.0.1:PORT/gate
    server.kill(); server.start()  # on the same port
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.conftest import unavailable
from tests.promptness import allowed

SYSTEM_PYTHON = "/usr/bin/python3"
_SCRIPT = Path(__file__).with_name("rtsp_process.py")
_NEEDS = "import gi; gi.require_version('GstRtspServer', '1.0')"
_START_SECONDS = allowed(20)


@dataclass(frozen=True)
class Mount:
    """One stream of a server."""

    video: Path  # an mp4, see `looped`
    codec: Literal["h264", "hevc", "aac"] = "h264"


class RtspServer:
    """Mounts by name on one port of 127.0.0.1. A context manager: started by `with`, gone after it."""

    def __init__(
        self,
        mounts: Mapping[str, Mount],
        *,
        port: int = 0,
        user: str = "",
        password: str = "",
        method: Literal["basic", "digest"] = "digest",
    ) -> None:
        """`port`: 0 for a free one; it stays the same over restarts. `user`: empty for open to everybody."""
        require()
        self.mounts = dict(mounts)
        self.port = port
        self.user, self.password, self.method = user, password, method
        self._process: subprocess.Popen[str] | None = None

    def url(self, mount: str) -> str:
        """Address of a mount, without credentials."""
        return f"rtsp://127.0.0.1:{self.port}/{mount}"

    @property
    def pid(self) -> int:
        """Of the running server."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self) -> None:
        """Listen, on the port of the last time; returns once it does. `mounts` may have been changed before."""
        assert self._process is None, "already running"
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "GST_DEBUG": "0"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        mounts = [{"path": name, "file": str(mount.video), "codec": mount.codec} for name, mount in self.mounts.items()]
        guard = {"user": self.user, "password": self.password, "method": self.method}
        self._process.stdin.write(json.dumps({"port": self.port, "mounts": mounts} | guard) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], _START_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line.strip():
            self.kill()
            raise RuntimeError(f"the RTSP server did not start on port {self.port}")
        self.port = int(line)

    def kill(self) -> None:
        """End it at once, as kill -9 and a power cut do."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def suspend(self) -> None:
        """Freeze it: connections stay open and nothing comes."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    stop = kill

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


@cache
def _missing() -> str:
    """Which part is not here; empty where all are."""
    if shutil.which("ffmpeg") is None:
        return "there is no ffmpeg; apt-get install ffmpeg"
    probe = [SYSTEM_PYTHON, "-c", _NEEDS]
    if Path(SYSTEM_PYTHON).exists() and not subprocess.run(probe, capture_output=True, check=False).returncode:
        return ""
    return "there is no GStreamer RTSP server; apt-get install python3-gi gir1.2-gst-rtsp-server-1.0"


def require() -> None:
    """Skip the test (fail in CI) where GStreamer's RTSP server or ffmpeg are missing."""
    if reason := _missing():
        unavailable(reason)


def looped(
    video: Path,
    folder: Path,
    *,
    size: tuple[int, int] | None = None,
    fps: int | None = None,
    seconds: int = 900,
    codec: Literal["h264", "hevc"] = "h264",
    first_seconds: float | None = None,
) -> Path:
    """A long mp4 of a short video, as a camera would code it: no B-frames, a key frame a second. Made once a folder.

    `size`: width and height, default the video's. `fps`: default the video's. `first_seconds`: loop only so much.
    """
    require()
    sort = "as-is" if size is None else f"{size[0]}x{size[1]}"
    long = folder / f"{video.stem}-{sort}-{fps or 'own'}-{codec}-{first_seconds or 'all'}-{seconds}.mp4"
    if long.exists():
        return long
    short = long.with_name(f"short-{os.getpid()}-{long.name}")
    part = long.with_name(f"part-{os.getpid()}-{long.name}")
    filters = [*([f"fps={fps}"] if fps else []), *([f"scale={size[0]}:{size[1]}"] if size else []), "format=yuv420p"]
    coder = {
        "h264": ["libx264", "-preset", "ultrafast", "-tune", "zerolatency"],
        "hevc": ["libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "log-level=none:bframes=0"],
    }[codec]
    limit = [] if first_seconds is None else ["-t", str(first_seconds)]
    ffmpeg(
        *("-i", video, *limit, "-an", "-vf", ",".join(filters), "-c:v", *coder, "-bf", 0),
        *("-force_key_frames", "expr:gte(t,n_forced*1)", short),
    )
    ffmpeg("-stream_loop", -1, "-i", short, "-c", "copy", "-t", seconds, "-movflags", "+faststart", part)
    short.unlink()
    part.rename(long)
    return long


def ffmpeg(*words: object) -> None:
    """Run `ffmpeg WORDS...`; an error shows what it said."""
    done = subprocess.run(
        ["ffmpeg", "-nostdin", "-loglevel", "error", "-y", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
