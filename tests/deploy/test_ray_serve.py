"""The service on Ray Serve: the same answers, and no failed request when something ends."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from PIL import Image

from app.settings import Settings
from benchmarks.harness.memory import process_tree, start_time
from tests import pictures
from tests.conftest import ROOT, Command, serving
from tests.deploy.ray_cluster import (
    CONFIG,
    KEY,
    PHOTO,
    Cluster,
    Load,
    command_line,
    eventually,
    running_cluster,
)
from tests.versions import publish

pytestmark = pytest.mark.cluster

SETTINGS = {
    "APP_API_KEYS": KEY,
    "APP_ENGINE": "litert-float",
    "APP_MAX_QUEUE": "4",
    "APP_MAX_BATCH": "4",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    publish(folder, 1)
    return folder


@pytest.fixture(scope="module")
def cluster(models: Path) -> Iterator[Cluster]:
    """Two replicas of one worker each, which serve version 1."""
    with running_cluster(2, APP_MODEL=str(models), **SETTINGS) as running:
        running.deploy(1)
        yield running


@pytest.fixture(scope="module")
def plain(models: Path) -> Iterator[httpx.Client]:
    """The service without Ray."""
    settings = Settings(
        model=models, model_version=1, workers=1, api_keys=(KEY,), engine="litert-float",
        max_queue=4, max_batch=4,
    )  # fmt: skip
    with serving(settings) as client:
        client.headers["X-API-Key"] = KEY
        yield client


def test_the_answer_is_that_of_the_plain_service(cluster: Cluster, plain: httpx.Client) -> None:
    with cluster.client() as client:
        answers = [
            each.post("/predict", files={"file": PHOTO}).raise_for_status()
            for each in (client, plain)
        ]
    ours, theirs = (answer.json() for answer in answers)
    assert ours["label"] == theirs["label"]
    assert ours["probabilities"] == pytest.approx(theirs["probabilities"], abs=1e-5)
    assert ours["model"] == theirs["model"] == {"name": "digits", "version": 1}
    headers = [set(answer.headers) - {"server", "date"} for answer in answers]
    assert headers[0] == headers[1]


# What is posted, and the status of the answer.
BAD: dict[str, tuple[dict[str, Any], int]] = {
    "a text": ({"files": {"file": b"no photo"}}, 415),
    "nothing": ({"content": b""}, 415),
    "too many bytes": (
        {"content": bytes(21 * 2**20), "headers": {"Content-Type": "image/png"}},
        413,
    ),
    "no key": ({"files": {"file": PHOTO}, "headers": {"X-API-Key": ""}}, 401),
}


@pytest.mark.parametrize("name", BAD)
def test_an_error_is_that_of_the_plain_service(
    cluster: Cluster, plain: httpx.Client, name: str
) -> None:
    request, status = BAD[name]
    with cluster.client() as client:
        answers = [each.post("/predict", **request) for each in (client, plain)]
    for answer in answers:
        assert answer.status_code == status
        assert answer.headers["Content-Type"] == "application/problem+json"
    ours, theirs = (answer.json() for answer in answers)
    assert ours.pop("request_id") == answers[0].headers["X-Request-ID"]
    theirs.pop("request_id")
    assert ours == theirs


def test_a_request_has_one_id_the_clients_own(cluster: Cluster) -> None:
    with cluster.client() as client:
        answer = client.get("/livez", headers={"X-Request-ID": "mine-1"})
    assert answer.headers.get_list("X-Request-ID") == ["mine-1"]


def test_the_service_itself_refuses_what_is_too_much(cluster: Cluster) -> None:
    """10 photos may be in the two replicas, and 40 come at once."""
    slow = pictures.encode(Image.new("RGB", (4000, 3000)))

    async def flood() -> list[httpx.Response]:
        headers = {"X-API-Key": KEY}
        async with httpx.AsyncClient(
            base_url=cluster.address, headers=headers, timeout=60
        ) as client:
            posts = (client.post("/predict", files={"file": slow}) for _ in range(40))
            return await asyncio.gather(*posts)

    answers = asyncio.run(flood())
    assert {answer.status_code for answer in answers} == {200, 429}
    for answer in answers:
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            assert answer.json()["type"] == "urn:problem:queue-full"
            assert int(answer.headers["Retry-After"]) >= 1


def test_workers_do_not_know_keys_and_tokens(cluster: Cluster) -> None:
    processes = [pid for replica in cluster.replicas() for pid in process_tree(replica)]
    workers = [pid for pid in processes if "multiprocessing.forkserver" in command_line(pid)]
    assert len(workers) >= 4
    for pid in workers:
        environment = Path(f"/proc/{pid}/environ").read_text(errors="replace")
        assert KEY not in environment
        assert cluster.environment["RAY_AUTH_TOKEN"] not in environment


def test_ray_has_the_metrics_of_each_replica(cluster: Cluster) -> None:
    def served() -> int:
        text = httpx.get(f"http://127.0.0.1:{cluster.metrics}/metrics").text
        lines = [line for line in text.splitlines() if line.startswith("ray_model_info{")]
        return sum('version="1"' in line and line.endswith(" 1.0") for line in lines)

    eventually(lambda: served() == 2)


def test_a_replica_is_killed_under_load(cluster: Cluster) -> None:
    load, before = Load(cluster.address), cluster.replicas()
    assert len(before) == 2
    family = {pid: start_time(pid) for pid in process_tree(before[0])}
    with load.running():
        time.sleep(1)
        os.kill(before[0], signal.SIGKILL)
        eventually(lambda: not any(start_time(pid) == began for pid, began in family.items()))
        eventually(lambda: len(set(cluster.replicas()) - {before[0]}) == 2)
        eventually(lambda: cluster.status()["status"] == "RUNNING")
        time.sleep(1)
    assert load.failed == []
    assert len(load.versions) > 100
    assert before[1] in cluster.replicas()


def refusals(cluster: Cluster) -> list[list[str]]:
    """The refused versions of several answers, which the replicas give by chance."""
    with cluster.client() as client:
        answers = [client.get("/readyz").json() for _ in range(12)]
    return [[each["version"] for each in answer["refused"]] for answer in answers]


def test_a_new_version_takes_over_under_load_and_a_broken_one_does_not(
    cluster: Cluster, models: Path
) -> None:
    publish(models, 2)
    publish(models, 3, broken=True)
    load, before = Load(cluster.address), cluster.replicas()
    with load.running():
        eventually(lambda: len(load.versions) > 20)
        cluster.deploy(2)
        eventually(lambda: load.versions[-20:] == [2] * 20)
        taken = len(load.versions)
        cluster.deploy(3)
        eventually(lambda: refusals(cluster) == [["3"]] * 12)
    assert (load.failed, load.retried) == ([], [])
    assert load.versions[0] == 1
    assert set(load.versions[taken:]) == {2}
    assert cluster.status()["deployments"]["photo-classifier"]["status"] == "HEALTHY"
    assert sorted(cluster.replicas()) == sorted(before)


@pytest.mark.parametrize(
    ("words", "expected"),
    [("--model-version 99", "no version 99 of a model there"), ("--port {busy}", "it is in use")],
)
def test_a_bad_command_is_one_line_and_exit_2(command: Command, words: str, expected: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        done = command("deploy.ray.local", *words.format(busy=port).split())
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert expected in done.stderr


# Ray's own models, at import.
@pytest.mark.filterwarnings("ignore:Using extra keyword arguments on `Field` is deprecated")
def test_ray_accepts_the_configuration_and_kuberay_has_the_same() -> None:
    from ray.serve.schema import ServeDeploySchema

    config = yaml.safe_load(CONFIG.read_text())
    ServeDeploySchema.model_validate(config)
    service = yaml.safe_load((ROOT / "deploy" / "ray" / "rayservice.yaml").read_text())
    assert yaml.safe_load(service["spec"]["serveConfigV2"]) == config
