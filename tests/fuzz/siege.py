"""Post hostile files beside honest requests, and judge what both were answered."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import httpx

from benchmarks.harness.load import (
    BROKEN,
    OK,
    LoadResult,
    get_request,
    open_loop,
    raw_request,
)
from benchmarks.harness.memory import processor_seconds
from benchmarks.harness.photos import encode_jpeg, generate_picture
from benchmarks.harness.server import Server
from benchmarks.harness.table import mebibytes
from tests.fuzz.memory_sampler import MemorySampler, Usage

RATE = 10.0  # honest photos a second, and as many GET /livez
TIMEOUT_SECONDS = 60.0
_BEFORE_SECONDS = 0.3  # of honest requests alone
_AFTER_SECONDS = 0.7
_MOST_SECONDS = 100.0
_MOST_CONNECTIONS = 1_000
_SERVER_ERROR, _GATEWAY_TIMEOUT = 500, 504
_QUIET_SECONDS = 0.3
_PART = 2**16  # bytes


@dataclass(frozen=True)
class Bounds:
    """What the service has to keep: seconds, and bytes over its idle memory (None: anything)."""

    own_seconds: float
    honest_seconds: float
    memory: int | None


@dataclass(frozen=True)
class Reply:
    """The answer to a hostile file: its status (0: none), its problem's type, and its seconds."""

    status: int
    kind: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What happened while a hostile file was posted several times at once."""

    replies: list[Reply]
    photos: LoadResult
    livez: LoadResult
    usage: Usage
    idle: int  # bytes

    @property
    def extra(self) -> int:
        """The highest memory of all processes over the idle one, in bytes."""
        return max(0, self.usage.peak - self.idle)

    @property
    def statuses(self) -> str:
        """The statuses and types of the replies, with their numbers."""
        counts = Counter(f"{each.status} {each.kind}".strip() for each in self.replies)
        return ", ".join(f"{count} x {text}" for text, count in counts.items())

    @property
    def own_seconds(self) -> float:
        """The longest time until a reply."""
        return max(each.seconds for each in self.replies)

    def broken(self, bounds: Bounds) -> list[str]:
        """Return the bounds that were broken, each as a sentence's beginning."""
        found = []
        for reply in self.replies:
            wrong = reply.status >= _SERVER_ERROR and reply.status != _GATEWAY_TIMEOUT
            if wrong or reply.status == BROKEN:
                found.append(f"answer {reply.status or 'missing'}")
                break
        if self.own_seconds > bounds.own_seconds:
            found.append(f"own answer after {self.own_seconds:.1f} s")
        for name, load in (("photos", self.photos), ("/livez", self.livez)):
            bad = failures(load)
            late = sum(answer.seconds > bounds.honest_seconds for answer in load.answers)
            if bad:
                found.append(f"{bad} {name} failed")
            if late:
                found.append(f"{late} {name} late")
        if bounds.memory is not None and self.extra > bounds.memory:
            found.append(f"{mebibytes(self.extra)} over idle")
        return found


def failures(load: LoadResult) -> int:
    """How many honest requests were not answered by 200, or found no free connection."""
    return sum(answer.status != OK for answer in load.answers) + load.unsent


def slowest(load: LoadResult) -> float:
    """The longest time of an honest request in seconds."""
    return max((answer.seconds for answer in load.answers), default=0.0)


def honest_photo() -> bytes:
    """The request with an ordinary photo of about 50 kB."""
    return raw_request(encode_jpeg(generate_picture(1, 500, 375)))


async def besiege(
    server: Server, sampler: MemorySampler, idle: int, bodies: Sequence[tuple[bytes, str]]
) -> Outcome:
    """Post files, given as bytes and media type, all at once; honest requests before and after.

    The honest requests go on for a while after the last answer.
    """
    ended = asyncio.Event()
    # The addresses are http, and a client for https takes time to make.
    client = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, verify=False)
    sampler.read()
    async with client, asyncio.TaskGroup() as group:
        honest = [
            group.create_task(
                open_loop(
                    server.port, [request], RATE, _MOST_SECONDS, _MOST_CONNECTIONS, ended.is_set
                )
            )
            for request in (honest_photo(), get_request("/livez"))
        ]
        await asyncio.sleep(_BEFORE_SECONDS)
        replies = await asyncio.gather(*(_post(client, server, *body) for body in bodies))
        await asyncio.sleep(_AFTER_SECONDS)
        ended.set()
    usage = await asyncio.to_thread(sampler.read)
    photos, livez = (task.result() for task in honest)
    return Outcome(replies, photos, livez, usage, idle)


def settle(server: Server, seconds: float) -> bool:
    """Wait until the service does nothing any more; False: it is busy for longer than that."""
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        before = processor_seconds(server.pid)
        time.sleep(_QUIET_SECONDS)
        if abs(processor_seconds(server.pid) - before) < _QUIET_SECONDS / 10:
            return True
    return False


async def _post(client: httpx.AsyncClient, server: Server, data: bytes, kind: str) -> Reply:
    """Post a file. Its time begins when all of it is sent, as the deadline's does."""
    sent = time.perf_counter()

    async def parts() -> AsyncIterator[bytes]:
        nonlocal sent
        for start in range(0, len(data), _PART):
            yield data[start : start + _PART]
        sent = time.perf_counter()

    headers = {"Content-Type": kind, "Content-Length": str(len(data))}
    try:
        answer = await client.post(f"{server.address}/predict", content=parts(), headers=headers)
    except httpx.TransportError as error:
        return Reply(BROKEN, type(error).__name__, time.perf_counter() - sent)
    seconds = time.perf_counter() - sent
    problem = "" if answer.status_code == OK else answer.json().get("type", "")
    return Reply(answer.status_code, problem.removeprefix("urn:problem:"), seconds)
