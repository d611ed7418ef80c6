"""The loop of a process that runs trackers when it is told to. It needs no Sightline; see peer.py.

Commands come as lines of JSON on stdin, answers go as lines of JSON to stdout; whatever libraries print goes to stderr.
First it says {"entries": [...], "missing": [...], "python": version}; then it answers each command, with {"error": ...}
where a tracker fails.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TextIO


def converse(
    entries: Sequence[Any],
    missing: Sequence[Mapping[str, str]],
    answer: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    *,
    commands: TextIO,
    answers: TextIO,
) -> None:
    """Say what is here (`entries`: dataclasses), then answer commands until there are no more."""

    def say(what: Mapping[str, Any]) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    say({"entries": [asdict(one) for one in entries], "missing": list(missing), "python": sys.version.split()[0]})
    for line in commands:
        try:
            say(answer(json.loads(line)))
        except Exception as error:  # noqa: BLE001  one tracker's failure is its own; the others go on
            say({"error": f"{type(error).__name__}: {error}"})


def own_stdout() -> TextIO:
    """The real stdout, for answers alone: what libraries print goes to stderr from now on."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers
