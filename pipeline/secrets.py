"""Secrets: users and passwords of cameras and receivers, from the environment or a file that nobody else reads."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from pipeline.errors import ConfigError

PREFIX = "SIGHTLINE_SECRET_"
_OTHERS = 0o077  # permissions of everybody but the owner
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Secret:
    """Who to log in as. Shows neither when it is printed."""

    user: str = field(repr=False)
    password: str = field(repr=False)


class Secrets:
    """Secrets by name. The environment wins over the file."""

    def __init__(self, file: Mapping[str, Secret], environ: Mapping[str, str], *, path: Path | None = None) -> None:
        """`file`: what the secrets file says, `path`: where it is, for error messages."""
        self._file = dict(file)
        self._path = path
        self._environ = {key: value for key, value in environ.items() if key.startswith(PREFIX)}

    @classmethod
    def read(cls, file: Path | None, environ: Mapping[str, str]) -> Secrets:
        """Those of a YAML file, `name: {user: ..., password: ...}`, and of the environment. Raises ConfigError."""
        return cls({} if file is None else _read(file), environ, path=file)

    def find(self, name: str) -> Secret:
        """The secret of this name. Raises ConfigError where there is none, which says both ways to give it."""
        key = variable(name)
        value = self._environ.get(key)
        if value is not None:
            user, colon, password = value.partition(":")
            if not colon:
                raise ConfigError(f"{key} in the environment is not of the form user:password")
            return Secret(user, password)
        if name in self._file:
            return self._file[name]
        place = "a file named by secrets_file" if self._path is None else str(self._path)
        raise ConfigError(
            f"there is no secret '{name}'; set {key}=user:password in the environment, or write "
            f"`{name}: {{user: ..., password: ...}}` into {place}"
        )

    def words(self) -> list[str]:
        """All texts that must appear in no log: the users and passwords, longest first."""
        given = [value.partition(":") for value in self._environ.values()]
        pairs = [(user, password) for user, colon, password in given if colon]
        pairs += [(secret.user, secret.password) for secret in self._file.values()]
        return sorted({word for pair in pairs for word in pair if word}, key=lambda word: (-len(word), word))

    def __repr__(self) -> str:
        return f"Secrets({', '.join(sorted({*self._file, *self._environ}))})"


def variable(name: str) -> str:
    """The environment's name for a secret: "front door-2" -> SIGHTLINE_SECRET_FRONT_DOOR_2."""
    return PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())


def _read(path: Path) -> dict[str, Secret]:
    """Raises ConfigError that tells nothing of what the file holds."""
    try:
        mode = path.stat().st_mode
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no secrets file {path}; write one, or use {PREFIX}NAME=user:password") from error
    except OSError as error:
        raise ConfigError(f"secrets file {path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f" (line {line + 1})"
        raise ConfigError(f"secrets file {path} is no YAML{where}; quote passwords with special letters") from None
    if mode & _OTHERS:
        _log.warning("secrets file %s can be read by others; chmod 600 %s", path, path)
    if not isinstance(values, dict | None):
        raise ConfigError(f"secrets file {path} must hold `name: {{user: ..., password: ...}}` lines")
    return {str(name): _secret(path, str(name), value) for name, value in (values or {}).items()}


def _secret(path: Path, name: str, value: object) -> Secret:
    match value:
        case {"user": str(user), "password": str(password), **rest} if not rest:
            return Secret(user, password)
    raise ConfigError(
        f"secrets file {path}: '{name}' must be {{user: ..., password: ...}}, both texts; put a number into quotes"
    )
