"""Publish newer versions of a model while clients post photos."""

import asyncio
import itertools
import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.cli import CommandError
from app.model.card import CARD
from app.model.version_folder import load_card
from app.settings import Settings
from benchmarks.harness.load import LoadResult, closed_loop, multipart_request
from benchmarks.harness.server import Server, running_service
from benchmarks.harness.table import log

SETTING = "model_poll_seconds"
POLL_SECONDS = 1
TIMEOUT_SECONDS = 60.0


@dataclass
class SwapResult:
    """The clients' answers, and the seconds from each publication until it was served."""

    run: LoadResult = field(default_factory=LoadResult)
    seconds: list[float] = field(default_factory=list)


def swap_under_load(
    version: Path, scratch: Path, photos: list[bytes], count: int, clients: int
) -> SwapResult:
    """Publish copies of a version with increasing numbers, and collect the clients' answers.

    Args:
        version: the version folder to copy.
        scratch: the folder for the copies.
        photos: the photos that the clients post.
        count: the number of newer versions.
        clients: the number of clients.

    Raises:
        CommandError: the service cannot swap models, ended, or did not serve a new version.
    """
    if SETTING not in Settings.model_fields:
        raise CommandError(
            f"This service has no setting APP_{SETTING.upper()}: it cannot take a newer model "
            "while it serves. Leave that out with --swaps 0."
        )
    first = load_card(version).version
    models = scratch / "models"
    publish_copy(version, models, first)
    with running_service(models, **{SETTING: POLL_SECONDS}) as server:
        numbers = range(first + 1, first + 1 + count)
        return asyncio.run(_swap(server, version, models, numbers, photos, clients))


def publish_copy(version: Path, models: Path, number: int) -> Path:
    """Copy a version folder atomically and change the version number on its card."""
    card = load_card(version).model_copy(update={"version": number})
    partial = models / f".{number}.partial"
    shutil.copytree(version, partial)
    (partial / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return partial.rename(models / str(number))


async def _swap(
    server: Server, version: Path, models: Path, numbers: range, photos: list[bytes], clients: int
) -> SwapResult:
    result = SwapResult()
    finished = False
    work = itertools.cycle([multipart_request(photo) for photo in photos])
    load = asyncio.create_task(closed_loop(server.port, work, clients, lambda: finished))
    try:
        async with httpx.AsyncClient(base_url=server.address, trust_env=False) as client:
            for number in numbers:
                await asyncio.to_thread(publish_copy, version, models, number)
                began = time.perf_counter()
                if number % 2:
                    os.kill(server.pid, signal.SIGHUP)
                await _wait_until_served(server, client, number)
                result.seconds.append(time.perf_counter() - began)
                log(f"version {number} after {result.seconds[-1]:.2f} s")
    finally:
        finished = True
        result.run = await load
    return result


async def _wait_until_served(server: Server, client: httpx.AsyncClient, number: int) -> None:
    """Wait until the service serves this version."""
    deadline = time.perf_counter() + TIMEOUT_SECONDS
    while time.perf_counter() < deadline:
        if server.process.poll() is not None:
            raise CommandError(f"The service ended on a new version: {server.last_words()}")
        answer = await client.get("/model", timeout=TIMEOUT_SECONDS)
        if answer.json().get("version") == number:
            return
        await asyncio.sleep(0.05)
    raise CommandError(f"Version {number} was not served after {TIMEOUT_SECONDS:.0f} s.")
