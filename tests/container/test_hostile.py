"""The container with compose's own limits, while hostile photos come three at a time."""

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import pictures
from tests.container.compose import Project
from tests.fuzz.hostile.catalogue import hostile_files

pytestmark = [pytest.mark.container, pytest.mark.usefixtures("images")]

SECONDS = 40.0
MOST_UNREADY_SECONDS = 10.0
CLIENTS = 3
PHOTO = pictures.encode(pictures.noise(1, 300, 200), "JPEG")
FILES = (
    "heic-metadata", "tiff-overlapping-tags", "tiff-one-tile", "png-column", "webp-transparent",
    "bmp-one-row", "gif-transparent", "jpeg-segments", "avif-properties", "jpeg-scans",
)  # fmt: skip


def post_until(
    end: float, address: str, work: Iterator[tuple[bytes, str]], seen: list[int]
) -> None:
    """Post one file after the other, and keep the statuses; 0 where there was no answer."""
    with httpx.Client(base_url=address, timeout=30, trust_env=False) as client:
        while time.monotonic() < end:
            data, kind = next(work)
            try:
                answer = client.post("/predict", content=data, headers={"Content-Type": kind})
                seen.append(answer.status_code)
            except httpx.TransportError:
                seen.append(0)


def longest_unready(end: float, client: httpx.Client) -> float:
    """Ask /readyz until then; return the longest time in seconds without a 200."""
    ready, longest = time.monotonic(), 0.0
    while time.monotonic() < end:
        try:
            fine = client.get("/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            fine = False
        now = time.monotonic()
        longest = max(longest, now - ready)
        if fine:
            ready = now
        time.sleep(0.2)
    return longest


def test_hostile_photos_neither_kill_nor_stop_it(tmp_path: Path) -> None:
    chosen = [file for file in hostile_files() if file.name in FILES]
    assert len(chosen) == len(FILES)
    bodies = [(file.make(), file.kind) for file in chosen]
    project = Project(tmp_path)
    seen: list[int] = []
    with project.up() as client:
        started = project.state()["StartedAt"]
        end = time.monotonic() + SECONDS
        threads = [
            threading.Thread(
                target=post_until,
                args=(
                    end,
                    project.address,
                    itertools.cycle(bodies[number:] + bodies[:number]),
                    seen,
                ),
            )
            for number in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        longest = longest_unready(end, client)
        for thread in threads:
            thread.join()
        facts = project.inspect()
        print(f"\n{len(seen)} hostile photos: {sorted(seen)}; unready for {longest:.1f} s at most")
        assert (facts["RestartCount"], facts["State"]["OOMKilled"]) == (0, False)
        assert facts["State"]["StartedAt"] == started
        answer = client.post("/predict", files={"file": PHOTO})
    assert answer.status_code == 200, answer.text
    assert longest < MOST_UNREADY_SECONDS
    assert not [status for status in seen if status == 0 or (status >= 500 and status != 504)]
