"""Measure the memory of the service's processes over 20,000 requests.

    python -m benchmarks.serving.soak
    python -m benchmarks.serving.soak --requests 2000 --settle 500

Eight clients post photos in a closed loop. The memory of all processes is read every 100 answers;
pages that they share count once. The growth is that of the median from around request 5,000 to the
end. The table goes to
build/benchmarks/soak.md, the plot to soak.png.
"""

import asyncio
import itertools
import statistics
from pathlib import Path

from app.cli import CommandError, Parser, command, positive
from benchmarks.harness.load import OK, Answer, LoadResult, closed_loop, multipart_request
from benchmarks.harness.memory import pss_bytes
from benchmarks.harness.photos import load_photos
from benchmarks.harness.server import Server, running_service
from benchmarks.harness.table import BUILD, log, markdown_table, mebibytes, timed, write_result

PROG = "python -m benchmarks.serving.soak"
EVERY = 100  # requests between two readings
WINDOW = 5  # the number of readings in a median
MOST_BYTES = 250 * 2**20
MOST_GROWTH = 0.03

Readings = list[tuple[int, int]]  # answers so far, bytes of all processes


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Watch the service's memory over many requests.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs"))
    parser.add_argument("--requests", type=positive, default=20_000)
    parser.add_argument("--settle", type=positive, default=5_000, help="growth counts from here")
    parser.add_argument("--clients", type=positive, default=8)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: generated ones)")
    arguments = parser.parse_args()
    if arguments.settle >= arguments.requests:
        raise CommandError(f"--settle {arguments.settle}: expected fewer than --requests.")
    photos = load_photos(arguments.photos)
    with timed("benchmarks.serving.soak"), running_service(arguments.model) as server:
        answers, readings = soak(server, photos, arguments.requests, arguments.clients)
    write_result("soak", report(answers, readings, arguments.settle))
    _plot(readings, BUILD / "soak.png")


def soak(
    server: Server, photos: list[bytes], count: int, clients: int
) -> tuple[LoadResult, Readings]:
    """Post `count` photos and read the server's memory at the same time."""
    requests = [multipart_request(photo) for photo in photos]
    readings = [(0, pss_bytes(server.pid))]
    answered = itertools.count(1)

    def read(_: int, __: Answer) -> None:
        number = next(answered)
        if number % EVERY == 0:
            readings.append((number, pss_bytes(server.pid)))
        if number % (count // 20 or 1) == 0:
            log(f"{number:>7} requests, {mebibytes(readings[-1][1])}")

    work = itertools.islice(itertools.cycle(requests), count)
    return asyncio.run(closed_loop(server.port, work, clients, on_answer=read)), readings


def growth(readings: Readings, settle: int) -> float:
    """Return the relative growth of memory after the first `settle` answers."""
    before = [size for number, size in readings if number <= settle][-WINDOW:]
    after = [size for _, size in readings][-WINDOW:]
    return statistics.median(after) / statistics.median(before) - 1


def report(answers: LoadResult, readings: Readings, settle: int) -> str:
    """Return the table of results."""
    total = len(answers.answers)
    share = growth(readings, settle)
    last = readings[-1][1]
    rows = [
        ["requests, by status", _listed(answers), f"{OK} only"],
        ["memory at the start", mebibytes(readings[0][1]), ""],
        [f"memory after {total:,}", mebibytes(last), f"<= {mebibytes(MOST_BYTES)}"],
        [f"growth over the last {total - settle:,}", f"{share:+.1%}", f"<= {MOST_GROWTH:.0%}"],
        ["photos a second", f"{answers.rate:.1f}", ""],
    ]
    return markdown_table(["what", "measured", "wanted"], rows)


def _listed(run: LoadResult) -> str:
    return ", ".join(f"{status}: {count}" for status, count in sorted(run.statuses.items()))


def _plot(readings: Readings, path: Path) -> None:
    from matplotlib.figure import Figure  # imported here, as importing it would slow down --help

    figure = Figure(figsize=(7, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot([number for number, _ in readings], [size / 2**20 for _, size in readings])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("requests")
    axes.set_ylabel("memory of all processes, MB")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=90, metadata={"Software": None})


if __name__ == "__main__":
    main()
