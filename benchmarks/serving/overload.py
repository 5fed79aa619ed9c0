"""Send ten times the load that the service can handle: latency of accepted requests, refusals.

    python -m benchmarks.serving.overload
    python -m benchmarks.serving.overload --times 10 --seconds 15

Full load is a closed loop with the most clients that get no refusal; the benchmark searches for
this number. Overload is an open loop that sends photos at ten times the rate of full load,
independently of the answers. The delay of the load generator is reported too. The generator shares
the machine with the service, so it runs on uvloop to need little CPU time. The table goes to
build/benchmarks/overload.md.
"""

import itertools
import time
from collections.abc import Callable
from pathlib import Path

import uvloop

from app.cli import CommandError, Parser, command, positive, positive_real
from benchmarks.harness.load import (
    OK,
    LoadResult,
    closed_loop,
    multipart_request,
    open_loop,
    raw_request,
)
from benchmarks.harness.photos import load_photos
from benchmarks.harness.server import Server, running_service
from benchmarks.harness.table import (
    format_clients,
    log,
    markdown_table,
    milliseconds,
    percentile,
    timed,
    write_result,
)

PROG = "python -m benchmarks.serving.overload"
TRIAL_SECONDS = 2.0
MOST_CLIENTS = 256
TOO_MANY = 429
MOST_RATIO = 1.5


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Send more than the service can carry.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs/1"))
    parser.add_argument("--times", type=positive_real, default=10, help="multiple of full load")
    parser.add_argument("--seconds", type=positive_real, default=10, help="for each figure")
    parser.add_argument("--clients", type=positive, help="of full load (default: searched for)")
    parser.add_argument("--connections", type=positive, default=500, help="the most at a time")
    parser.add_argument("--body", choices=("multipart", "raw"), default="multipart")
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: generated ones)")
    arguments = parser.parse_args()
    encode: Callable[[bytes], bytes] = raw_request if arguments.body == "raw" else multipart_request
    requests = [encode(photo) for photo in load_photos(arguments.photos)]
    with timed("benchmarks.serving.overload"), running_service(arguments.model) as server:
        clients = arguments.clients or most_clients(server, requests)
        log(f"full load: {format_clients(clients)}")
        full = _closed(server, requests, clients, arguments.seconds)
        rate = arguments.times * full.rate
        if not full.rate:
            raise CommandError(f"No photo was answered by 200: {dict(full.statuses)}.")
        log(f"full load: {full.rate:.1f} photos/s; now {rate:.0f} requests/s")
        over = uvloop.run(
            open_loop(server.port, requests, rate, arguments.seconds, arguments.connections)
        )
        after = _closed(server, requests, clients, TRIAL_SECONDS)
    write_result("overload", report(clients, full, over, after, arguments.times))


def most_clients(server: Server, requests: list[bytes]) -> int:
    """Return the most clients that get no refusal, to within an eighth."""

    def all_served(clients: int) -> bool:
        seen = _closed(server, requests, clients, TRIAL_SECONDS)
        log(f"{format_clients(clients):>11}: {seen.rate:.1f} photos/s, {dict(seen.statuses)}")
        return set(seen.statuses) == {OK}

    low = 1
    while low < MOST_CLIENTS and all_served(2 * low):
        low *= 2
    high = 2 * low if low < MOST_CLIENTS else low
    while high - low > max(1, low // 8):
        middle = (low + high) // 2
        low, high = (middle, high) if all_served(middle) else (low, middle)
    return low


def report(
    clients: int, full: LoadResult, over: LoadResult, after: LoadResult, times: float
) -> str:
    """Return the table, and the figures with their limits."""
    names = [
        f"full load: {format_clients(clients)}",
        f"{times:g} x that rate",
        "full load, afterwards",
    ]
    rows = [_row(name, each) for name, each in zip(names, (full, over, after), strict=True)]
    ratio = percentile(over.times(), 99) / percentile(full.times(), 99)
    others = sum(n for status, n in over.statuses.items() if status not in (OK, TOO_MANY))
    lines = [f"p99 of accepted: {ratio:.2f} times that at full load (wanted: <= {MOST_RATIO})"]
    lines.append(f"neither 200 nor 429: {others} (wanted: 0)")
    if not over.statuses[TOO_MANY]:
        lines.append("Nothing was refused: this service has no bounded queue.")
    lines.append(
        f"The generator sent late by {milliseconds(percentile(over.late, 99))} (p99); "
        f"{over.unsent} requests found no free connection and were not sent."
    )
    header = ["load", "sent/s", "answers by status (0: none)", "200/s", "p50 of 200", "p99 of 200"]
    return markdown_table([*header, "p99 of 429"], rows) + "\n\n" + "\n".join(lines)


def _row(name: str, seen: LoadResult) -> list[str]:
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(seen.statuses.items()))
    ok, refused = seen.times(), seen.times(TOO_MANY)
    sent = [answer.sent for answer in seen.answers]
    seconds = max(sent, default=0) - min(sent, default=0)
    return [
        name,
        f"{len(seen.answers) / max(seconds, 1e-9):.0f}",
        statuses,
        f"{seen.rate:.1f}",
        milliseconds(percentile(ok, 50)),
        milliseconds(percentile(ok, 99)),
        milliseconds(percentile(refused, 99)) if refused else "",
    ]


def _closed(server: Server, requests: list[bytes], clients: int, seconds: float) -> LoadResult:
    ends = time.perf_counter() + seconds
    work = itertools.cycle(requests)
    return uvloop.run(closed_loop(server.port, work, clients, lambda: time.perf_counter() > ends))


if __name__ == "__main__":
    main()
