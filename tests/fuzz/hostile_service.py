"""Post hostile files to the service beside honest requests, and measure what they cost it.

    python -m tests.fuzz.hostile_service
    python -m tests.fuzz.hostile_service --only tiff,png-column --times 3 --memory 2048

Each file of `tests.fuzz.hostile` is posted alone, and three times at once. Beside it, one client
posts ten photos a second, and another one gets /livez as often. Reported are the file's own
answers, the memory of all processes of the service over that of the idle service, and the honest
requests. The table goes to build/benchmarks/hostile.md. The exit code is 1 if a bound is broken.
"""

import asyncio
import sys
from argparse import Namespace
from collections import deque
from pathlib import Path

from app.cli import CommandError, Parser, command, positive, positive_real
from benchmarks.harness.server import Server, running_service
from benchmarks.harness.table import (
    log,
    markdown_table,
    mebibytes,
    milliseconds,
    timed,
    write_result,
)
from tests.fuzz.hostile.catalogue import HostileFile, hostile_files
from tests.fuzz.memory_sampler import memory_sampler
from tests.fuzz.siege import Bounds, Outcome, besiege, failures, settle, slowest

PROG = "python -m tests.fuzz.hostile_service"
HEADER = [
    "file", "bytes", "at once", "answers", "time", "memory over idle", "largest process",
    "processes started", "photos failed", "slowest", "/livez failed", "slowest", "broken bounds",
]  # fmt: skip
_TOLERANCE = 1.1  # of the limit of memory
_BUSY_SECONDS = 15.0  # after a file; then a new service is started for the next one


@command(PROG)
def main() -> None:
    """Run the command."""
    arguments = _arguments()
    files = hostile_files(arguments.only)
    if not files:
        known = ", ".join(file.name for file in hostile_files())
        raise CommandError(
            f"--only {','.join(arguments.only)}: no hostile file has such a name. "
            f"Expected a part of one of: {known}."
        )
    work = deque((file, times) for file in files for times in arguments.times)
    bounds = _bounds(arguments)
    rows: list[list[str]] = []
    with timed("tests.fuzz.hostile_service"):
        while work:
            settings = {"deadline_seconds": arguments.deadline}
            with running_service(arguments.model, **settings) as server:
                rows += _measure_all(server, work, bounds)
    bad = sum(bool(row[-1]) for row in rows)
    text = markdown_table(HEADER, rows)
    write_result("hostile", f"{text}\n\n{bad} of {len(rows)} rows break a bound. {bounds}")
    if bad:
        sys.exit(1)


def _measure_all(
    server: Server, work: deque[tuple[HostileFile, int]], bounds: Bounds
) -> list[list[str]]:
    """Take files from the work and return their rows, until one keeps the service busy."""
    rows = []
    settle(server, _BUSY_SECONDS)
    with memory_sampler(server.pid) as sampler:
        idle = sampler.read().now
        log(f"idle: {mebibytes(idle)}")
        settled = True
        while work and settled:
            file, times = work.popleft()
            data = file.make()
            outcome = asyncio.run(besiege(server, sampler, idle, [(data, file.kind)] * times))
            broken = outcome.broken(bounds)
            settled = server.process.poll() is None and settle(server, _BUSY_SECONDS)
            if not settled:
                broken.append("the service ended or stayed busy")
            rows.append(_row(file, len(data), times, outcome, broken))
            log(" | ".join(rows[-1]))
    return rows


def _arguments() -> Namespace:
    parser = Parser(PROG, description="Post hostile files beside honest requests.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs/1"))
    parser.add_argument("--only", type=_words, default=(), help="parts of the files' names")
    parser.add_argument("--times", type=_counts, default=(1, 3), help="at once (default: 1,3)")
    parser.add_argument("--deadline", type=positive_real, default=10, help="APP_DEADLINE_SECONDS")
    parser.add_argument("--grace", type=positive_real, default=0.5, help="seconds after it")
    parser.add_argument("--honest", type=positive_real, default=1, help="seconds of the others")
    parser.add_argument(
        "--memory", type=positive_real, help="MiB over idle; a tenth more is allowed"
    )
    return parser.parse_args()


def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _counts(text: str) -> tuple[int, ...]:
    return tuple(map(positive, text.split(",")))


_counts.__name__ = "list of numbers"


def _bounds(arguments: Namespace) -> Bounds:
    memory = arguments.memory and round(arguments.memory * 2**20 * _TOLERANCE)
    return Bounds(arguments.deadline + arguments.grace, arguments.honest, memory)


def _row(
    file: HostileFile, size: int, times: int, outcome: Outcome, broken: list[str]
) -> list[str]:
    honest = []
    for load in (outcome.photos, outcome.livez):
        honest += [f"{failures(load)} of {len(load.answers)}", milliseconds(slowest(load))]
    memory = [mebibytes(outcome.extra), mebibytes(outcome.usage.largest)]
    own = [outcome.statuses, f"{outcome.own_seconds:.2f} s", *memory, str(outcome.usage.started)]
    return [file.name, f"{size:,}", str(times), *own, *honest, ", ".join(broken)]


if __name__ == "__main__":
    main()
