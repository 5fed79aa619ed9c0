"""The wheel works from any folder: it brings the page and the default model."""

import os
import re
import subprocess
import sys
import time
import zipfile
from email.parser import BytesParser
from pathlib import Path

import httpx
import pytest

from app.model.version_folder import find_version
from benchmarks.harness.server import free_port
from tests import pictures
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, unpacked as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", folder)
    build = [sys.executable, "-m", "pip", "wheel", *map(str, options), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [file] = folder.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_its_default_model_is_the_newest_in_the_checkout(wheel: Path) -> None:
    newest = find_version(ROOT / "models" / "cats-vs-dogs")
    shipped = find_version(wheel / "app" / "models" / "cats-vs-dogs")
    assert shipped.name == newest.name
    for file in newest.iterdir():
        assert (shipped / file.name).read_bytes() == file.read_bytes()


def test_its_scripts_exist(wheel: Path) -> None:
    [entries] = wheel.glob("*.dist-info/entry_points.txt")
    scripts = dict(re.findall(r"^(\S+) = (\S+)$", entries.read_text(), re.MULTILINE))
    assert scripts.keys() >= {"cats-vs-dogs", "cats-vs-dogs-fit"}
    for target in scripts.values():
        module, function = target.split(":")
        code = f"import sys; from {module} import {function}; sys.exit({function}())"
        command = [sys.executable, "-c", code, "--colour", "red"]
        done = subprocess.run(
            command, env=_environment(wheel), capture_output=True, text=True, check=False
        )
        assert done.returncode == 2, target
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_its_metadata_name_the_licence(wheel: Path) -> None:
    [metadata] = wheel.glob("*.dist-info/METADATA")
    assert BytesParser().parsebytes(metadata.read_bytes())["License-Expression"] == "Apache-2.0"


def test_it_serves_from_any_folder(wheel: Path, tmp_path: Path) -> None:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "app", "--port", str(port)], cwd=tmp_path, env=_environment(wheel)
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            try:
                httpx.get(f"{address}/readyz").raise_for_status()
                break
            except httpx.TransportError:
                assert server.poll() is None
                time.sleep(0.1)
        photo = pictures.encode(pictures.gradient(), "JPEG")
        answer = httpx.post(f"{address}/predict", files={"file": photo})
        assert answer.json()["model"]["name"] == "cats-vs-dogs"
        assert "main.js" in httpx.get(f"{address}/").text
    finally:
        server.terminate()
        server.wait(30)


def _environment(wheel: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(wheel)}
