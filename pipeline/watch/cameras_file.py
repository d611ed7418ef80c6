"""Reading a cameras file: what it names lies where the file is, not where the command was called."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pipeline.camera_settings import WatchSettings
from pipeline.config import change_settings, read_yaml
from pipeline.errors import ConfigError

_MODELS = ("detector", "segmenter", "embedder")


def load_watch_settings(path: Path, overrides: Iterable[str] = ()) -> WatchSettings:
    """Settings of a cameras file, changed by `key.path=value` strings. Raises ConfigError.

    Relative paths in the file (weights, secrets, database, media, videos) are meant from its folder; those of
    `overrides` from the current one.
    """
    if not path.is_file():
        raise ConfigError(f"there is no cameras file {path}; README's chapter Cameras shows one")
    values = _placed(read_yaml(path), path.absolute().parent)
    settings = change_settings(values, overrides, WatchSettings)
    by_address: dict[str, str] = {}
    for name, camera in settings.cameras.items():
        if camera.url in by_address:
            raise ConfigError(
                f"cameras '{by_address[camera.url]}' and '{name}' have the same address {camera.url}; one is enough"
            )
        by_address[camera.url] = name
    return settings


def _placed(values: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same settings with absolute paths."""
    placed = dict(values)
    if isinstance(secrets := placed.get("secrets_file"), str):
        placed["secrets_file"] = str(folder / secrets)
    for section, key in (*((name, "weights") for name in _MODELS), ("store", "database"), ("store", "media")):
        inner = placed.get(section)
        if isinstance(inner, dict) and isinstance(inner.get(key), str):
            placed[section] = {**inner, key: _from(folder, inner[key], whole=key != "weights")}
            inner = placed[section]
    if isinstance(cameras := placed.get("cameras"), dict):
        placed["cameras"] = {name: _placed_camera(one, folder) for name, one in cameras.items()}
    return placed


def _placed_camera(values: Any, folder: Path) -> Any:
    if not isinstance(values, dict) or not isinstance(values.get("url"), str):
        return values  # told by the check of the settings
    return {**values, "url": _from(folder, values["url"], whole=True)}


def _from(folder: Path, text: str, *, whole: bool) -> str:
    """`whole`: every relative path; else only one of a file that is there, as weights may be a word, too."""
    if "://" in text:
        return text
    there = folder / text
    return str(there) if whole or there.exists() else text
