"""Secrets are found by name in both places, and shown in none."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.secrets import Secret, Secrets, variable

WORD = "p@s:s/w?o#rd"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.yaml"
    path.write_text(f'gate: {{user: admin, password: "{WORD}"}}\nfront door-2: {{user: me, password: "0123"}}\n')
    path.chmod(0o600)
    return path


def test_both_places(file: Path) -> None:
    secrets = Secrets.read(file, {"SIGHTLINE_SECRET_YARD": f"you:{WORD}", "HOME": "/root"})
    assert secrets.find("gate") == Secret("admin", WORD)
    assert secrets.find("front door-2") == Secret("me", "0123")
    assert secrets.find("yard") == Secret("you", WORD)  # only the first colon divides
    assert secrets.words() == [WORD, "admin", "0123", "you", "me"]


def test_the_environment_wins(file: Path) -> None:
    secrets = Secrets.read(file, {"SIGHTLINE_SECRET_FRONT_DOOR_2": "a:b"})
    assert secrets.find("front door-2") == Secret("a", "b")
    assert variable("front door-2") == "SIGHTLINE_SECRET_FRONT_DOOR_2"


def test_none_at_all() -> None:
    secrets = Secrets.read(None, {})
    assert secrets.words() == []
    with pytest.raises(ConfigError, match=r"SIGHTLINE_SECRET_GATE=user:password.*secrets_file"):
        secrets.find("gate")


def test_nothing_is_shown(file: Path) -> None:
    secrets = Secrets.read(file, {"SIGHTLINE_SECRET_YARD": "you:word"})
    shown = f"{secrets!r} {secrets.find('gate')!r} {secrets.find('gate')}"
    assert "gate" in shown
    assert not [word for word in (WORD, "admin", "word", "0123") if word in shown]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- gate", "must hold"),
        ("gate: 7", "'gate' must be"),
        ("gate: {user: me, password: 123456}", "quotes"),
        ("gate: {user: me, password: hush, more: 1}", "'gate' must be"),
        ("gate: {user: me, password: 'hush", "no YAML"),
        ("gate: {user: me, password: @hush}", "no YAML"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=reason) as caught:
        Secrets.read(path, {})
    assert "hush" not in str(caught.value)
    assert "123456" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_bad_places(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no secrets file"):
        Secrets.read(tmp_path / "none.yaml", {})
    with pytest.raises(ConfigError, match="cannot be read"):
        Secrets.read(tmp_path, {})
    with pytest.raises(ConfigError, match="form user:password"):
        Secrets.read(None, {"SIGHTLINE_SECRET_GATE": "hush"}).find("gate")


def test_an_empty_file_and_one_for_all_to_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("")
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        assert Secrets.read(path, {}).words() == []
    assert "chmod 600" in caplog.text
