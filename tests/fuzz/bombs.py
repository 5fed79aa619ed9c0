"""Decompression bombs over HTTP: each refused in how long, for how much more memory.

    python -m tests.fuzz.bombs

Each is posted some times to a service that has answered sound photos before; the longest time
and the most extra resident memory count (peak while it is answered, less what was resident
before). For scale, the largest photo that the limits allow is posted, too, and the figures of
an ordinary one are shown. The table goes to build/benchmarks/bombs.md; the exit code is 1 if a
bomb was not refused. Takes about 20 seconds.
"""

import asyncio
import math
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.harness.load import Connection, raw
from benchmarks.harness.memory import peak, reset_peak, resident
from benchmarks.harness.photos import photos_of
from benchmarks.harness.server import Server, service
from benchmarks.harness.table import markdown, mebibytes, milliseconds, publish, tell, timed
from tests.fuzz.hostile import bombs, png
from training.cli import Parser, positive, run

PROG = "python -m tests.fuzz.bombs"
MOST_SECONDS = 0.1
MOST_BYTES = 20 * 2**20
WARM = 40  # sound photos first
REFUSED = (400, 413, 415, 422)


@dataclass(frozen=True)
class Seen:
    """What a file did: statuses, the longest time in seconds, the most extra bytes."""

    statuses: set[int]
    seconds: float
    extra: int


def main() -> None:
    """The command."""
    parser = Parser(PROG, description="Post decompression bombs.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs/1"))
    parser.add_argument("--times", type=positive, default=5, help="for each")
    arguments = parser.parse_args()
    rows = []
    accepted = []
    with timed("tests.fuzz.bombs"), service(arguments.model) as server:
        ordinary = photos_of(None)
        asyncio.run(_post(server, [raw(photo) for photo in ordinary] * (WARM // len(ordinary) + 1)))
        photo = _seen(server, ordinary[0], "image/jpeg", arguments.times)
        rows.append(_row("(an ordinary photo)", ordinary[0], photo, ""))
        for name, kind, data in bombs():
            seen = _seen(server, data, kind, arguments.times)
            rows.append(_row(name, data, seen, f"< {MOST_SECONDS * 1000:.0f} ms, < 20 MB"))
            tell(f"{name}: {seen}")
            if not seen.statuses <= set(REFUSED):
                accepted.append(name)
        data = _largest(server)
        largest = _seen(server, data, "image/png", 1)
        rows.append(_row("(the largest grey PNG allowed)", data, largest, ""))
    publish("bombs", markdown(["file", "bytes", "status", "time", "extra memory", "wanted"], rows))
    if accepted:
        tell(f"not refused: {', '.join(accepted)}")
        sys.exit(1)


def _seen(server: Server, data: bytes, kind: str, times: int) -> Seen:
    statuses, seconds, extra = set(), 0.0, 0
    for _ in range(times):
        reset_peak(server.pid)
        before = resident(server.pid)
        status, elapsed = asyncio.run(_post(server, [raw(data, kind)]))
        statuses.add(status)
        seconds = max(seconds, elapsed)
        extra = max(extra, peak(server.pid) - before)
    return Seen(statuses, seconds, extra)


async def _post(server: Server, requests: list[bytes]) -> tuple[int, float]:
    """Post them one after the other; the last one's status and seconds."""
    connection = Connection(server.port)
    for request in requests:
        answer = await connection.send(request)
    connection.close()
    return answer.status, answer.seconds


def _largest(server: Server) -> bytes:
    accepts = httpx.get(f"{server.address}/model", trust_env=False, timeout=30).json()["accepts"]
    side = math.isqrt(accepts["max_pixels"])
    return png(side, side, zlib.compress(bytes(side * (side + 1))))


def _row(name: str, data: bytes, seen: Seen, wanted: str) -> list[str]:
    statuses = ", ".join(str(status or "no answer") for status in sorted(seen.statuses))
    times = [milliseconds(seen.seconds), mebibytes(seen.extra), wanted]
    return [name, f"{len(data):,}", statuses, *times]


if __name__ == "__main__":
    run(PROG, main)
