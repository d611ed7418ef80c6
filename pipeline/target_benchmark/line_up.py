"""Which of our target trackers take part in a benchmark, and with what settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pipeline.config import change_settings
from pipeline.errors import ConfigError
from pipeline.target_settings import FollowSettings, TargetSettings


def target_names() -> list[str]:
    """Of all target trackers there are."""
    return [kind.model_fields["name"].default for kind in _kinds()]


def line_up(wanted: Sequence[str], overrides: Sequence[str]) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """Settings of `target` by label, and why others stay away, by name.

    `wanted`: names; none: all that can do without files of networks, or are given them. One that has profiles takes
    part with each, unless `overrides` chooses one: `NAME.KEY=VALUE`, e.g. `siamese.head=head.onnx`. ConfigError for a
    tracker or a setting that does not exist, or where a wanted one cannot be set up.
    """
    names = target_names()
    for name in wanted:
        if name not in names:
            raise ConfigError(f"there is no target tracker {name!r}; known: {', '.join(names)}")
    own = _by_name(overrides, names)
    found: dict[str, dict[str, Any]] = {}
    absent: dict[str, str] = {}
    for kind in _kinds():
        name = kind.model_fields["name"].default
        if wanted and name not in wanted:
            continue
        try:
            for label, changes in _profiles(kind, own[name]):
                threads = ["target.threads=1"] if "threads" in kind.model_fields else []
                given = [*threads, *(f"target.{one}" for one in changes)]
                chosen = change_settings({}, [f"target.name={name}", *given], FollowSettings)
                found[label] = chosen.target.model_dump(mode="json")
        except ConfigError as error:
            if wanted or own[name]:
                raise
            absent[name] = " ".join(str(error).split())
    if not found:
        raise ConfigError("no target tracker can take part; name one with --tracker")
    return found, absent


def networks_of(settings: dict[str, dict[str, Any]]) -> tuple[str, str] | None:
    """Backbone and head of NanoTrack, where one of ours uses them: OpenCV's takes the same."""
    for values in settings.values():
        if values["name"] == "siamese" and values.get("backbone") and values.get("head"):
            return values["backbone"], values["head"]
    return None


def _kinds() -> tuple[Any, ...]:
    union, *_ = get_args(TargetSettings)
    return get_args(union)


def _by_name(overrides: Sequence[str], names: Sequence[str]) -> dict[str, list[str]]:
    """Changes by the tracker they are for."""
    found: dict[str, list[str]] = {name: [] for name in names}
    for one in overrides:
        name, dot, change = one.partition(".")
        if not dot or name not in found or "=" not in change:
            raise ConfigError(f"--set {one!r} is not NAME.KEY=VALUE, like correlation.profile=fast; {', '.join(names)}")
        found[name].append(change)
    return found


def _profiles(kind: Any, changes: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Labels and changes: one, or one for each profile."""
    name, field = kind.model_fields["name"].default, kind.model_fields.get("profile")
    if field is None or any(one.startswith("profile=") for one in changes):
        yield name, changes
        return
    for profile in get_args(field.annotation):
        label = name if profile == field.default else f"{name} {profile}"
        yield label, [*changes, f"profile={profile}"]
