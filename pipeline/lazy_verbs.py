"""A group of verbs each of which is loaded when it is asked for: loading all takes longer than what most of them do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, cast

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class LazyVerbs(TyperGroup):
    """For `cls` of a Typer application, in a subclass that says where its verbs are."""

    places: ClassVar[Mapping[str, tuple[str, str]]]  # verb -> module, and function or Typer application in it

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        self.commands = cast("MutableMapping[str, Any]", _Loaded(self.places))  # nobody adds any


class _Loaded(Mapping[str, Any]):
    """Commands by verb."""

    def __init__(self, places: Mapping[str, tuple[str, str]]) -> None:
        self._places = dict(places)

    def __getitem__(self, verb: str) -> Any:
        return _command(verb, *self._places[verb])

    def get(self, verb: str, default: Any = None) -> Any:
        """None for what is no verb; a KeyError while one is loaded is none of that."""
        return self[verb] if verb in self._places else default

    def __contains__(self, verb: object) -> bool:
        return verb in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


@cache
def _command(verb: str, module: str, name: str) -> Any:
    """The command of Typer that the verb is; its class has no public name."""
    found: typer.Typer | Callable[..., Any] = getattr(import_module(module), name)
    whole = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="markdown", add_completion=False)
    if isinstance(found, typer.Typer):
        whole.add_typer(found, name=verb)
        return typer.main.get_group(whole).commands[verb]
    whole.command(verb)(found)
    return typer.main.get_command(whole)
