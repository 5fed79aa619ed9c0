"""The Helm chart: its manifests are valid, and fit the service that they start.

No cluster is needed, and none was there: that one takes the manifests is not shown here.
"""

import base64
import json
import re
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from app.settings import Settings
from tests.conftest import ROOT
from tests.deploy.helm import CHART, SETS, environment, helm, of_kind, options, rendered, service_of

pytestmark = pytest.mark.cluster

# The oldest that the chart is for (ImageVolume came later), that of helm itself, and the newest.
VERSIONS = {name: ("1.35", "1.37") if name == "image-volume" else ("1.30", "1.35", "1.37")
            for name in SETS}  # fmt: skip
# The operator of Prometheus defines this kind; the part of its definition that the chart uses.
TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
CREDENTIALS = {
    "type": "object", "additionalProperties": False, "required": ["name", "key"],
    "properties": {"name": {"type": "string"}, "key": {"type": "string"}},
}  # fmt: skip
ENDPOINT = {
    "type": "object", "additionalProperties": False,
    "properties": {
        "port": {"type": "string"}, "path": {"type": "string"},
        "interval": {"pattern": "^(0|(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$"},
        "authorization": {
            "type": "object", "additionalProperties": False,
            "properties": {"type": {"type": "string"}, "credentials": CREDENTIALS},
        },
    },
}  # fmt: skip
MONITOR = {
    "type": "object", "additionalProperties": False,
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"}, "kind": {"const": "ServiceMonitor"},
        "metadata": {"properties": {"labels": TEXTS}},
        "spec": {
            "type": "object", "additionalProperties": False, "required": ["selector", "endpoints"],
            "properties": {
                "selector": {"additionalProperties": False, "properties": {"matchLabels": TEXTS}},
                "endpoints": {"type": "array", "minItems": 1, "items": ENDPOINT},
            },
        },
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_helm_finds_nothing_to_say(name: str) -> None:
    done = helm("lint", "--strict", CHART, *options(name))
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout
    assert "[" not in done.stdout  # [INFO], [WARNING], [ERROR]


@pytest.mark.parametrize("name", SETS)
def test_every_manifest_is_valid(name: str) -> None:
    for version in VERSIONS[name]:
        manifests = rendered(name, "--kube-version", version)
        assert len(manifests) >= 3
        for manifest in manifests:
            if manifest["kind"] == "ServiceMonitor":
                jsonschema.Draft202012Validator(MONITOR).validate(manifest)
            else:
                kubernetes_validate.validate(manifest, version, strict=True)


def test_a_manifest_that_is_not_valid_would_be_found() -> None:
    deployment = of_kind(rendered("default"), "Deployment")
    deployment["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="'replica' was unexpected"):
        kubernetes_validate.validate(deployment, "1.35", strict=True)


def test_what_selects_pods_selects_them() -> None:
    manifests = rendered("public")
    deployment = of_kind(manifests, "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels
    service = of_kind(manifests, "Service")
    assert service["spec"]["selector"].items() <= labels
    budget = of_kind(manifests, "PodDisruptionBudget")
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels
    monitor = of_kind(manifests, "ServiceMonitor")
    selected = monitor["spec"]["selector"]["matchLabels"].items()
    assert selected <= service["metadata"]["labels"].items()
    for constraint in service_of(manifests)[0]["topologySpreadConstraints"]:
        assert constraint["labelSelector"]["matchLabels"].items() <= labels


def test_it_is_open_to_others_under_its_prefix_with_keys() -> None:
    manifests = rendered("public")
    pod, container = service_of(manifests)
    (rule,) = of_kind(manifests, "Ingress")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["path"] == environment(container)["APP_ROOT_PATH"] == "/photos"
    service = of_kind(manifests, "Service")
    assert path["backend"]["service"]["name"] == service["metadata"]["name"]
    assert path["backend"]["service"]["port"]["name"] == service["spec"]["ports"][0]["name"]
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]
    file = environment(container)["APP_API_KEYS_FILE"]
    (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == "api-keys")
    assert file == f"{mount['mountPath']}/api-keys"
    (volume,) = (volume for volume in pod["volumes"] if volume["name"] == "api-keys")
    assert volume["secret"] == {"secretName": "photo-keys"}


def test_autoscaling_decides_the_number_of_pods() -> None:
    manifests = rendered("autoscaling")
    deployment = of_kind(manifests, "Deployment")
    assert "replicas" not in deployment["spec"]
    scaler = of_kind(manifests, "HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 12)
    assert of_kind(rendered("default"), "Deployment")["spec"]["replicas"] == 2


def test_the_chart_is_that_of_this_service() -> None:
    chart: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)[0]
    assert chart["appVersion"] == version
    icon = base64.b64decode(chart["icon"].removeprefix("data:image/svg+xml;base64,"))
    assert icon == (ROOT / "app" / "static" / "icon.svg").read_bytes()


def test_every_setting_can_be_set_but_those_that_the_chart_sets() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = {f"APP_{field.upper()}" for field in Settings.model_fields}
    own = {"APP_PORT", "APP_API_KEYS", "APP_API_KEYS_FILE"}
    assert schema["properties"]["settings"]["properties"].keys() == known - own
