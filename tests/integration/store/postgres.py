"""A throw-away PostgreSQL with pgvector, from the wheel `pgserver`, also where tests run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SYSTEM_USER = "nobody"  # PostgreSQL refuses to run as root


@contextmanager
def postgres_server(programs: Path) -> Iterator[str]:
    """Run a server on a socket in a new folder; yields that folder, which is the `host` of its address.

    `programs`: the wheel's folder with bin, lib and share. The wheel's own starter is not used: as root it would add a
    user to the system and open every folder above the programs to everybody.
    """
    folder = Path(tempfile.mkdtemp(prefix="sightline-postgres-"))
    try:
        identity = _identity(folder)
        if identity and not _readable(programs):
            programs = Path(shutil.copytree(programs, folder / "programs", symlinks=True))
        data = folder / "data"
        control = [str(programs / "bin" / "pg_ctl"), "-D", str(data), "-w", "-t", "60"]
        _call(
            [str(programs / "bin" / "initdb"), "-D", str(data), "-U", "tester", "-A", "trust", "-E", "utf8"], identity
        )
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c max_connections=50"
        _call([*control, "-l", str(folder / "log"), "-o", options, "start"], identity)
        try:
            yield str(folder)
        finally:
            _call([*control, "-m", "immediate", "stop"], identity)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _identity(folder: Path) -> dict[str, Any]:
    """Whom to start the programs as; gives that user the folder."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(SYSTEM_USER)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _readable(path: Path) -> bool:
    """Whether everybody may look into a folder and all above it."""
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in [path, *path.parents])


def _call(command: list[str], identity: dict[str, Any]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=120, **identity)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr or done.stdout}")
