"""Servers under test: started on a free loopback port, waited for, stopped with all they started.

A server is known by its command; this project's service is `service(...)`.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from app.model.card import find_version
from benchmarks.harness.memory import born, family, resident
from training.cli import CommandError

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0  # TensorFlow's import and a first trace on a busy machine
STOP_SECONDS = 20.0
_POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Server:
    """A server that runs: where it answers, its process, and its log so far."""

    port: int
    process: "subprocess.Popen[bytes]"
    log: IO[bytes]
    ready_seconds: float

    @property
    def address(self) -> str:
        """http://127.0.0.1:PORT."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process that was started; it may have started others."""
        return self.process.pid

    def last_words(self) -> str:
        """The last line of its log."""
        return _last_line(self.log)


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def service(model: Path, **settings: object) -> Iterator[Server]:
    """This project's service, as `python -m app` starts it.

    Args:
        model: as APP_MODEL.
        settings: others, e.g. `threads=2` for APP_THREADS. APP_... of the environment hold, too.

    Raises:
        CommandError: it ended, or was not ready in time; with the last line that it logged.
        app.model.card.ModelError: there is no such model.
    """
    find_version(model)  # an error before a process is started
    port = free_port()
    environment = {f"APP_{name.upper()}": str(value) for name, value in settings.items()}
    environment |= {"APP_MODEL": str(model.resolve()), "APP_PORT": str(port)}
    environment |= {"APP_HOST": "127.0.0.1"}
    command = [sys.executable, "-m", "app"]
    with started(command, environment, port, "/readyz") as server:
        yield server


@contextmanager
def started(
    command: Sequence[str | Path], environment: dict[str, str], port: int, ready: str
) -> Iterator[Server]:
    """Start a server in a session of its own, and end all that it has started afterwards.

    Args:
        command: what to run, in the checkout.
        environment: variables beside those of this process.
        port: where it will listen.
        ready: the path that answers 200 once it is ready.

    Raises:
        CommandError: as `service`.
    """
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        # Commands of ours with paths of the user's, without a shell.
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
    """SIGTERM to the server; SIGKILL to what it has started and left behind."""
    births = {pid: born(pid) for pid in family(process.pid)}
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    deadline = time.perf_counter() + STOP_SECONDS
    while (left := _alive(births)) and time.perf_counter() < deadline:
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    process.wait()


def _alive(births: dict[int, int]) -> list[int]:
    """Those that still run: a number may be another process's by now, a zombie has no memory."""
    return [pid for pid, birth in births.items() if born(pid) == birth and resident(pid)]


def _last_line(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it logged nothing"
