"""A service with more to do than it can."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest

from app.model.classifier import Classifier
from app.settings import Settings
from tests import pictures

PHOTO = pictures.encode(pictures.noise(1, 100, 80), "JPEG")
RAW: dict[str, Any] = {"content": PHOTO, "headers": {"Content-Type": "image/jpeg"}}


class Stuck:
    """Keeps the decoder busy until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.decoded = 0
        self.begun = threading.Event()
        self.go = threading.Event()
        decode = Classifier.pixels

        def pixels(classifier: Classifier, data: bytes) -> np.ndarray:
            self.begun.set()
            assert self.go.wait(20)
            self.decoded += 1
            return decode(classifier, data)

        monkeypatch.setattr(Classifier, "pixels", pixels)


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
            stuck.go.set()
            answers.extend(request.result() for request in requests)


def tiny(**more: Any) -> Settings:
    return Settings(threads=1, max_queue=2, max_batch=3, **more)
