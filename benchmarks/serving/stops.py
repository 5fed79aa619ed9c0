"""Send SIGTERM to the service while clients post photos, and count what happens to them."""

import asyncio
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

from app.cli import CommandError
from benchmarks.harness.load import BROKEN, OK, Answer, closed_loop, multipart_request
from benchmarks.harness.server import STOP_SECONDS, Server, running_service

LOAD_SECONDS = 2.0
UNAVAILABLE = 503
# The service may not have read a request that was sent so shortly before SIGTERM. It did not accept
# such a request, so it may answer 503.
UNREAD_SECONDS = 0.1


@dataclass(frozen=True)
class StopResult:
    """The requests around one SIGTERM, by what happened to them.

    Attributes:
        accepted: sent before SIGTERM, without `unread`.
        failed: the `accepted` requests that were not answered by 200.
        unread: sent in the last `UNREAD_SECONDS` before SIGTERM and answered by 503.
        answered, refused: sent after SIGTERM and answered by 200, or by 503.
        unconnected, dropped: sent after SIGTERM without a connection, or without an answer.
        seconds: from SIGTERM to the process's end.
        exit_code: of the process.
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


def stop_under_load(model: Path, photos: list[bytes], clients: int) -> StopResult:
    """Start the service, post photos, send SIGTERM, and post photos until the service has ended.

    Raises:
        CommandError: the service did not end.
    """
    with running_service(model) as server:
        return asyncio.run(_stop(server, photos, clients))


def classify_answers(
    answers: list[Answer], signalled: float, seconds: float, exit_code: int
) -> StopResult:
    """Count the answers by what happened; `signalled` is the time.perf_counter() of SIGTERM."""
    before = [answer for answer in answers if answer.sent < signalled]
    after = [answer for answer in answers if answer.sent >= signalled]
    broken = [answer for answer in after if answer.status == BROKEN]
    unread = sum(
        answer.status == UNAVAILABLE and answer.sent >= signalled - UNREAD_SECONDS
        for answer in before
    )
    return StopResult(
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


async def _stop(server: Server, photos: list[bytes], clients: int) -> StopResult:
    deadline = time.perf_counter() + LOAD_SECONDS + STOP_SECONDS

    def ended() -> bool:
        return server.process.poll() is not None or time.perf_counter() > deadline

    work = itertools.cycle([multipart_request(photo) for photo in photos])
    load = asyncio.create_task(closed_loop(server.port, work, clients, ended))
    await asyncio.sleep(LOAD_SECONDS)
    signalled = time.perf_counter()
    server.process.terminate()
    run = await load
    exit_code = server.process.poll()
    if exit_code is None:
        raise CommandError(f"The service had not ended {STOP_SECONDS:.0f} s after SIGTERM.")
    return classify_answers(run.answers, signalled, time.perf_counter() - signalled, exit_code)
