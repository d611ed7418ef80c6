"""A service as a process of its own, as systemd would start it, and what others see of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from sqlalchemy import Select, select

from pipeline.sources.feed import CameraState
from pipeline.store.cameras import CameraRow, add_camera, list_cameras, newest_live_run, set_wish
from pipeline.store.database import Database, open_database
from pipeline.store.filters import Scope, scope_of
from pipeline.store.records import PROJECT
from pipeline.store.rows import RunRow
from pipeline.store.run_queries import run_row
from pipeline.store.states import CameraWish
from pipeline.store.tables import Gap, Project, RunSource, Source
from tests.integration.command import environment
from tests.promptness import allowed, until

BEGIN_SECONDS = 30.0


class ServiceProcess:
    """`sightline watch` over a cameras file in a folder. A context manager: gone after it, whatever happens."""

    def __init__(
        self, folder: Path, settings: Mapping[str, Any], *, secrets: Mapping[str, str] | None = None, url: str = ""
    ) -> None:
        """`settings`: of the cameras file. `secrets`: SIGHTLINE_SECRET_NAME -> user:password. `url`: of the store."""
        self.folder = folder
        self.file = folder / "cameras.yaml"
        self.url = url or str(folder / "watch.db")
        self.log = folder / "service.log"
        self.file.write_text(yaml.safe_dump(dict(settings)), encoding="utf-8")
        self._secrets = dict(secrets or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._database: Database | None = None

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Of the service."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def database(self) -> Database:
        """Its store."""
        if self._database is None:
            self._database = open_database(self.url)
        return self._database

    def start(self) -> None:
        """Begin, and wait until it beats."""
        before = self.run()
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", "watch", str(self.file), "--listen", "127.0.0.1:0", "--log-json"],
                cwd=self.folder,
                env={**environment(), "SIGHTLINE_DATABASE": self.url, **self._secrets},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.wait(lambda: self._begun(before), BEGIN_SECONDS, "the service did not begin")

    def _begun(self, before: RunRow | None) -> bool:
        assert self.process.poll() is None, self.said()
        now = self.run()
        begun = now is not None and (before is None or now.public_id != before.public_id)
        return begun and bool(self.cameras())

    def end(self, number: int) -> float:
        """Send a signal and wait for the end. Returns seconds."""
        begun = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(allowed(30))
        return time.monotonic() - begun

    def said(self) -> str:
        """Its log."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def lines(self) -> list[dict[str, str]]:
        """Its log, line by line."""
        return [json.loads(line) for line in self.said().splitlines()]

    def scope(self) -> Scope:
        with self.database.read() as connection:
            return scope_of(connection, [PROJECT])

    def run(self) -> RunRow | None:
        """The newest live run; None before the first."""
        if "://" not in self.url and not Path(self.url).exists():
            return None
        with self.database.read() as connection:
            if connection.scalar(select(Project.id)) is None:
                return None
            return newest_live_run(scope_of(connection, [PROJECT]), connection)

    def row(self, run: Any) -> RunRow:
        with self.database.read() as connection:
            found = run_row(self.scope(), connection, run)
        assert found is not None
        return found

    def cameras(self) -> dict[str, CameraRow]:
        """By name, of the newest run."""
        with self.database.read() as connection:
            return {row.name: row for row in list_cameras(scope_of(connection, [PROJECT]), connection)}

    def camera(self, name: str) -> CameraRow:
        return self.cameras()[name]

    def add(self, name: str, settings: Mapping[str, Any]) -> None:
        run = self.run()
        assert run is not None
        add_camera(self.database, self.scope(), run.public_id, name, settings)

    def wish(self, name: str, wanted: CameraWish) -> None:
        set_wish(self.database, self.scope(), self.camera(name).public_id, wanted)

    def await_state(self, name: str, state: CameraState, seconds: float = 20) -> CameraRow:
        """Wait until a camera is in a state."""
        self.wait(lambda: self._state(name) is state, seconds, f"{name} is not {state.value}")
        return self.camera(name)

    def _state(self, name: str) -> CameraState | None:
        camera = self.cameras().get(name)
        return None if camera is None else camera.state

    def await_frames(self, names: Iterable[str], more: int = 5, seconds: float = 30) -> None:
        """Wait until so many more frames of each camera have been processed."""
        before = {name: self.frames(name) for name in names}
        for name, count in before.items():
            self.wait(lambda name=name, count=count: self.frames(name) >= count + more, seconds, f"no frames of {name}")

    def await_frames_of_new(self, name: str) -> None:
        """Wait until a camera has been taken up and some of its frames are processed."""
        self.wait(lambda: name in self.cameras(), 10, f"there is no {name}")
        self.await_frames([name])

    def frames(self, name: str) -> int:
        """Processed, as last told."""
        return int(self.camera(name).status.get("frames_processed", 0))

    def gaps(self, name: str) -> list[tuple[int, int, str]]:
        """Over all runs, in order of time: from, to, reason."""
        query: Select[tuple[int, int, str]] = (
            select(Gap.from_at, Gap.to_at, Gap.reason)
            .join(RunSource, RunSource.id == Gap.run_source_id)
            .join(Source, Source.id == RunSource.source_id)
            .where(Source.name == name)
            .order_by(Gap.from_at, Gap.id)
        )
        with self.database.read() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def http(self, path: str) -> httpx.Response:
        """Ask the service."""
        return httpx.get(f"http://127.0.0.1:{self.port()}{path}", timeout=allowed(5))

    def port(self) -> int:
        """Where it answers."""
        for connection in psutil.Process(self.process.pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                return int(connection.laddr.port)
        raise AssertionError("the service listens nowhere")

    def memory(self) -> float:
        """Resident, of the service alone, MiB."""
        return psutil.Process(self.process.pid).memory_info().rss / (1 << 20)

    def wait(self, met: Callable[[], object], seconds: float, why: str) -> None:
        """Look ten times a second; fails with `why` and the log."""
        until(met, seconds, lambda: f"{why}\n{self.said()[-4000:]}", pause=0.1)

    def __enter__(self) -> ServiceProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(allowed(10))
        if self._database is not None:
            self._database.close()


@contextmanager
def nothing_left(service: ServiceProcess) -> Iterator[None]:
    """Ends the block only if no child of the service and none of its shared memory is left."""
    children = psutil.Process(service.process.pid).children(recursive=True)
    assert children, "cameras are read by processes"
    blocks = {block for pid in (service.process.pid, *(one.pid for one in children)) for block in shared_blocks(pid)}
    yield
    _, alive = psutil.wait_procs(children, timeout=allowed(3))
    assert not alive, alive
    assert not [one for one in children if one.is_running()]
    assert not [block for block in blocks if block.exists()]


def shared_blocks(pid: int) -> set[Path]:
    """What a process uses that lies in the machine's shared memory under a name; other tests have theirs beside it."""
    lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()
    return {Path(line[line.index("/dev/shm/") :]) for line in lines if "/dev/shm/" in line and "(deleted)" not in line}
