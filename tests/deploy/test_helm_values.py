"""The Helm chart's values: what is wrong is refused in words, and each has its default."""

import json
from typing import Any

import pytest
import yaml

from tests.deploy.helm import CHART, refused, rendered

pytestmark = pytest.mark.cluster

WRONG = {
    "replicaCount=three": "at '/replicaCount': got string, want integer",
    "replicas=3": "additional properties 'replicas' not allowed",
    "image.pullPolicy=Sometimes": "at '/image/pullPolicy': value must be one of 'Always'",
    "settings.APP_MAX_BYTE=1": "at '/settings': additional properties 'APP_MAX_BYTE' not allowed",
    "settings.APP_API_KEYS=secret-in-values": "additional properties 'APP_API_KEYS' not allowed",
    "settings.APP_PORT=9000": "additional properties 'APP_PORT' not allowed",
    "settings.APP_WORKERS=true": "at '/settings/APP_WORKERS': got boolean, want number or string",
    "settings.APP_ROOT_PATH=photos/": "at '/settings/APP_ROOT_PATH': 'photos/' does not match",
    "models.from=volume": "at '/models/from': value must be one of 'image', 'claim',",
    "models.from=claim": "at '/models/claim': minLength: got 0, want 1",
    "models.from=imageVolume": "at '/models/image': minLength: got 0, want 1",
    "models.from=imageCopy": "at '/models/image': minLength: got 0, want 1",
    "ingress.enabled=true": "at '/ingress/host': minLength: got 0, want 1",
    "resources.requests.cpu=null": "at '/resources/requests': missing property 'cpu'",
    "resources.limits.memory=2GB": "at '/resources/limits/memory': '2GB' does not match",
    "startupSeconds=0": "at '/startupSeconds': minimum: got 0, want 1",
    r"podLabels.app\.kubernetes\.io/name=x": "invalid propertyName 'app.kubernetes.io/name'",
    "preStopSeconds=-1": "at '/preStopSeconds': minimum: got -1, want 0",
    "podDisruptionBudget.maxUnavailable=half": "'half' does not match",
    "autoscaling.enabled=true,autoscaling.minReplicas=20": (
        "autoscaling.minReplicas (20) is more than autoscaling.maxReplicas (10)"
    ),
    "serviceMonitor.apiKey.name=x": "properties 'key' required, if 'name' exists",
    "serviceMonitor.enabled=true,apiKeys.secret=x": (
        "serviceMonitor.apiKey is empty, but /metrics needs a key"
    ),
    "terminationGracePeriodSeconds=15": "is 15, but a pod may need 16: preStopSeconds (5) +",
}


@pytest.mark.parametrize("setting", WRONG)
def test_a_wrong_value_is_refused_in_a_line(setting: str) -> None:
    (line,) = (line for line in refused(setting).splitlines() if WRONG[setting] in line)
    assert len(line) < 250


def test_a_drain_of_no_seconds_needs_none() -> None:
    none = "settings.APP_DRAIN_SECONDS=0,preStopSeconds=0,terminationGracePeriodSeconds"
    assert rendered("default", "--set", f"{none}=10")
    assert "pod may need 10" in refused(f"{none}=9")


def test_an_old_cluster_is_refused() -> None:
    assert "kubeVersion: >=1.30.0-0 which is incompatible" in refused(version="1.29.0")


def test_it_can_be_a_part_of_another_chart() -> None:
    """helm gives such a chart the values that are global."""
    assert rendered("default", "--set", "global.region=north") == rendered("default")


def test_every_value_has_a_default_and_a_check() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    own = {"", "global", "resources.requests", "resources.limits", "serviceMonitor.apiKey"}
    for path, names in checked(schema):
        if path not in own and not path.startswith(("settings", "imagePullSecrets")):
            found = values
            for part in path.split("."):
                found = found[part]
            assert found.keys() == names, path
    assert values.keys() == schema["properties"].keys() - {"global"}


def checked(schema: dict[str, Any], path: str = "") -> list[tuple[str, set[str]]]:
    """The names that the schema allows, for each object in it."""
    properties = schema.get("properties", {})
    found = [(path, set(properties))] if properties else []
    for name, inner in properties.items():
        found += checked(inner, f"{path}.{name}".lstrip("."))
    return found
