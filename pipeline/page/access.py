"""Who may reach the page: this machine alone, or whoever knows the password."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import ConfigError

_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
USER = "sightline"  # who logs in where a password is set


def check_host(host: str, password: str | None) -> None:
    """Raise ConfigError where others could reach the page and there is no password."""
    if password is None and not is_loopback(host):
        raise ConfigError(
            f"host '{host}' lets other machines in; set SIGHTLINE_PASSWORD or SIGHTLINE_PASSWORD_FILE first"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def read_password(environment: Mapping[str, str]) -> str | None:
    """The page's password from SIGHTLINE_PASSWORD, else from the file SIGHTLINE_PASSWORD_FILE; None if neither is set.

    Raises ConfigError if the file cannot be read or is empty.
    """
    if environment.get("SIGHTLINE_PASSWORD"):
        return environment["SIGHTLINE_PASSWORD"]
    path = environment.get("SIGHTLINE_PASSWORD_FILE")
    if not path:
        return None
    try:
        password = Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read SIGHTLINE_PASSWORD_FILE={path}: {error}") from error
    if not password:
        raise ConfigError(f"SIGHTLINE_PASSWORD_FILE={path} is empty; write the password into it")
    return password


def read_login_hosts(environment: Mapping[str, str], *, password: str | None) -> tuple[str, ...] | None:
    """Hosts and networks at which a camera that is added over HTTP may log in with any secret; None: all.

    From SIGHTLINE_LOGIN_HOSTS, separated by commas: names, addresses, networks such as 10.0.0.0/24. Where it is not
    set: none with a password, because many may know it; all without one, when this machine alone gets in. Raises
    ConfigError for what is neither.
    """
    named = environment.get("SIGHTLINE_LOGIN_HOSTS")
    if named is None:
        return None if password is None else ()
    hosts = tuple(one.strip().lower() for one in named.split(",") if one.strip())
    for host in hosts:
        if not _HOST.fullmatch(host) and not _is_network(host):
            raise ConfigError(
                f"SIGHTLINE_LOGIN_HOSTS names {host!r}, which is no host; write e.g. 10.0.0.0/24,gate.example"
            )
    return hosts


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def read_media_roots(environment: Mapping[str, str], *, password: str | None, here: Path) -> tuple[Path, ...]:
    """The folders whose files may be named over HTTP, as sources of runs and as weights.

    From SIGHTLINE_MEDIA_ROOTS, separated as in PATH. Where it is not set: none with a password, because many may know
    it; without one, when this machine alone gets in, the folder where the server was started. Raises ConfigError for a
    folder that is not there.
    """
    named = environment.get("SIGHTLINE_MEDIA_ROOTS")
    if named is None:
        return (here.resolve(),) if password is None else ()
    roots = tuple(Path(one) for one in named.split(os.pathsep) if one)
    for root in roots:
        if not root.is_dir():
            raise ConfigError(f"SIGHTLINE_MEDIA_ROOTS names {root}, which is no folder; name folders that exist")
    return tuple(root.resolve() for root in roots)
