"""What is written is true: commands in README exist and have help, docstring examples run, links lead somewhere."""

from __future__ import annotations

import doctest
import importlib
import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import RefineSettings, load_settings
from pipeline.store import tables
from pipeline.tracker_settings import DeepSortSettings
from pipeline.watch.cameras_file import load_watch_settings
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
TRACKING = (ROOT / "docs" / "tracking.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, flags=re.DOTALL)
RUNNER = CliRunner()


def verbs(command: typer.core.TyperGroup, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command as the words that call it."""
    found: list[tuple[str, ...]] = []
    for name, inner in command.commands.items():
        words = (*path, name)
        found += verbs(inner, words) if isinstance(inner, typer.core.TyperGroup) else [words]
    return found


COMMANDS = verbs(typer.main.get_command(app))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example_and_stands_in_the_readme(words: tuple[str, ...]) -> None:
    shown = RUNNER.invoke(app, [*words, "--help"])
    assert shown.exit_code == 0
    assert f"sightline {' '.join(words)}" in shown.output
    assert f"`sightline {' '.join(words)}" in README


@pytest.mark.parametrize("text", [README, TRACKING], ids=["README.md", "docs/tracking.md"])
def test_commands_have_only_options_that_exist(text: str) -> None:
    lines = [
        line
        for block in re.findall(r"^```sh\n(.*?)```", text, flags=re.DOTALL | re.MULTILINE)
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("sightline")
    ]
    assert len(lines) >= 4
    for line in lines:
        words = shlex.split(line)[1:]
        verb = max((path for path in COMMANDS if tuple(words[: len(path)]) == path), key=len, default=(words[0],))
        known = RUNNER.invoke(app, [*verb, "--help"], terminal_width=200).output
        for option in (word for word in words if word.startswith("--")):
            assert option in known, line


def test_readme_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^make (\S+)$", README, flags=re.MULTILINE)
    assert targets[:2] == ["demo", "test"]
    for target in targets:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE)


def test_readme_settings_are_accepted(tmp_path: Path) -> None:
    blocks = [block for language, block in BLOCKS if language == "yaml"]
    assert blocks
    for block in blocks:
        (tmp_path / "settings.yaml").write_text(block, encoding="utf-8")
        if re.search(r"^(cameras|alerts|record):", block, flags=re.MULTILINE):
            load_watch_settings(tmp_path / "settings.yaml")
        else:
            load_settings(tmp_path / "settings.yaml")


def test_readme_tables_and_configs_exist() -> None:
    known = set(tables.Base.metadata.tables)
    named = re.findall(r"^\| ((?:`[\w-]+`(?:, )?)+) \|", README, flags=re.MULTILINE)
    words = {word for cell in named for word in re.findall(r"`([\w-]+)`", cell)}
    configs = {path.stem for path in (ROOT / "configs").glob("*.yaml")}
    assert words <= known | configs
    assert configs <= words


def test_links_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/tracking.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        anchors = {_anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)}
        for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", text):
            assert target.startswith("https://") or (ROOT / name).parent.joinpath(target).exists(), f"{name}: {target}"
            assert target or anchor in anchors, f"{name}: #{anchor}"


def _anchor(heading: str) -> str:
    """What GitHub makes of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_tracking_page_has_every_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([\w.]+)` \| ([^|]*) \|", TRACKING, flags=re.MULTILINE))
    for prefix, kind in (("", DeepSortSettings), ("refine.", RefineSettings)):
        for name, setting in kind.model_fields.items():
            default = "unset" if setting.default is None else str(setting.default)
            assert name == "name" or rows[prefix + name] == default, name
    for name, default in re.findall(r"`(\w+)` (?:\w )?([\d.]*\d)", TRACKING):
        assert float(default) == DeepSortSettings.model_fields[name].default, name


def modules_with_examples() -> list[str]:
    files = [file for folder in ("pipeline", "trackers") for file in (ROOT / folder).rglob("*.py")]
    return [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in files
        if ">>> " in file.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0
