"""The commands of README.md, CONTRIBUTING.md and docs/ run as they stand, in a copy of the clone.

The tests with the marker `docs` run them (`make check`).
"""

import json
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
from tests.docs_pages import ALL, TEXTS

# Each command once, in the order of the pages.
COMMANDS = list(
    dict.fromkeys(
        line
        for block in re.findall(r"^```sh\n(.*?)^```$", ALL, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    )
)
SERVER = re.compile(r"make serve|python -m app(?!\.| --help)")

# Commands that are not run here, and why.
NOT_RUN = {
    r"docker ": "needs Docker; tests/container runs the images",
    r"helm |kubectl ": "needs a cluster; tests/deploy renders and checks the chart",
    r"sudo |curl --cacert ": "changes the machine; tests/service/test_nginx.py runs nginx",
    r"make (test|check|container-test|cluster-test)": "would call this very test, or is it",
    r"make (audit|format|lock)": "needs the internet, or changes files",
    r".* --download": "needs the internet",
    r".*build/peers": "needs the internet",
    r"python -m pip install": "needs the internet; it is in the environment already",
    r"python -m pip wheel": "needs the internet; tests/test_wheel.py builds it without",
    r"python -m deploy\.ray\.|serve |kubectl ": "needs a cluster; tests/deploy has one",
    r"python -m (benchmarks|tests\.fuzz)\.": "takes minutes; tests/benchmarks and tests/fuzz do",
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git tracks, with the environment that is installed already, and a user's files."""
    folder = tmp_path_factory.mktemp("docs") / "cats-vs-dogs"
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
    """Every server that the pages start, while the other commands run."""
    started = {}
    for command in filter(SERVER.search, COMMANDS):
        if "models/fruit" in command:  # a model that only a real training makes
            shutil.copytree(copy / "models" / "digits", copy / "models" / "fruit")
        named = re.search(r"(?:APP_PORT=|--port )(\d+)", command)
        port = int(named[1]) if named else 8000
        assert port not in started, f"{command}: another command has this port"
        started[port] = subprocess.Popen(
            ["bash", "-c", in_venv(command)], cwd=copy, start_new_session=True
        )
    for port, process in started.items():
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", process)
    yield
    for process in started.values():
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
    """The command with what cannot be done here left out: hours of training, the internet."""
    command = re.sub(r"training\.fit(?! --dry-run)", "training.fit --dry-run", command)
    if "--resume" in command:  # there is no interrupted run, and --dry-run looks for none
        command = command.replace("--resume", "")
    if command.endswith("--recipe digits"):  # Keras's own copy would be downloaded
        command += " --data mnist.npz"
    return command.replace("curl ", "curl --fail-with-body --silent --show-error ")


@pytest.mark.docs
@pytest.mark.usefixtures("servers")
def test_every_command_runs(copy: Path) -> None:
    ran = 0
    for command in COMMANDS:
        if SERVER.search(command) or any(re.match(pattern, command) for pattern in NOT_RUN):
            continue
        done = subprocess.run(
            ["bash", "-c", in_venv(runnable(command))], cwd=copy, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        ran += 1
    assert ran > 12


@pytest.mark.docs
@pytest.mark.usefixtures("servers")
def test_the_readmes_answers_have_the_members_that_it_shows(copy: Path) -> None:
    blocks = re.findall(
        r"^```sh\n(curl [^\n]+)\n```\n\n```json\n(.+?)\n```$",
        TEXTS[ROOT / "README.md"],
        re.MULTILINE,
    )
    assert len(blocks) == 2
    for command, shown in blocks:
        done = subprocess.run(
            ["bash", "-c", runnable(command)], cwd=copy, capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout).keys() == json.loads(shown).keys(), command


def test_every_exception_to_running_is_needed() -> None:
    for pattern in NOT_RUN:
        assert any(re.match(pattern, command) for command in COMMANDS), pattern
