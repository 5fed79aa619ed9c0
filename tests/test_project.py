"""The project's own promises: what is locked, and what is committed."""

import hashlib
import re
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCKS = {path.stem: path.read_text() for path in (ROOT / "requirements").glob("*.txt")}
HELM = LOCKS.pop("helm")  # not an installation: the program inside is taken out


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", text, re.MULTILINE))


def test_there_is_a_lock_for_each_way_to_install() -> None:
    assert set(LOCKS) == {"serve", "score", "train", "cluster", "gpu", "train-gpu", "dev"}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_satisfies_the_project_and_names_no_index(lock: str) -> None:
    pinned = pins(LOCKS[lock])
    extras = [PROJECT["optional-dependencies"].get(extra, []) for extra in lock.split("-")]
    for text in sum(extras, PROJECT["dependencies"]):
        requirement = Requirement(text)
        if requirement.name == PROJECT["name"]:
            continue
        assert requirement.specifier, f"{text} has no bounds"
        assert pinned[requirement.name] in requirement.specifier
    for block in re.split(r"\n(?=[a-z])", LOCKS[lock].strip()):
        assert "--hash=sha256:" in block
    assert "://" not in LOCKS[lock]


@pytest.mark.parametrize(
    ("lock", "larger"),
    [("serve", "dev"), ("train", "dev"), ("train", "train-gpu"), ("gpu", "train-gpu")],
)
def test_what_is_tested_is_what_is_installed(lock: str, larger: str) -> None:
    assert pins(LOCKS[lock]).items() <= pins(LOCKS[larger]).items()


def test_helm_is_locked_and_names_no_index() -> None:
    assert re.fullmatch(r"[\w-]+==[\d.]+ \\\n +--hash=sha256:[0-9a-f]{64}\n", HELM)


def test_serving_on_a_cpu_needs_no_tensorflow() -> None:
    assert not {"tensorflow", "keras"} & pins(LOCKS["serve"]).keys()


def test_no_photo_is_committed() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    photos = [name for name in tracked if re.search(r"\.(jpe?g|webp|gif|bmp|tiff?|heic)$", name)]
    assert photos == []


def test_the_licence_is_the_one_that_is_declared() -> None:
    assert (PROJECT["license"], PROJECT["license-files"]) == ("Apache-2.0", ["LICENSE"])
    text = (ROOT / "LICENSE").read_bytes()
    # As apache.org publishes it.
    assert hashlib.sha256(text).hexdigest() == (
        "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    )


def test_the_packages_are_typed() -> None:
    assert all((ROOT / package / "py.typed").is_file() for package in ("app", "training"))


def test_the_changelog_has_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"## {PROJECT['version']} - " in changelog
