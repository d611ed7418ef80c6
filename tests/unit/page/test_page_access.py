"""Who may reach the page: this machine alone, or whoever knows the password."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import ConfigError
from pipeline.page.access import check_host, read_login_hosts, read_media_roots, read_password


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "", "localhost.example.org"])
def test_other_machines_need_a_password(host: str) -> None:
    with pytest.raises(ConfigError, match="SIGHTLINE_PASSWORD"):
        check_host(host, None)
    check_host(host, "secret")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LocalHost"])
def test_this_machine_needs_none(host: str) -> None:
    check_host(host, None)


def test_the_password_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("from the file\n")
    assert read_password({}) is None
    assert read_password({"SIGHTLINE_PASSWORD": ""}) is None
    assert read_password({"SIGHTLINE_PASSWORD": "plain"}) == "plain"
    assert read_password({"SIGHTLINE_PASSWORD": "plain", "SIGHTLINE_PASSWORD_FILE": str(file)}) == "plain"
    assert read_password({"SIGHTLINE_PASSWORD_FILE": str(file)}) == "from the file"
    file.write_text("\n")
    with pytest.raises(ConfigError, match="is empty"):
        read_password({"SIGHTLINE_PASSWORD_FILE": str(file)})
    with pytest.raises(ConfigError, match="cannot read"):
        read_password({"SIGHTLINE_PASSWORD_FILE": str(tmp_path / "none")})


def test_which_folders_are_open(tmp_path: Path) -> None:
    assert read_media_roots({}, password=None, here=tmp_path) == (tmp_path,)
    assert read_media_roots({}, password="x", here=tmp_path) == ()
    assert read_media_roots({"SIGHTLINE_MEDIA_ROOTS": ""}, password=None, here=tmp_path) == ()
    both = {"SIGHTLINE_MEDIA_ROOTS": f"{tmp_path}{os.pathsep}/"}
    assert read_media_roots(both, password="x", here=tmp_path) == (tmp_path, Path("/"))
    with pytest.raises(ConfigError, match="is no folder"):
        read_media_roots({"SIGHTLINE_MEDIA_ROOTS": str(tmp_path / "none")}, password=None, here=tmp_path)


def test_where_secrets_may_be_sent() -> None:
    assert read_login_hosts({}, password=None) is None
    assert read_login_hosts({}, password="x") == ()
    named = {"SIGHTLINE_LOGIN_HOSTS": "10.0.0.0/24, Gate.example,fe80::/10,"}
    assert read_login_hosts(named, password=None) == ("10.0.0.0/24", "gate.example", "fe80::/10")
    for wrong in ("rtsp://gate", "a b", "*"):
        with pytest.raises(ConfigError, match="is no host"):
            read_login_hosts({"SIGHTLINE_LOGIN_HOSTS": wrong}, password="x")
