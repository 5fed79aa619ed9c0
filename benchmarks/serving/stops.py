"""SIGTERM while clients post photos: what becomes of their requests."""

import asyncio
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.load import BROKEN, OK, Answer, in_turn, multipart
from benchmarks.harness.server import STOP_SECONDS, Server, service
from training.cli import CommandError

LOAD_SECONDS = 2.0
UNAVAILABLE = 503
# What was sent so shortly before SIGTERM may not have been read by then: it was not accepted, and
# 503 says so.
UNREAD_SECONDS = 0.1


@dataclass(frozen=True)
class Stop:
    """One stop: requests that were accepted before SIGTERM, how many of them failed, and others.

    `unread` are those sent within `UNREAD_SECONDS` before and answered by 503.
    """

    accepted: int
    failed: int
    unread: int
    answered: int
    refused: int
    unconnected: int
    dropped: int
    seconds: float
    exit_code: int


def stop_under_load(model: Path, photos: list[bytes], clients: int) -> Stop:
    """Start the service, load it, send SIGTERM, and keep on posting until it has ended.

    Raises:
        CommandError: it did not end.
    """
    with service(model) as server:
        return asyncio.run(_stop(server, photos, clients))


def count(answers: list[Answer], signalled: float, seconds: float, exit_code: int) -> Stop:
    """Sort answers by when they were sent: `signalled` by time.perf_counter()."""
    before = [answer for answer in answers if answer.sent < signalled]
    after = [answer for answer in answers if answer.sent >= signalled]
    broken = [answer for answer in after if answer.status == BROKEN]
    unread = sum(
        answer.status == UNAVAILABLE and answer.sent >= signalled - UNREAD_SECONDS
        for answer in before
    )
    return Stop(
        accepted=len(before) - unread,
        failed=sum(answer.status != OK for answer in before) - unread,
        unread=unread,
        answered=sum(answer.status == OK for answer in after),
        refused=sum(answer.status == UNAVAILABLE for answer in after),
        unconnected=sum(not answer.connected for answer in broken),
        dropped=sum(answer.connected for answer in broken),
        seconds=seconds,
        exit_code=exit_code,
    )


async def _stop(server: Server, photos: list[bytes], clients: int) -> Stop:
    deadline = time.perf_counter() + LOAD_SECONDS + STOP_SECONDS

    def ended() -> bool:
        return server.process.poll() is not None or time.perf_counter() > deadline

    work = itertools.cycle([multipart(photo) for photo in photos])
    load = asyncio.create_task(in_turn(server.port, work, clients, ended))
    await asyncio.sleep(LOAD_SECONDS)
    signalled = time.perf_counter()
    server.process.terminate()
    run = await load
    exit_code = server.process.poll()
    if exit_code is None:
        raise CommandError(f"The service had not ended {STOP_SECONDS:.0f} s after SIGTERM.")
    return count(run.answers, signalled, time.perf_counter() - signalled, exit_code)
