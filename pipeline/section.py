"""What all sections of settings have in common: the kinds of their values, and what is said of wrong ones."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, ValidationError

from pipeline.errors import ConfigError

Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)]
ImageSize = tuple[PositiveInt, PositiveInt]
Device = Annotated[str, AfterValidator(lambda value: "auto" if value.lower() == "auto" else value)]  # CPU, CUDA:1, auto


class Section(BaseModel):
    """Base of all sections."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


_Section = TypeVar("_Section", bound=Section)


def parse(values: Mapping[str, Any], kind: type[_Section]) -> _Section:
    """Check values against a section. Raises ConfigError that names each wrong key by its path."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(one, kind) for one in error.errors())) from error


def _explain(error: Any, kind: type[Section]) -> str:
    keys, section = _place(error["loc"], kind)
    path = ".".join(keys) or "settings"
    if error["type"] == "extra_forbidden":
        known = list(section.model_fields)
        close = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.6)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
        return f"unknown setting {path}; {hint}"
    if error["type"] == "union_tag_invalid":
        known = list(_named_sections(section, keys[-1]))
        return f"setting {path}.name: there is no tracker {error['ctx']['tag']!r}; known: {', '.join(known)}"
    if error["type"] in ("model_type", "model_attributes_type"):
        return f"setting {path} is a section; write {path}: {{key: value}}, or --set {path}.key=value"
    return f"setting {path}: {error['msg'].removeprefix('Value error, ')}"


def _place(location: Sequence[Any], kind: type[Section]) -> tuple[list[str], type[Section]]:
    """The keys of pydantic's place of an error, as people write them, and the innermost section that holds the last."""
    keys: list[str] = []
    section = kind
    for key in map(str, location):
        if keys and key in (named := _named_sections(section, keys[-1])):  # pydantic adds the name of the one meant
            section = named[key]
            continue
        if keys and keys[-1] in section.model_fields:
            inner = section.model_fields[keys[-1]].annotation
            section = inner if isinstance(inner, type) and issubclass(inner, Section) else section
        keys.append(key)
    return keys, section


def _named_sections(section: type[Section], key: str) -> dict[str, type[Section]]:
    """Of a setting that may be one of several sections, told apart by their names: all of them. None for others."""
    field = section.model_fields.get(key)
    members = () if field is None or field.discriminator is None else get_args(field.annotation)
    return {member.model_fields["name"].default: member for member in members}
