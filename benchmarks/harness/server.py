"""Start a server on a free loopback port, wait until it is ready, and stop all its processes."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from app.cli import CommandError
from app.model.version_folder import find_version
from benchmarks.harness.memory import process_tree, resident_bytes, start_time

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0  # importing and tracing with TensorFlow is slow on a busy machine
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: IO[bytes]
    ready_seconds: float

    @property
    def address(self) -> str:
        """The URL http://127.0.0.1:PORT."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The id of the server's first process."""
        return self.process.pid

    def last_words(self) -> str:
        """Return the last line of the server's log."""
        return _last_line(self.log)


def free_port() -> int:
    """Return a free TCP port of the loopback interface."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return different free TCP ports: one call after another may return the same port twice."""
    with ExitStack() as stack:
        listeners = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [int(listener.getsockname()[1]) for listener in listeners]


@contextmanager
def running_service(model: Path, **settings: object) -> Iterator[Server]:
    """Run this project's service with `python -m app` inside the block.

    Args:
        model: the value of APP_MODEL.
        settings: further settings, e.g. `workers=2` for APP_WORKERS. They override the APP_...
            variables of the environment.

    Raises:
        CommandError: the service ended or was not ready in time; the message has its last log line.
        app.model.card.ModelError: the model does not exist.
    """
    find_version(model)  # report a missing model before starting a process
    port = free_port()
    environment = {f"APP_{name.upper()}": str(value) for name, value in settings.items()}
    environment |= {"APP_MODEL": str(model.resolve()), "APP_PORT": str(port)}
    environment |= {"APP_HOST": "127.0.0.1"}
    command = [sys.executable, "-m", "app"]
    with running_server(command, environment, port, "/readyz") as server:
        yield server


@contextmanager
def running_server(
    command: Sequence[str | Path], environment: dict[str, str], port: int, ready: str
) -> Iterator[Server]:
    """Run a server inside the block; end all its processes afterwards.

    Args:
        command: the command, which is run in the checkout.
        environment: additional environment variables.
        port: the port on which the server will listen.
        ready: the path that returns 200 when the server is ready.

    Raises:
        CommandError: as in `running_service`.
    """
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        # The benchmarks define the commands; the user adds paths. There is no shell.
        process = subprocess.Popen(  # noqa: S603
            [str(word) for word in command],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_ready(process, f"http://127.0.0.1:{port}{ready}", log)
            yield Server(port, process, log, time.perf_counter() - began)
        finally:
            _stop(process)


def _wait_until_ready(process: "subprocess.Popen[bytes]", address: str, log: IO[bytes]) -> None:
    deadline = time.perf_counter() + START_SECONDS
    with httpx.Client(timeout=5, trust_env=False) as client:
        while time.perf_counter() < deadline:
            if process.poll() is not None:
                raise CommandError(f"The server ended as it started: {_last_line(log)}")
            try:
                if client.get(address).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            time.sleep(_POLL_SECONDS)
    raise CommandError(f"{address} was not ready in {START_SECONDS:.0f} s: {_last_line(log)}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Send SIGTERM to the server, then SIGKILL to the descendants that are left."""
    start_times = {pid: start_time(pid) for pid in process_tree(process.pid)}
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    deadline = time.perf_counter() + STOP_SECONDS
    while (left := _still_running(start_times)) and time.perf_counter() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    process.wait()


def _still_running(start_times: dict[int, int]) -> list[int]:
    """Return the ids of the same processes that still have memory, as zombies have none."""
    return [
        pid
        for pid, started in start_times.items()
        if start_time(pid) == started and resident_bytes(pid)
    ]


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it logged nothing"
