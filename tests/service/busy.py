"""A service with more to do than it can."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import pytest

from app.serving.process import WorkerProcess
from app.settings import Settings
from tests import pictures

PHOTO = pictures.encode(pictures.noise(1, 100, 80), "JPEG")
RAW: dict[str, Any] = {"content": PHOTO, "headers": {"Content-Type": "image/jpeg"}}


class Stuck:
    """Keeps the workers busy until it is let go: holds back what the service sends to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sent = 0  # photos
        self.begun = threading.Event()
        self._open = False
        self._held: list[tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = []
        self._send = WorkerProcess.send

        def hold(process: WorkerProcess, head: dict[str, Any], blobs: list[bytes]) -> None:
            self.begun.set()
            deliver = partial(self._deliver, process, head, blobs)
            if self._open:
                deliver()
            else:
                self._held.append((asyncio.get_running_loop(), deliver))

        monkeypatch.setattr(WorkerProcess, "send", hold)
        for name in ("READY", "SPARE"):  # none takes the place of a slow worker
            monkeypatch.setattr(f"app.serving.pool.{name}", 0)

    def let_go(self) -> None:
        """Send what was held back, and all that comes."""
        self._open = True
        for loop, deliver in self._held:
            if not loop.is_closed():
                loop.call_soon_threadsafe(deliver)
        self._held.clear()

    def _deliver(self, process: WorkerProcess, head: dict[str, Any], blobs: list[bytes]) -> None:
        if not process._transport.is_closing():
            self.sent += len(blobs)
            self._send(process, head, blobs)


def inside(client: httpx.Client) -> int:
    text = client.get("/metrics").text
    return int(float(text.split("\nphotos_inside ")[1].split("\n")[0]))


def wait_for(client: httpx.Client, photos: int) -> None:
    for _ in range(200):
        if inside(client) == photos:
            return
        time.sleep(0.05)
    raise AssertionError(f"{inside(client)} photos are inside, not {photos}")


@contextmanager
def full(client: httpx.Client, stuck: Stuck, photos: int) -> Iterator[list[Any]]:
    """The service with all its places taken; afterwards what their requests were answered."""
    answers: list[Any] = []
    with ThreadPoolExecutor(photos) as pool:
        requests = [pool.submit(client.post, "/predict", **RAW) for _ in range(photos)]
        wait_for(client, photos)
        try:
            yield answers
        finally:
            stuck.let_go()
            answers.extend(request.result() for request in requests)


def tiny(**more: Any) -> Settings:
    return Settings(workers=1, max_queue=2, max_batch=3, **more)
