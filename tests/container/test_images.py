"""The images as files: how large, from which packages, and what the service's user could change."""

import json
import re

import pytest
from packaging.requirements import Requirement

from app.model.version_folder import versions
from tests.conftest import ROOT
from tests.container.compose import docker, image, inside
from tests.container.conftest import TARGETS, size

pytestmark = [pytest.mark.container, pytest.mark.usefixtures("images")]

LISTS = {"cpu": "serve", "gpu": "train", "train": "train"}
# Bytes. Of these, the shipped cats-vs-dogs 4 takes 34 million, 15 million more than version 3 did.
LARGEST_CPU = 465_000_000

# Every installed package, and every file of it that is not as it was in its wheel. (The standard
# has URL-safe base64 for its checksums; some builders write hexadecimal digits.)
PACKAGES = """
import base64, hashlib, json
from importlib.metadata import distributions
names, changed = {}, []
for package in distributions():
    names[package.name] = package.version
    for file in package.files or ():
        if file.hash and file.locate().exists():
            digest = hashlib.new(file.hash.mode, file.locate().read_bytes()).digest()
            standard = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            if file.hash.value not in (standard, digest.hex()):
                changed.append(str(file))
print(json.dumps([names, changed]))
"""


def test_sizes() -> None:
    for target in TARGETS:
        print(f"{image(target)}: {size(target)}")
    assert int(size("cpu").split()[0].replace(",", "")) <= LARGEST_CPU


@pytest.mark.parametrize("target", TARGETS)
def test_labels_user_and_command(target: str) -> None:
    config = json.loads(docker("image", "inspect", image(target)).stdout)[0]["Config"]
    prefix = "org.opencontainers.image."
    labels = {
        k.removeprefix(prefix): v for k, v in config["Labels"].items() if k.startswith(prefix)
    }
    assert labels["title"] == "cats-vs-dogs"
    assert labels["licenses"] == "Apache-2.0"
    assert set(labels) == {
        "title", "description", "version", "revision", "base.name", "licenses"
    }  # fmt: skip
    assert config["User"] == "10001:10001"
    words = (config["Entrypoint"] or []) + config["Cmd"]
    assert words == ["python", "-m", "training.fit" if target == "train" else "app"]
    probe = config["Healthcheck"]["Test"]
    assert probe == ["NONE"] if target == "train" else probe[:2] == ["CMD", "python"]


@pytest.mark.parametrize("target", TARGETS)
def test_the_packages_are_those_of_the_lock_unchanged(target: str) -> None:
    names, changed = json.loads(inside(target, "python", "-c", PACKAGES))
    installed = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in names.items()}
    lock = (ROOT / "requirements" / f"{LISTS[target]}.txt").read_text()
    pins = [Requirement(line.rstrip(" \\")) for line in lock.splitlines() if "==" in line]
    place = {
        "python_version": "3.12", "python_full_version": "3.12.0", "sys_platform": "linux",
        "platform_machine": inside(target, "uname", "-m").strip(),
    }  # fmt: skip
    wanted = {
        pin.name: str(pin.specifier).removeprefix("==")
        for pin in pins
        if pin.marker is None or pin.marker.evaluate(place)
    }
    assert installed == wanted
    assert changed == []


@pytest.mark.parametrize("target", TARGETS)
def test_only_tmp_can_be_written_by_the_services_user(target: str) -> None:
    # Without the read-only root, which would hide what the image leaves open.
    found = inside(target, "find", "/", "-xdev", "-writable", "!", "-type", "l", check=False)
    assert found.splitlines() == ["/tmp"]


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_in_it_that_does_not_run(target: str) -> None:
    parts = ["app", "models", *(["training"] if target == "train" else [])]
    assert sorted(inside(target, "ls", "-A", "/srv").split()) == parts
    assert inside(target, "find", "/srv", "-name", ".*", "-o", "-name", "test*") == ""
    tools = (
        "import shutil; print([t for t in ('gcc', 'cc', 'make', 'git', 'curl') if shutil.which(t)])"
    )
    assert inside(target, "python", "-c", tools).strip() == "[]"
    pip = "import importlib.util as u, sys; print(sys.prefix, u.find_spec('pip'))"
    assert inside(target, "python", "-c", pip).split() == ["/opt/venv", "None"]


def test_tensorflow_is_in_all_but_the_small_one() -> None:
    code = "import importlib.util as u; print(bool(u.find_spec('tensorflow')))"
    found = {target: inside(target, "python", "-c", code).strip() for target in TARGETS}
    assert found == {"cpu": "False", "gpu": "True", "train": "True"}


@pytest.mark.parametrize("target", TARGETS)
def test_the_newest_version_of_each_model_is_in_it(target: str) -> None:
    found = inside(target, "find", "/srv/models", "-name", "card.json").split()
    newest = {base: max(versions(base), default=0) for base in (ROOT / "models").iterdir()}
    wanted = [f"/srv/models/{base.name}/{number}/card.json" for base, number in newest.items()]
    assert sorted(found) == sorted(wanted)


def test_licences_of_what_is_in_it_are_in_it() -> None:
    """Taking out what nothing reads has left them alone."""
    found = inside("cpu", "find", "/opt/venv", "-ipath", "*licen*", "-type", "f")
    for package in ("numpy-", "pillow-", "pillow_heif-", "fastapi-", "uvicorn-"):
        assert package in found
