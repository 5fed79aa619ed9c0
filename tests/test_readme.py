"""The commands of the README, run as they stand in a copy of the checkout (`make check`).

Left out: what needs Docker or the internet, and the targets that would call this very test;
the benchmarks, which take minutes and measure nothing beside other work (each is run shortly, or
told something wrong, in tests/benchmarks); trainings get `--dry-run`, as a real one takes minutes
to hours.
"""

import os
import re
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests import pictures
from tests.conftest import ROOT, striped, write_classes

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
]
SERVER = re.compile(r"make serve|python -m app")
NOT_RUN = re.compile(
    r"docker |make (test|check|container-test|audit|format|lock)|.* --download|.*build/peers"
    r"|python -m benchmarks\."
)

pytestmark = pytest.mark.readme


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git tracks, with the environment that is installed already, and a user's files."""
    folder = tmp_path_factory.mktemp("readme") / "cats-vs-dogs"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    (folder / "photo.jpg").write_bytes(pictures.encode(pictures.noise(1, 300, 200), "JPEG"))
    write_classes(folder / "photos", 10, ("apple", "pear", "plum"))
    digits = np.stack([striped(number % 3, number) for number in range(120)])
    labels = np.arange(120) % 10
    np.savez(folder / "mnist.npz", x_train=digits, y_train=labels, x_test=digits, y_test=labels)
    with zipfile.ZipFile(folder / "dogs-vs-cats.zip", "w") as archive:
        for number in range(2500):
            for name in ("cat", "dog"):
                data = pictures.encode(pictures.noise(number, 8, 8), "JPEG")
                archive.writestr(f"train/{name}.{number}.jpg", data)
    return folder


@pytest.fixture(scope="module")
def servers(copy: Path) -> Iterator[None]:
    """Every server that the README starts, while the other commands run."""
    started = []
    for command in filter(SERVER.search, COMMANDS):
        if "models/fruit" in command:  # a model that only a real training makes
            shutil.copytree(copy / "models" / "digits", copy / "models" / "fruit")
        started.append(
            subprocess.Popen(["bash", "-c", in_venv(command)], cwd=copy, start_new_session=True)
        )
    for process, port in zip(started, (8000, 8001, 8002), strict=True):
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", process)
    yield
    for process in started:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def wait_until_ready(address: str, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        assert process.poll() is None, f"the server for {address} has stopped: is its port free?"
        try:
            httpx.get(address).raise_for_status()
        except httpx.TransportError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"{address} does not answer")


def in_venv(command: str) -> str:
    return f"exec 2>&1; . .venv/bin/activate; {command}"


def runnable(command: str) -> str:
    command = re.sub(r"training\.fit(?! --dry-run)", "training.fit --dry-run", command)
    if "--resume" in command:  # there is no interrupted run, and --dry-run looks for none
        command = command.replace("--resume", "")
    if command.endswith("--recipe digits"):  # Keras's own copy would be downloaded
        command += " --data mnist.npz"
    return command.replace("curl ", "curl --fail-with-body --silent --show-error ")


@pytest.mark.usefixtures("servers")
def test_every_command_runs(copy: Path) -> None:
    ran = 0
    for command in COMMANDS:
        if SERVER.search(command) or NOT_RUN.match(command):
            continue
        done = subprocess.run(
            ["bash", "-c", in_venv(runnable(command))], cwd=copy, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        ran += 1
    assert ran > 12


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`?make ([a-z-]+)", README)) - {"are"}
    assert named <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


def test_every_file_and_setting_named_is_there() -> None:
    for path in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / path).exists(), path
    for name in set(re.findall(r"APP_[A-Z_]+", README)):
        assert f"{name.removeprefix('APP_').lower()}:" in (ROOT / "app/settings.py").read_text()
