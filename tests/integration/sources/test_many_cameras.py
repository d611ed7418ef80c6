"""Many cameras: lost together they come back together, none waits for another, and they die with their service."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from pipeline.sources.feed import CameraState
from pipeline.sources.outage_guard import OutageGuard
from tests.conftest import ROOT
from tests.integration.rtsp_server import Mount, RtspServer
from tests.integration.sources.watching import Watching, is_running
from tests.promptness import allowed, promptly, until

NAMES = ("gate", "yard", "hall")


def test_all_are_lost_at_once(lawn: Path, road: Path) -> None:
    guard = OutageGuard()
    mounts = {"gate": Mount(lawn), "yard": Mount(road), "hall": Mount(lawn)}
    with RtspServer(mounts) as server, RtspServer({"roof": Mount(road)}) as other, ExitStack() as stack:
        lost = [stack.enter_context(Watching(server.url(name), name=name, guard=guard)) for name in NAMES]
        apart = stack.enter_context(Watching(other.url("roof"), name="roof", guard=guard))
        dead = stack.enter_context(Watching("rtsp://127.0.0.1:9/dead", name="dead", guard=guard))
        for one in [*lost, apart]:
            one.frames(10)
        began = time.monotonic()
        server.kill()
        for one in lost:
            one.until(lambda one=one: one.status.state is CameraState.RECONNECTING)  # type: ignore[misc]
        time.sleep(1)
        server.start()
        with promptly(2.0 + 2.0):  # and the third pause
            for one in lost:
                one.frames(5)
        assert apart.longest_pause(began, time.monotonic()) < allowed(1.0)
        assert dead.status.connections == 0
    for one in lost:
        assert len(one.gaps) == one.status.outages == 1
    assert apart.gaps == []
    assert dead.gap_at_end is not None


def test_the_server_of_processes_may_be_killed(lawn: Path) -> None:
    with (
        RtspServer({"gate": Mount(lawn), "yard": Mount(lawn)}) as server,
        Watching(server.url("gate")) as gate,
        Watching(server.url("yard"), name="yard") as yard,
    ):
        for one in (gate, yard):
            one.frames(3)
        reader = gate.camera.reader_pid
        assert reader is not None
        os.kill(psutil.Process(reader).ppid(), signal.SIGKILL)
        for one in (gate, yard):
            one.until(lambda one=one: one.status.outages == 1)  # type: ignore[misc]
            one.frames(3)
        assert not is_running(reader)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_readers_die_with_their_service(lawn: Path, how: signal.Signals) -> None:
    with RtspServer({"gate": Mount(lawn)}) as server:
        service = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.sources.lonely_service"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert service.stdin is not None
            assert service.stdout is not None
            service.stdin.write(server.url("gate") + "\n")
            service.stdin.flush()
            assert select.select([service.stdout], [], [], allowed(20))[0]
            reader = int(service.stdout.readline())
            family = [child.pid for child in psutil.Process(service.pid).children(recursive=True)]
            assert reader in family
            assert is_running(reader)
            os.kill(service.pid, how)
        finally:
            service.kill()
            service.communicate()
        until(lambda: not any(map(is_running, family)), 3, "not all are gone")
