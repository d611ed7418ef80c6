"""Who takes part in a benchmark: ours, and those of other environments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any, Protocol, TypeVar

from pipeline.peer_process.worker import Missing, PeerProcess


class Named(Protocol):
    """A tracker that can be asked for."""

    @property
    def name(self) -> str:
        """Unique in a process."""

    @property
    def package(self) -> str:
        """Where it comes from."""


_Process = TypeVar("_Process", bound=PeerProcess[Any])


def gather(
    stack: ExitStack,
    own: _Process,
    pythons: Sequence[str],
    *,
    start: Callable[[str], _Process],
    packages: Iterable[str],
) -> tuple[list[tuple[Any, _Process]], list[Missing]]:
    """Trackers and their processes, of a name twice the first; and packages that none of the environments could use.

    `start`: starts the process of an interpreter. All processes end with `stack`.
    """
    found: dict[str, tuple[Any, _Process]] = {entry.name: (entry, own) for entry in own.entries}
    reasons: dict[str, list[str]] = {}
    for python in pythons:
        worker = start(python)
        stack.enter_context(worker)
        for entry in worker.entries:
            found.setdefault(entry.name, (entry, worker))
        for each in worker.missing:
            reasons.setdefault(each.package, []).append(f"{python}: {each.reason}")
    present = {entry.package for entry, _ in found.values()}
    absent = [package for package in packages if package not in present]
    why = ["no other Python was given"]
    return list(found.values()), [Missing(one, "; ".join(reasons.get(one, why))) for one in absent]
