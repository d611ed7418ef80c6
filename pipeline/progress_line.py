"""A line that counts while something takes long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Gives a function that shows how many there are so far; nothing is shown where there is no terminal.

    `what`: is counted, e.g. "pictures".
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.completed} {task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None)

        def told(count: int) -> None:
            progress.update(task, completed=count)

        yield told


@contextmanager
def steps(console: Console, first: str) -> Iterator[tuple[Callable[[int], None], Callable[[str], None]]]:
    """Gives what to call once it is known how many steps there are, and what to call when one begins, with its name.

    `first`: what is done before.
    """
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(first, total=None)
        done = -1  # the first begins when none is done

        def counted(total: int) -> None:
            progress.update(task, total=total)

        def begun(what: str) -> None:
            nonlocal done
            done += 1
            progress.update(task, completed=done, description=what)

        yield counted, begun
