"""The Helm chart's pods fit the service: settings, memory, probes, its end, models, no rights."""

import math
import socket
import time
from pathlib import Path

import pytest

from app.main import create_app
from app.server.server import GRACE_SECONDS
from app.settings import Settings
from tests.conftest import ROOT
from tests.deploy.helm import SETS, environment, refused, rendered, service_of
from tests.deploy.replicas import instances

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("name", SETS)
def test_the_service_takes_its_settings(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, container = service_of(rendered(name))
    for variable, value in environment(container).items():
        monkeypatch.setenv(variable, value)
        assert variable in {f"APP_{field.upper()}" for field in Settings.model_fields}
    settings = Settings()
    assert settings.port == container["ports"][0]["containerPort"]
    if name == "claim":
        assert (settings.model_version, settings.max_bytes) == (2, 1024 * 1024)
        assert settings.workers == 1
    if name == "autoscaling":
        assert (settings.workers, settings.drain_seconds) == (4, 2.5)


@pytest.mark.parametrize("name", SETS)
def test_the_memory_is_enough(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/operations.md#load adds it up, in MiB; what /tmp may hold counts, too."""
    pod, container = service_of(rendered(name))
    for variable, value in environment(container).items():
        monkeypatch.setenv(variable, value)
    settings = Settings()
    (tmp,) = (volume for volume in pod["volumes"] if volume["name"] == "tmp")
    needed = 200e6 / 2**20 + settings.photo_memory_mb + 128 * (settings.workers - 1 + 3)
    needed += 2 * settings.buffer_bytes / 2**20 + mebibytes(tmp["emptyDir"]["sizeLimit"])
    assert mebibytes(container["resources"]["limits"]["memory"]) >= needed


def mebibytes(quantity: str) -> float:
    number, unit = float(quantity[:-2]), quantity[-2:]
    return number * {"Mi": 1, "Gi": 1024}[unit]


@pytest.mark.parametrize("name", SETS)
def test_a_pod_has_no_rights_and_one_place_to_write(name: str) -> None:
    pod, container = service_of(rendered(name))
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsNonRoot"]) == (
        10001, True,
    )  # fmt: skip
    assert "USER 10001:10001" in (ROOT / "Dockerfile").read_text()
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in [container, *pod.get("initContainers", [])]:
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert {path for path in mounts if not mounts[path].get("readOnly")} == {"/tmp"}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["tmp"]["emptyDir"]["medium"] == "Memory"
    assert {mount["name"] for mount in mounts.values()} == set(volumes)


@pytest.mark.parametrize("name", SETS)
def test_the_probes_are_routes_of_the_service(name: str) -> None:
    _, container = service_of(rendered(name))
    paths = {kind: container[f"{kind}Probe"]["httpGet"]["path"]
             for kind in ("startup", "readiness", "liveness")}  # fmt: skip
    assert paths == {"startup": "/readyz", "readiness": "/readyz", "liveness": "/livez"}
    served = create_app(Settings()).openapi()["paths"]
    # The kubelet asks from outside.
    assert "APP_HOST=0.0.0.0\n" in (ROOT / "Dockerfile").read_text()
    assert {*paths.values(), "/metrics"} <= served.keys()


@pytest.mark.parametrize("name", SETS)
def test_a_pod_has_time_to_finish(name: str) -> None:
    pod, container = service_of(rendered(name))
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = float(environment(container).get("APP_DRAIN_SECONDS", Settings().drain_seconds))
    assert pod["terminationGracePeriodSeconds"] >= pause + drain + GRACE_SECONDS + 2


def test_the_service_ends_in_that_time_whatever_a_client_does(tmp_path: Path) -> None:
    """A request whose body never comes keeps it for as long as any can."""
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 9\r\n"
    with (
        instances(tmp_path, 1) as (instance,),
        socket.create_connection(("127.0.0.1", instance.port)) as connection,
    ):
        connection.sendall(head + b"\r\n")
        time.sleep(0.2)
        began = time.monotonic()
        instance.drain()
        took = time.monotonic() - began
    drain = Settings().drain_seconds
    assert drain + GRACE_SECONDS - 1 < took < drain + GRACE_SECONDS + 2


def test_too_short_a_time_to_finish_is_refused() -> None:
    needed = math.ceil(5 + 2.5 + GRACE_SECONDS + 2)
    drain, grace = "settings.APP_DRAIN_SECONDS=2.5", "terminationGracePeriodSeconds"
    rendered("default", "--set", f"{drain},{grace}={needed}")
    assert f"may need {needed}: preStopSeconds (5)" in refused(f"{drain},{grace}={needed - 1}")


@pytest.mark.parametrize("name", SETS)
def test_models_are_where_the_service_looks(name: str) -> None:
    pod, container = service_of(rendered(name))
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert ("models" in mounts) == (name in {"claim", "image-volume", "image-copy"})
    if "models" in mounts:
        assert mounts["models"]["mountPath"] == "/srv/models"
        assert "WORKDIR /srv\n" in (ROOT / "Dockerfile").read_text()
    for copying in pod.get("initContainers", []):
        (target,) = copying["volumeMounts"]
        _, _, source, to = copying["command"]
        assert target["mountPath"] == to
        assert not source.startswith(to)  # the volume would hide what is to be copied
