"""Overrides: settings as `--set key.path=value` says them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from pipeline.errors import ConfigError


def nested(overrides: Iterable[str]) -> dict[str, Any]:
    """Nested values of `key.path=value` strings, unchecked. Raises ConfigError."""
    values: dict[str, Any] = {}
    for keys, value in map(read_change, overrides):
        put(values, keys, value)
    return values


def read_change(override: str) -> tuple[list[str], Any]:
    """Keys and value of `key.path=value`. Raises ConfigError."""
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(f"--set {override!r} must look like key.path=value, e.g. detector.min_score=0.3")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {path}: {text!r} is not a YAML value") from error
    return keys, value


def put(values: dict[str, Any], keys: list[str], value: Any) -> None:
    """Put a value into nested dictionaries. Raises ConfigError where a value stands in its way."""
    for key in keys[:-1]:
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {'.'.join(keys)}: {key} is a value, not a section")
        values = inner
    values[keys[-1]] = value
