"""Verbs are loaded when they are asked for, and what goes wrong meanwhile is not taken for a verb that is none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from typing import ClassVar

import pytest
import typer
from typer.testing import CliRunner

from pipeline.lazy_verbs import LazyVerbs

RUNNER = CliRunner()


class Two(LazyVerbs):
    places: ClassVar[Mapping[str, tuple[str, str]]] = {
        "doctor": ("pipeline.doctor_verb", "doctor"),
        "lost": ("pipeline.nowhere", "lost"),
    }


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer(cls=Two, add_completion=False)
    app.callback()(lambda: None)
    return app


@pytest.mark.parametrize("words", [["--version"], ["doctor", "--help"]])
def test_nothing_else_is_loaded(words: list[str]) -> None:
    code = (
        "import sys, pipeline.cli as cli\n"
        f"try:\n    cli.main({words!r})\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('numpy', 'sqlalchemy', 'pipeline.watch_verbs') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_a_verb_runs_and_a_misspelled_one_has_a_suggestion(app: typer.Typer) -> None:
    assert "what works here" in RUNNER.invoke(app, ["doctor", "--help"]).output
    wrong = RUNNER.invoke(app, ["docter"])
    assert wrong.exit_code == 2
    assert "Did you mean 'doctor'" in wrong.output


def test_a_verb_that_cannot_be_loaded_says_so(app: typer.Typer) -> None:
    assert isinstance(RUNNER.invoke(app, ["lost"]).exception, ModuleNotFoundError)
