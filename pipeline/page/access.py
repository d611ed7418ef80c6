"""Who may reach the page: this machine alone, or whoever knows the password."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import ConfigError

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
        return host == "localhost"


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
