"""What can be seen without building: the compose files, their example settings, the Dockerfile."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.container.compose import BASE, OVERLAY, VARIABLES, docker

pytestmark = pytest.mark.container

DOCKERFILE = (ROOT / "Dockerfile").read_text()
EXAMPLE = (ROOT / ".env.example").read_text()


def compose(*files: Path, words: tuple[str, ...] = ()) -> str:
    """`docker compose config` with no settings but the files' own."""
    named = [word for file in files for word in ("-f", str(file))]
    empty = ("--env-file", "/dev/null", "--profile", "*")
    return docker("compose", *named, *empty, "config", *words).stdout


def service(name: str, *files: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(compose(*files, words=("--format", "json")))["services"]
    return dict(found[name])


@pytest.mark.parametrize("files", [(BASE,), (BASE, OVERLAY)], ids=["base", "overlay"])
def test_the_files_are_valid(files: tuple[Path, ...]) -> None:
    compose(*files, words=("-q",))


def test_by_default_it_is_for_this_computer_and_has_limits() -> None:
    api = service("api", BASE)
    assert [port["host_ip"] for port in api["ports"]] == ["127.0.0.1"]
    assert api["restart"] == "unless-stopped"
    assert int(api["deploy"]["resources"]["limits"]["memory"]) == 2 * 1024**3
    assert api["cpu_quota"] == 200_000


@pytest.mark.parametrize("name", ["api", "train"])
def test_the_overlay_reserves_a_gpu_and_loosens_nothing(name: str) -> None:
    plain, overlaid = service(name, BASE), service(name, BASE, OVERLAY)
    (device,) = overlaid["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert "reservations" not in plain.get("deploy", {}).get("resources", {})
    for key in ("read_only", "cap_drop", "security_opt", "tmpfs", "volumes", "ports"):
        assert overlaid.get(key) == plain.get(key)
    assert overlaid["image"] != plain["image"]


def test_every_service_is_hardened() -> None:
    for name in ("api", "train", "proxy"):
        hardened = service(name, BASE)
        assert hardened["read_only"] is True
        assert hardened["cap_drop"] == ["ALL"]
        assert hardened["security_opt"] == ["no-new-privileges:true"]


def test_the_proxy_is_started_only_when_asked_for() -> None:
    plain = docker("compose", "-f", str(BASE), "--env-file", "/dev/null", "config", "--services")
    # The variable COMPOSE_PROFILES may ask for others.
    assert "api" in plain.stdout.split()
    assert "proxy" not in plain.stdout.split()
    proxy = service("proxy", BASE)
    assert [port["published"] for port in proxy["ports"]] == ["80", "443"]
    assert all(volume["read_only"] for volume in proxy["volumes"])
    assert proxy["user"] == "101:101"


def test_the_example_names_every_variable_and_sets_none() -> None:
    assert set(re.findall(r"^#([A-Z_]+)=", EXAMPLE, re.MULTILINE)) - {"COMPOSE_FILE"} == VARIABLES
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    bad = tmp_path / "Dockerfile"
    bad.write_text("FROM python:latest\nCMD python -m app\n")
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, bad], capture_output=True, text=True)
    assert {"DL3007", "DL3025"} <= set(re.findall(r"DL\d+", done.stdout))


def test_no_other_frontend_is_pulled_for_the_build() -> None:
    assert "syntax=" not in DOCKERFILE


def test_the_images_labels_are_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f'image.version="{project["version"]}"' in DOCKERFILE
    assert f'image.description="{project["description"]}"' in DOCKERFILE
    assert f'image.licenses="{project["license"]}"' in DOCKERFILE
