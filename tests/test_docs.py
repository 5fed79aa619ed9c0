"""README.md, CONTRIBUTING.md and docs/: what they name exists, and their commands run.

The tests with the marker `docs` run the commands, as they stand, in a copy of the checkout
(`make check`). The others are quick, and part of every run.
"""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.api import errors
from app.serving.metrics import Metrics
from app.settings import Settings
from tests import pictures
from tests.conftest import ROOT, striped, write_classes

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}
ALL = "\n".join(TEXTS.values())

# Each command once, in the order of the pages.
COMMANDS = list(
    dict.fromkeys(
        line
        for block in re.findall(r"^```sh\n(.*?)^```$", ALL, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    )
)
SERVER = re.compile(r"make serve|python -m app(?! --help)")

# Commands that are not run here, and why.
NOT_RUN = {
    r"docker ": "needs Docker; tests/container runs the images",
    r"sudo |curl --cacert ": "changes the machine; tests/service/test_nginx.py runs nginx",
    r"make (test|check|container-test|audit|format|lock)": "would call this very test, or is it",
    r".* --download": "needs the internet",
    r".*build/peers": "needs the internet",
    r"python -m pip wheel": "needs the internet; tests/test_wheel.py builds it without",
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


def test_the_readme_is_short() -> None:
    assert len(TEXTS[ROOT / "README.md"].splitlines()) <= 150


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", ALL, re.MULTILINE))
    assert {a or b for a, b in named} <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https:)([^)]+)\)", TEXTS[page]):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_file_named_exists() -> None:
    folders = r"app|benchmarks|deploy|docs|requirements|tests|training|\.github|\.ci"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", ALL):
        assert (ROOT / name).exists(), name
    for name in re.findall(rf"^    ((?:{folders})/[\w./-]*)", ALL, re.MULTILINE):
        assert (ROOT / name).exists(), name


def test_every_module_named_exists() -> None:
    for name in re.findall(r"(?<![/\w])(?:app|benchmarks|tests|training)(?:\.\w+)+", code_of(ALL)):
        path = ROOT
        for part in name.split("."):
            path /= part
            if path.with_suffix(".py").is_file():
                break  # what follows is a name in the module
            assert path.is_dir(), name


def code_of(text: str) -> str:
    """The words in code spans and blocks."""
    return "\n".join(re.findall(r"^```.*?^```|`[^`]+`", text, re.MULTILINE | re.DOTALL))


def test_every_function_named_exists() -> None:
    defined = {
        node.name
        for package in ("app", "training", "benchmarks")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    for name in re.findall(r"`[\w.]*?(\w+)\(\)`", ALL):
        assert name in defined, name


def test_every_setting_named_exists() -> None:
    known = {f"APP_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"\bAPP_[A-Z_]*[A-Z]", ALL)) <= known


def test_configuration_has_every_setting_with_its_default() -> None:
    text = TEXTS[ROOT / "docs" / "configuration.md"]
    rows = dict(re.findall(r"^\| `APP_([A-Z_]+)` \| (.+?) \|", text, re.MULTILINE))
    expected = {name.upper(): default_of(name) for name in Settings.model_fields}
    assert rows == expected


def default_of(name: str) -> str:
    """A setting's default as the page writes it."""
    if name == "threads":
        return "the cores of the process"
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    if default is None or default == ():
        return "none"
    if isinstance(default, Path):
        return f"`{default.relative_to(ROOT)}`"
    return f"`{','.join(default)}`" if isinstance(default, tuple) else f"`{default}`"


def test_operations_has_every_metric() -> None:
    text = TEXTS[ROOT / "docs" / "operations.md"]
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([a-z]+) \|", text, re.MULTILINE))
    exposed = re.findall(r"^# TYPE (\w+) (\w+)", Metrics().text().decode(), re.MULTILINE)
    own = {
        name: kind
        for name, kind in exposed
        if not name.startswith("process_") and not name.endswith("_created")
    }
    assert rows == own


def test_api_has_every_problem() -> None:
    text = TEXTS[ROOT / "docs" / "api.md"]
    rows = re.findall(r"^\| (\d{3}) \| `([a-z0-9-]+)` \|", text, re.MULTILINE)
    assert {(int(status), kind) for status, kind in rows} == problems_in_the_code()
    assert len(rows) == len(set(rows))


def problems_in_the_code() -> set[tuple[int, str]]:
    """(status, kind) of every problem that `app` can answer with."""
    found = {(status, kind) for status, kind, _ in errors._PHOTO_PROBLEMS.values()}
    by_status = {404, 405}  # Starlette's own
    for path in (ROOT / "app").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            values = [getattr(argument, "value", None) for argument in call.args[:2]]
            if name == "from_status" and isinstance(values[0], int):
                by_status.add(values[0])
            if name == "Problem" and isinstance(values[0], int):
                found.add((values[0], str(values[1])))
    phrases = {status: HTTPStatus(status).phrase.lower().replace(" ", "-") for status in by_status}
    return found | set(phrases.items())


def test_api_has_every_route(service: httpx.Client) -> None:
    text = TEXTS[ROOT / "docs" / "api.md"]
    documented = set(re.findall(r"`(GET|POST) (/[^`]*)`", text))
    paths = service.get("/openapi.json").json()["paths"]
    operations = {(method.upper(), path) for path in paths for method in paths[path]}
    assert operations <= documented
    others = {"/", "/docs", "/redoc", "/openapi.json"}
    assert {path for _, path in documented - operations} == others


def test_training_has_every_recipe() -> None:
    from training.recipes.catalogue import RECIPES

    text = TEXTS[ROOT / "docs" / "training.md"]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)) == set(RECIPES)


def test_the_tree_is_that_of_the_folders() -> None:
    command = [sys.executable, "docs/tree.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
