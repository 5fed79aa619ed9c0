"""A Ray cluster of one node on loopback, deployed to as an operator does, and a load on it."""

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.harness.memory import process_tree
from benchmarks.harness.server import free_ports, running_server
from tests import pictures
from tests.conftest import ROOT

CONFIG = ROOT / "deploy" / "ray" / "serve.yaml"
KEY = "a-key-of-the-tests-0123"
PHOTO = pictures.encode(pictures.noise(1))


def eventually(true: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


@dataclass
class Cluster:
    """A running cluster: its first process, and where it listens."""

    pid: int
    port: int
    dashboard: int
    metrics: int
    gcs: int
    environment: dict[str, str]
    folder: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, headers={"X-API-Key": KEY}, timeout=30)

    def deploy(self, version: int) -> None:
        """`serve deploy` the shipped configuration for two replicas of one worker, and wait."""
        config = yaml.safe_load(CONFIG.read_text())
        config |= {"proxy_location": "HeadOnly"}
        config["http_options"] |= {"host": "127.0.0.1", "port": self.port}
        (application,) = config["applications"]
        application["runtime_env"] = {}  # the settings are in the cluster's environment
        (deployment,) = application["deployments"]
        deployment["user_config"] = {"model_version": version}
        deployment["ray_actor_options"] = {"num_cpus": 1}
        deployment["autoscaling_config"] |= {"min_replicas": 2, "max_replicas": 2}
        file = self.folder / "serve.yaml"
        file.write_text(json.dumps(config))
        command = [
            *program("ray.serve.scripts"),
            "deploy",
            "-a",
            f"http://127.0.0.1:{self.dashboard}",
        ]
        environment = os.environ | self.environment
        subprocess.run([*command, file], cwd=ROOT, env=environment, check=True, capture_output=True)
        eventually(lambda: self.status()["status"] == "RUNNING", 60)

    def status(self) -> dict[str, Any]:
        """What Ray says of the application."""
        answer = httpx.get(
            f"http://127.0.0.1:{self.dashboard}/api/serve/applications/",
            headers={"Authorization": f"Bearer {self.environment['RAY_AUTH_TOKEN']}"},
            timeout=30,
        )
        found: dict[str, Any] = answer.raise_for_status().json()["applications"]["photos"]
        return found

    def replicas(self) -> list[int]:
        """The ids of the replicas' processes."""
        return [pid for pid in process_tree(self.pid) if "ServeReplica" in command_line(pid)]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    except OSError:
        return ""


@contextmanager
def running_cluster(cpus: int, **variables: str) -> Iterator[Cluster]:
    """`ray start --head`, with these variables in the environment of all that it starts."""
    port, head, dashboard, agent, client, metrics = free_ports(6)
    # A socket's path has at most 107 characters: pytest's own folder would be too long.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as name:
        environment = variables | {
            "PYTHONPATH": str(ROOT),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # all traffic on 127.0.0.1, on Linux too
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else Ray writes one into ~/.ray
        }  # fmt: skip
        words = {
            "--num-cpus": cpus, "--port": head, "--node-ip-address": "127.0.0.1",
            "--dashboard-host": "127.0.0.1", "--dashboard-port": dashboard,
            "--dashboard-agent-listen-port": agent, "--ray-client-server-port": client,
            "--metrics-export-port": metrics, "--temp-dir": name,
        }  # fmt: skip
        options = [str(word) for pair in words.items() for word in pair]
        command = [*program("ray.scripts.scripts"), "start", "--head", "--block", *options]
        with running_server(command, environment, dashboard, "/api/gcs_healthz") as server:
            try:
                yield Cluster(server.pid, port, dashboard, metrics, head, environment, Path(name))
            finally:
                kill_tree(server.pid)  # `ray start` itself takes 20 seconds to end them


@contextmanager
def second_node(cluster: Cluster) -> Iterator["subprocess.Popen[bytes]"]:
    """`ray start`: another node of the cluster, with one CPU, in a process group of its own."""
    (metrics,) = free_ports(1)
    words = ["--num-cpus", "1", "--node-ip-address", "127.0.0.1", "--temp-dir", str(cluster.folder)]
    words += ["--metrics-export-port", str(metrics), "--address", f"127.0.0.1:{cluster.gcs}"]
    # Ray replaces 127.0.0.1 by the machine's own address, at which the first node does not listen.
    code = "from ray._private import services; from ray.scripts import scripts; "
    code += "services.resolve_ip_for_localhost = str; scripts.cli()"
    command = [sys.executable, "-c", code, "start", "--block", *words]
    # A second node needs the word that there may be one; the addresses stay those of loopback.
    several = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
    environment = os.environ | cluster.environment | several
    with subprocess.Popen(
        command, env=environment, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL
    ) as node:
        try:
            yield node
        finally:
            kill_group(node)


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL a process and its children, as if the machine had lost its power."""
    kill_tree(process.pid)
    process.wait()


def kill_tree(root: int) -> None:
    for pid in process_tree(root):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def program(module: str) -> list[str]:
    """The command `ray` or `serve`, by its module: the environment may have been moved."""
    return [sys.executable, "-c", f"import {module}; {module}.cli()"]


@dataclass
class Load:
    """Clients that post a photo again and again, and try each once more if it fails.

    Attributes:
        photo: what they post.
        versions: of the model of each good answer, in order.
        retried: why the first try of a request failed.
        failed: why the second did, too.
    """

    address: str
    photo: bytes = PHOTO
    versions: list[int] = field(default_factory=list)
    retried: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _done: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, clients: int = 2) -> Iterator[None]:
        threads = [threading.Thread(target=self._client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._done.set()
            for thread in threads:
                thread.join()

    def _client(self) -> None:
        with httpx.Client(base_url=self.address, headers={"X-API-Key": KEY}, timeout=30) as client:
            while not self._done.is_set():
                problem = self._post(client)
                if problem:
                    self.retried.append(problem)
                    again = self._post(client)
                    self.failed += [again] if again else []

    def _post(self, client: httpx.Client) -> str:
        """Why it failed; nothing if it did not."""
        try:
            answer = client.post("/predict", files={"file": self.photo})
        except httpx.TransportError as error:
            return repr(error)
        if answer.status_code != httpx.codes.OK:
            return f"{answer.status_code} {answer.text[:200]}"
        self.versions.append(answer.json()["model"]["version"])
        return ""
