"""The images and the services: what docker compose makes of compose.yaml, and what matters in the Dockerfile."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from tests.conftest import ROOT, unavailable

DOCKER = ROOT / "docker"
COMPOSE_FILE = DOCKER / "compose.yaml"
TARGETS = ("cpu", "gpu")
SECRET_WORDS = re.compile("password|secret|token|credential", re.IGNORECASE)

Services = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Stage:
    """A stage of a Dockerfile: FROM `base` AS `name`."""

    name: str
    base: str
    instructions: tuple[tuple[str, str], ...]  # the word in capitals, the rest


def compose_command() -> list[str]:
    """The words that call docker compose: docker's plugin, or the program of its own."""
    for words in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(words[0]) and subprocess.run([*words, "version"], capture_output=True).returncode == 0:
            return words
    unavailable("there is no docker compose: apt-get install docker-compose")
    raise AssertionError("unavailable raises")


def composed(*words: str, **environment: str) -> dict[str, Any]:
    """compose.yaml as docker compose understands it: variables filled in, paths absolute."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("SIGHTLINE_", "PIP_", "TORCH_"))}
    command = [*compose_command(), "--file", str(COMPOSE_FILE), *words, "config"]
    done = subprocess.run(command, env={**own, **environment}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    parsed = yaml.safe_load(done.stdout)
    assert isinstance(parsed, dict)
    return parsed


@pytest.fixture(scope="module")
def services() -> Services:
    """Every service over files and the page, that of the profile `gpu` too."""
    found: Services = composed("--profile", "gpu")["services"]
    return {name: one for name, one in found.items() if one.get("profiles", ["gpu"]) == ["gpu"]}


@pytest.fixture(scope="module")
def cameras() -> Services:
    """What the profiles `cameras` and `demo` add."""
    found: Services = composed("--profile", "cameras", "--profile", "demo")["services"]
    return {name: one for name, one in found.items() if "demo" in one.get("profiles", ())}


def test_without_a_gpu_there_are_a_page_and_a_pipeline() -> None:
    services = composed()["services"]
    assert {name for name, service in services.items() if not service.get("profiles")} == {"page", "pipeline"}


def test_the_profile_gpu_asks_for_a_card_and_the_image_that_can_use_it(services: Services) -> None:
    assert set(services) == {"page", "pipeline", "pipeline-gpu"}
    service = services["pipeline-gpu"]
    assert service["build"]["target"] == "gpu"
    devices = service["deploy"]["resources"]["reservations"]["devices"]
    assert [(device["driver"], device["capabilities"]) for device in devices] == [("nvidia", ["gpu"])]


def test_every_file_and_target_that_is_named_exists(services: Services) -> None:
    targets = {stage.name for stage in stages()}
    for service in services.values():
        context = Path(service["build"]["context"])
        assert context.resolve() == ROOT
        assert (context / service["build"]["dockerfile"]).is_file()
        assert service["build"]["target"] in targets
        assert service["image"] == f"sightline:{service['build']['target']}"


def test_ports_are_open_to_this_machine_alone(services: Services) -> None:
    ports = {name: list(map(published, service.get("ports", ()))) for name, service in services.items()}
    assert ports == {"page": [("127.0.0.1", "7860", "7860")], "pipeline": [], "pipeline-gpu": []}
    moved = composed(SIGHTLINE_PORT="9000")["services"]["page"]["ports"]
    assert list(map(published, moved)) == [("127.0.0.1", "9000", "7860")]


def test_no_secret_stands_in_the_file() -> None:
    profiles = [word for name in ("gpu", "cameras", "demo") for word in ("--profile", name)]
    parsed = composed(*profiles, SIGHTLINE_PASSWORD="hunter2")  # what a user may have set for app_ui.py
    assert "hunter2" not in yaml.safe_dump(parsed)
    for service in parsed["services"].values():
        for name, value in service.get("environment", {}).items():
            assert not SECRET_WORDS.search(name) or (name.endswith("_FILE") and value.startswith("/run/secrets/"))
        arguments = " ".join(service.get("build", {}).get("args", ()))
        assert not SECRET_WORDS.search(arguments), "an image's history shows the arguments it was built with"
    assert set(parsed["secrets"]) == {"sightline_password", "camera_secrets"}
    for secret in parsed["secrets"].values():
        file = Path(secret["file"])
        assert file.parent == DOCKER
        assert file.name in (DOCKER / ".gitignore").read_text(encoding="utf-8").split()
    page = parsed["services"]["page"]
    assert page["environment"]["SIGHTLINE_PASSWORD_FILE"] == f"/run/secrets/{page['secrets'][0]['source']}"


def test_services_share_the_store_and_find_videos_at_the_same_place(services: Services) -> None:
    places = [[mounted(volume) for volume in service["volumes"]] for service in services.values()]
    assert all(place == places[0] for place in places)
    by_target = {target: (source, mode) for source, target, mode in places[0]}
    assert by_target == {
        "/data": ("store", "rw"),
        "/videos": (str(ROOT / "videos"), "ro"),
        "/weights": (str(ROOT / "weights"), "ro"),
    }


def test_services_come_back_and_are_watched(services: Services) -> None:
    assert services["page"]["restart"] == "unless-stopped"
    assert "healthcheck" not in services["page"], "the image's own asks for /healthz"
    for name in ("pipeline", "pipeline-gpu"):
        assert services[name]["restart"].startswith("on-failure")
        check = services[name]["healthcheck"]
        assert check.get("disable") or check.get("test") == ["NONE"]
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]


def test_what_the_services_call_has_these_options(services: Services) -> None:
    words = services["page"]["entrypoint"]
    page = subprocess.run(
        [sys.executable, *words[1:3], "--help"], cwd=ROOT, env=os.environ | {"COLUMNS": "200"}, capture_output=True
    )
    assert page.returncode == 0
    assert words[:3] == ["python", "-m", "app_ui"]
    assert b"--host" in page.stdout
    for name in ("pipeline", "pipeline-gpu"):
        verb, *rest = services[name]["command"]
        shown = CliRunner().invoke(app, [verb, "--help"], terminal_width=200)
        assert shown.exit_code == 0
        assert all(word in shown.output for word in rest if word.startswith("--"))


def test_cameras_are_watched_for_ever_beside_the_page(cameras: Services, services: Services) -> None:
    assert set(cameras) == {"cameras", "rtsp", "postgres"}
    service = cameras["cameras"]
    assert service["restart"] == "unless-stopped"
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert list(map(published, service["ports"])) == [("127.0.0.1", "9464", "9464")]
    assert "9464/healthz" in " ".join(service["healthcheck"]["test"])
    page = [mounted(volume) for volume in services["page"]["volumes"]]
    own = {target: (source, mode) for source, target, mode in map(mounted, service["volumes"])}
    assert own["/data"] == next((source, mode) for source, target, mode in page if target == "/data")
    assert own["/cameras"] == (str(ROOT / "cameras"), "ro")
    wide = [word for word in service["command"] if word.startswith("0.0.0.0:")]
    assert wide, "others scrape it"
    assert service["environment"]["SIGHTLINE_PASSWORD_FILE"].startswith("/run/secrets/")
    verb, *rest = service["command"]
    shown = CliRunner().invoke(app, [verb, "--help"], terminal_width=200)
    assert all(word in shown.output for word in rest if word.startswith("--"))


def test_the_demo_has_a_camera_and_a_database_that_nobody_else_reaches(cameras: Services) -> None:
    for name in ("rtsp", "postgres"):
        assert cameras[name]["profiles"] == ["demo"]
        assert not cameras[name].get("ports")
        assert re.search(r":\d+\.\d+", cameras[name]["image"])


def test_the_systemd_unit_calls_what_there_is_and_lets_it_do_little() -> None:
    lines = (DOCKER / "sightline-watch.service").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("=", maxsplit=1) for line in lines if "=" in line and not line.startswith("#")]
    unit: dict[str, str] = dict(pairs)
    program, verb, file, *options = unit["ExecStart"].split()
    assert program.endswith("/bin/sightline")
    assert file.endswith(".yaml")
    shown = CliRunner().invoke(app, [verb, "--help"], terminal_width=200)
    assert shown.exit_code == 0
    assert all(option in shown.output for option in options)
    assert unit["Restart"] == "always"
    assert unit["RestartPreventExitStatus"] == "2"
    assert unit["User"] not in ("", "root")
    assert unit["NoNewPrivileges"] == unit["ProtectHome"] == unit["PrivateTmp"] == "yes"
    assert unit["ProtectSystem"] == "strict"
    assert unit["CapabilityBoundingSet"] == ""
    assert unit["WorkingDirectory"] == f"/var/lib/{unit['StateDirectory']}"
    assert unit["CacheDirectory"] == "sightline"
    assert unit["Environment"] == "XDG_CACHE_HOME=/var/cache"  # it sees no home
    assert not SECRET_WORDS.search(" ".join(value for name, value in pairs if name == "Environment"))
    assert "EnvironmentFile" in unit


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_nobody_special_and_is_asked_for_its_health(target: str) -> None:
    effective = dict(inherited(target))
    assert effective["USER"] not in ("root", "0")
    assert "/healthz" in effective["HEALTHCHECK"]
    assert effective["ENTRYPOINT"] == '["sightline"]'
    assert effective["VOLUME"] == effective["WORKDIR"] == "/data"
    assert "PATH=/opt/sightline/bin:$PATH" in " ".join(rest for word, rest in inherited(target) if word == "ENV")


@pytest.mark.parametrize("target", TARGETS)
def test_pip_and_its_settings_stay_in_the_stage_that_builds(target: str) -> None:
    written = " ".join(rest for word, rest in inherited(target) if word != "COPY")
    assert "pip" not in written
    assert "INDEX" not in written


def test_base_images_have_a_version() -> None:
    names = {stage.name for stage in stages()}
    for stage in stages():
        assert stage.base in names or re.search(r":\d+\.\d+", stage.base), stage.base


def test_what_is_copied_exists_and_is_let_through() -> None:
    allowed = dockerignore()
    own = [rest for stage in stages() for word, rest in stage.instructions if word == "COPY" and "--from" not in rest]
    sources = {source for rest in own for source in rest.split()[:-1]}
    assert sources == {"pyproject.toml", "constraints.txt", "docker/install.sh", "."}
    for source in sources - {"."}:
        assert (ROOT / source).is_file()
        assert source in allowed


def test_all_that_the_package_consists_of_is_let_through_and_nothing_else() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)
    setuptools = settings["tool"]["setuptools"]
    needed = {"pyproject.toml", settings["project"]["readme"], *settings["project"]["license-files"]}
    needed |= {f"{module}.py" for module in setuptools["py-modules"]}
    needed |= {pattern.rstrip("*") for pattern in setuptools["packages"]["find"]["include"]}
    needed |= {Path(path).parts[0] for paths in setuptools["data-files"].values() for path in paths}
    assert dockerignore() == needed | {"constraints.txt", "docker/install.sh"}
    assert all((ROOT / name).exists() for name in dockerignore())


def test_every_file_of_the_packages_is_installed_with_them() -> None:
    """An image holds no checkout, so what the packaging leaves out is missing there and nowhere else."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        data = tomllib.load(file)["tool"]["setuptools"]["package-data"]
    installed = {
        path
        for package, patterns in data.items()
        for pattern in patterns
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    folders = (ROOT / "pipeline", ROOT / "trackers")
    files = {path for folder in folders for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    only_for_writing_migrations = {ROOT / "pipeline" / "store" / "migrations" / "script.py.mako"}
    assert {path for path in files if path.suffix != ".py"} - only_for_writing_migrations == installed


def test_the_script_that_installs_is_a_script() -> None:
    done = subprocess.run(["sh", "-n", str(DOCKER / "install.sh")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    called = re.findall(r"sh install\.sh (\w+)", (DOCKER / "Dockerfile").read_text(encoding="utf-8"))
    defined = re.findall(r"^(\w+)\(\)", (DOCKER / "install.sh").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(called) == {"libraries", "sightline"}
    assert set(called) <= set(defined)


def stages() -> list[Stage]:
    """The Dockerfile, stage by stage."""
    found: list[Stage] = []
    for word, rest in instructions():
        if word == "FROM":
            base, _, name = rest.split()
            found.append(Stage(name, base, ()))
        else:
            last = found.pop()
            found.append(Stage(last.name, last.base, (*last.instructions, (word, rest))))
    return found


def instructions() -> Iterator[tuple[str, str]]:
    """Each instruction on one line, without comments."""
    lines = (DOCKER / "Dockerfile").read_text(encoding="utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            word, rest = line.split(maxsplit=1)
            yield word.upper(), rest


def inherited(target: str) -> list[tuple[str, str]]:
    """The instructions that an image is made of, from its base image on; later ones win."""
    by_name = {stage.name: stage for stage in stages()}
    stage = by_name[target]
    below = inherited(stage.base) if stage.base in by_name else []
    return [*below, *stage.instructions]


def dockerignore() -> set[str]:
    """What may go into an image."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*", "all that is not named stays out"
    return {pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")}


def published(port: Any) -> tuple[str, str, str]:
    """Host address, host port, container port, as either docker compose writes them."""
    if isinstance(port, dict):
        return port["host_ip"], str(port["published"]), str(port["target"])
    host, outer, inner = port.removesuffix("/tcp").split(":")
    return host, outer, inner


def mounted(volume: Any) -> tuple[str, str, str]:
    """Source, target and "rw" or "ro", as either docker compose writes them."""
    if isinstance(volume, dict):
        return volume["source"], volume["target"], "ro" if volume.get("read_only") else "rw"
    source, target, mode = volume.split(":")
    return source, target, mode
