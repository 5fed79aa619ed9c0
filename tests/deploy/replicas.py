"""Three processes of the service behind a real nginx, and clients that go on asking."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.harness.server import free_ports
from tests.conftest import ROOT
from tests.service.busy import RAW
from tests.service.nginx import Proxy

CLIENTS = 4
PAUSE_SECONDS = 0.02  # of a client, between two requests
AGAIN_SECONDS = 0.5  # before the one retry


class Instance:
    """`python -m app` with the digits and one worker on a port of its own."""

    def __init__(self, log: Path, port: int) -> None:
        self.port = port
        self._log = log
        self.start()

    def start(self) -> None:
        """Start it, and do not wait."""
        words = ("-m", "app", "--model", "models/digits", "--workers", "1", "--port")
        with self._log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words, str(self.port)],
                cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def wait(self) -> None:
        """Wait until it is ready."""
        for _ in range(600):
            assert self.process.poll() is None, self._log.read_text()
            try:
                if httpx.get(f"http://127.0.0.1:{self.port}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(self._log.read_text())

    def drain(self) -> None:
        """End it in good order."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=20) == 0, self._log.read_text()

    def kill(self) -> None:
        """End it and its workers at once, as a machine that fails does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=20)


@contextmanager
def instances(folder: Path, count: int) -> Iterator[list[Instance]]:
    """So many instances, which are ready."""
    started = [Instance(folder / f"{port}.log", port) for port in free_ports(count)]
    try:
        for instance in started:
            instance.wait()
        yield started
    finally:
        for instance in started:
            if instance.process.poll() is None:
                instance.kill()


class Load:
    """Clients that send a photo after the other, and send one again, once, if it fails.

    Everything but an answer of 200 is a failure. The retry would hide what a client without one
    sees: a connection that breaks, 502 from nginx, 503 from an instance. So `retried` counts them.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.sent = 0
        self.retried: Counter[str] = Counter()  # by what came instead of an answer
        self.failed: Counter[str] = Counter()  # the same, of the retries
        self._proxy = proxy
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        address = f"https://127.0.0.1:{self._proxy.https}"
        with httpx.Client(base_url=address, verify=self._proxy.tls, trust_env=False) as client:
            while not self._ended.wait(PAUSE_SECONDS):
                wrong, again = _failure(client), ""
                if wrong:
                    time.sleep(AGAIN_SECONDS)
                    again = _failure(client)
                with self._lock:
                    self.sent += 1
                    self.retried.update([wrong] if wrong else [])
                    self.failed.update([again] if again else [])


def _failure(client: httpx.Client) -> str:
    """What came instead of an answer; empty if it is one."""
    try:
        answer = client.post("/predict", **RAW)
    except httpx.TransportError as error:
        return type(error).__name__
    if answer.status_code == 200:
        return ""
    kind = answer.json()["type"].removeprefix("urn:problem:")
    return f"{answer.status_code} {kind}"
