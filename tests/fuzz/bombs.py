"""Post decompression bombs to the service, and measure the time and memory of each refusal.

    python -m tests.fuzz.bombs

The service first answers valid photos. Then each bomb is posted several times; the longest time and
the largest increase of the resident memory are reported. For comparison, an ordinary photo and the
largest accepted one are posted too. The table goes to build/benchmarks/bombs.md. The exit code is 1
if a bomb was not refused.
"""

import asyncio
import math
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.harness.load import Connection, raw_request
from benchmarks.harness.memory import peak_bytes, reset_peak, resident_bytes
from benchmarks.harness.photos import load_photos
from benchmarks.harness.server import Server, running_service
from benchmarks.harness.table import (
    log,
    markdown_table,
    mebibytes,
    milliseconds,
    timed,
    write_result,
)
from tests.fuzz.hostile import bombs, png
from training.cli import Parser, command, positive

PROG = "python -m tests.fuzz.bombs"
MOST_SECONDS = 0.1
MOST_BYTES = 20 * 2**20
WARM = 40  # the number of valid photos that are posted first
REFUSED = (400, 413, 415, 422)


@dataclass(frozen=True)
class Measurement:
    """The statuses, the longest time in seconds, and the largest increase of memory in bytes."""

    statuses: set[int]
    seconds: float
    extra: int


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Post decompression bombs.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs/1"))
    parser.add_argument("--times", type=positive, default=5, help="for each bomb")
    arguments = parser.parse_args()
    rows = []
    accepted = []
    with timed("tests.fuzz.bombs"), running_service(arguments.model) as server:
        ordinary = load_photos(None)
        warm_up = [raw_request(photo) for photo in ordinary] * (WARM // len(ordinary) + 1)
        asyncio.run(_post(server, warm_up))
        photo = _measure(server, ordinary[0], "image/jpeg", arguments.times)
        rows.append(_row("(an ordinary photo)", ordinary[0], photo, ""))
        for name, kind, data in bombs():
            measured = _measure(server, data, kind, arguments.times)
            rows.append(_row(name, data, measured, f"< {MOST_SECONDS * 1000:.0f} ms, < 20 MB"))
            log(f"{name}: {measured}")
            if not measured.statuses <= set(REFUSED):
                accepted.append(name)
        data = _largest(server)
        largest = _measure(server, data, "image/png", 1)
        rows.append(_row("(the largest grey PNG allowed)", data, largest, ""))
    header = ["file", "bytes", "status", "time", "extra memory", "wanted"]
    write_result("bombs", markdown_table(header, rows))
    if accepted:
        log(f"not refused: {', '.join(accepted)}")
        sys.exit(1)


def _measure(server: Server, data: bytes, kind: str, times: int) -> Measurement:
    statuses, seconds, extra = set(), 0.0, 0
    for _ in range(times):
        reset_peak(server.pid)
        before = resident_bytes(server.pid)
        status, elapsed = asyncio.run(_post(server, [raw_request(data, kind)]))
        statuses.add(status)
        seconds = max(seconds, elapsed)
        extra = max(extra, peak_bytes(server.pid) - before)
    return Measurement(statuses, seconds, extra)


async def _post(server: Server, requests: list[bytes]) -> tuple[int, float]:
    """Send the requests one after the other; return the status and seconds of the last one."""
    connection = Connection(server.port)
    for request in requests:
        answer = await connection.send(request)
    connection.close()
    return answer.status, answer.seconds


def _largest(server: Server) -> bytes:
    accepts = httpx.get(f"{server.address}/model", trust_env=False, timeout=30).json()["accepts"]
    side = math.isqrt(accepts["max_pixels"])
    return png(side, side, zlib.compress(bytes(side * (side + 1))))


def _row(name: str, data: bytes, measured: Measurement, wanted: str) -> list[str]:
    statuses = ", ".join(str(status or "no answer") for status in sorted(measured.statuses))
    times = [milliseconds(measured.seconds), mebibytes(measured.extra), wanted]
    return [name, f"{len(data):,}", statuses, *times]


if __name__ == "__main__":
    main()
