"""Newer versions of a model, published one after the other while the service answers."""

import asyncio
import itertools
import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from app.model.card import CARD, load_card
from app.settings import Settings
from benchmarks.harness.load import Run, in_turn, multipart
from benchmarks.harness.server import Server, service
from benchmarks.harness.table import tell
from training.cli import CommandError

SETTING = "model_poll_seconds"
POLL_SECONDS = 1
PATIENCE = 60.0


@dataclass
class Swaps:
    """What the clients saw, and the seconds from each publication to its first answer."""

    run: Run = field(default_factory=Run)
    seconds: list[float] = field(default_factory=list)


def swap_under_load(
    version: Path, scratch: Path, photos: list[bytes], count: int, clients: int
) -> Swaps:
    """Serve copies of a version, a newer one each time, and keep the clients' answers.

    Args:
        version: the version folder to copy; it has to be numbered by its own card.
        scratch: where the copies go.
        photos: what the clients post.
        count: how many newer versions.
        clients: requests under way at a time.

    Raises:
        CommandError: the service cannot swap models, ended, or did not take a version.
    """
    if SETTING not in Settings.model_fields:
        raise CommandError(
            f"This service has no setting APP_{SETTING.upper()}: it cannot take a newer model "
            "while it serves. Leave that out with --swaps 0."
        )
    first = load_card(version).version
    models = scratch / "models"
    publish_copy(version, models, first)
    with service(models, **{SETTING: POLL_SECONDS}) as server:
        numbers = range(first + 1, first + 1 + count)
        return asyncio.run(_swap(server, version, models, numbers, photos, clients))


def publish_copy(version: Path, models: Path, number: int) -> Path:
    """Copy a version folder under another number, its card too; complete or not there at all."""
    card = load_card(version).model_copy(update={"version": number})
    partial = models / f".{number}.partial"
    shutil.copytree(version, partial)
    (partial / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return partial.rename(models / str(number))


async def _swap(
    server: Server, version: Path, models: Path, numbers: range, photos: list[bytes], clients: int
) -> Swaps:
    swaps = Swaps()
    finished = False
    work = itertools.cycle([multipart(photo) for photo in photos])
    load = asyncio.create_task(in_turn(server.port, work, clients, lambda: finished))
    try:
        async with httpx.AsyncClient(base_url=server.address, trust_env=False) as client:
            for number in numbers:
                await asyncio.to_thread(publish_copy, version, models, number)
                began = time.perf_counter()
                if number % 2:
                    os.kill(server.pid, signal.SIGHUP)
                await _served(server, client, number)
                swaps.seconds.append(time.perf_counter() - began)
                tell(f"version {number} after {swaps.seconds[-1]:.2f} s")
    finally:
        finished = True
        swaps.run = await load
    return swaps


async def _served(server: Server, client: httpx.AsyncClient, number: int) -> None:
    """Wait until the service says that it serves this version."""
    deadline = time.perf_counter() + PATIENCE
    while time.perf_counter() < deadline:
        if server.process.poll() is not None:
            raise CommandError(f"The service ended on a new version: {server.last_words()}")
        answer = await client.get("/model", timeout=PATIENCE)
        if answer.json().get("version") == number:
            return
        await asyncio.sleep(0.05)
    raise CommandError(f"Version {number} was not served after {PATIENCE:.0f} s.")
