"""The checkout's compose files, under names, folders and settings of the tests' own."""

import json
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harness.server import free_port
from tests.conftest import ROOT

BASE, OVERLAY = ROOT / "docker-compose.yml", ROOT / "docker-compose.gpu.yml"
NAME = "cats-vs-dogs-test"
# What the compose files read: whoever runs the tests may have it set, or in an `.env`.
VARIABLES = {
    *re.findall(r"\$\{([A-Z_]+)", BASE.read_text() + OVERLAY.read_text()),
    *re.findall(r"^ +([A-Z_]+):\s*$", BASE.read_text(), re.MULTILINE),
}
# TensorFlow for CPUs instead of gigabytes of CUDA libraries, which need a GPU to show anything.
CPU_WHEEL = "requirements/train.txt"
Done = subprocess.CompletedProcess[str]


def environment() -> dict[str, str]:
    """This process's, without what the compose files would read."""
    return {key: value for key, value in os.environ.items() if key not in VARIABLES}


def image(target: str) -> str:
    """The name of the tests' image, so that a user's own is left alone."""
    return f"{NAME}:{target}"


def docker(*words: str, check: bool = True, **variables: str) -> Done:
    """`docker WORDS` with these variables, and what it printed."""
    done = subprocess.run(
        ["docker", *words],
        cwd=ROOT,
        env=environment() | variables,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0 or not check, f"docker {' '.join(words)}\n{done.stderr[-4000:]}"
    return done


def inside(target: str, *words: str, check: bool = True) -> str:
    """What a command prints in a fresh container: no network, and nothing mounted."""
    program, *rest = words
    return docker(
        "run", "--rm", "--network", "none", "--entrypoint", program, image(target), *rest,
        check=check,
    ).stdout  # fmt: skip


def until(condition: Callable[[], bool], story: Callable[[], str], seconds: float = 60) -> None:
    """Wait for something that takes a while; `story` is told if it never comes."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, story()
        time.sleep(0.2)


class Project:
    """`docker compose` for one target, with settings in an `.env` file as a user has them.

    `quick`: a failing health check counts after seconds, not after half a minute.
    """

    def __init__(
        self, folder: Path, target: str = "cpu", *, quick: bool = False, **settings: object
    ) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        folder.mkdir(parents=True, exist_ok=True)
        self._env_file, override = folder / "env", folder / "override.yml"
        chosen = {
            "IMAGE_TARGET": target, "APP_PORT": self.port, "GPU_REQUIREMENTS": CPU_WHEEL,
        } | settings  # fmt: skip
        self._env_file.write_text("".join(f"{key}={value}\n" for key, value in chosen.items()))
        images: dict[str, Any] = {"api": {"image": image(target)}}
        images["train"] = {"image": image("train"), "profiles": ["train"]}
        images["proxy"] = {"image": image("proxy"), "profiles": ["proxy"]}
        if quick:
            images["api"]["healthcheck"] = {"interval": "1s", "timeout": "2s", "retries": 2}
        override.write_text(json.dumps({"services": images}))
        files = os.environ.get("COMPOSE_FILE", str(BASE))
        self._variables = {
            "COMPOSE_FILE": os.pathsep.join([files, str(override)]),
            "COMPOSE_PROJECT_NAME": f"{NAME}-{self.port}",
            "COMPOSE_PROFILES": "",
        }

    def run(self, *words: str, check: bool = True) -> Done:
        """`docker compose WORDS`."""
        words = ("compose", "--env-file", str(self._env_file), *words)
        return docker(*words, check=check, **self._variables)

    @contextmanager
    def up(self) -> Iterator[httpx.Client]:
        """Start the service, wait until it is healthy, and remove it afterwards."""
        try:
            self.run("up", "--wait", "--no-build")
            with httpx.Client(base_url=self.address, timeout=30, trust_env=False) as client:
                yield client
        finally:
            self.run("down", "--volumes", "--timeout", "1")

    def inspect(self) -> dict[str, Any]:
        """What Docker knows of the service's container."""
        container = self.run("ps", "--all", "--quiet", "api").stdout.strip()
        found: list[dict[str, Any]] = json.loads(docker("inspect", container).stdout)
        return found[0]

    def state(self) -> dict[str, Any]:
        """Its Status, ExitCode, Health and more."""
        state: dict[str, Any] = self.inspect()["State"]
        return state

    def health(self) -> str:
        """starting, healthy or unhealthy."""
        return str(self.state()["Health"]["Status"])

    def wait_for(self, health: str, seconds: float = 60) -> None:
        """Wait until Docker calls the service so."""
        until(lambda: self.health() == health, self.logs, seconds)

    def logs(self) -> str:
        """What the service has logged so far."""
        done = self.run("logs", "--no-color", "--no-log-prefix", "api")
        return done.stdout + done.stderr
