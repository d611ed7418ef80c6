"""Where the command line says what went wrong."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from pipeline.errors import SightlineError


def error_console() -> Console:
    """Of the standard error stream as it is now."""
    return Console(stderr=True)


def say_error(error: SightlineError) -> None:
    """In one line."""
    line = Text.assemble(("error: ", "bold red"), " ".join(str(error).split()))
    error_console().print(line, soft_wrap=True)
