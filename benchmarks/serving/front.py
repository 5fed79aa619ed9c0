"""Measure the processor time of a request in the front process and in the workers.

    python -m benchmarks.serving.front
    python -m benchmarks.serving.front --model models/cats-vs-dogs --photos photos

wrk posts photos with 8 clients, as forms and as raw bodies in turn. The front process has one
thread for HTTP, so it answers at most 1 / (its processor time for a request) photos a second, on
any number of cores. With a small network it is the bottleneck on few cores. The medians over the
rounds go to build/benchmarks/front-MODEL-VERSION.md.
"""

import os
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import httpx

from app.cli import CommandError, Parser, command, positive
from app.model.litert import FILES
from app.model.version_folder import find_version, load_card
from benchmarks.harness.memory import own_processor_seconds, process_tree
from benchmarks.harness.photos import load_photos
from benchmarks.harness.processor import processor
from benchmarks.harness.server import Server, running_service
from benchmarks.harness.table import log, markdown_table, timed, write_result
from benchmarks.harness.wrk import Body, run_wrk, wrk_path

PROG = "python -m benchmarks.serving.front"
CLIENTS = 8
WARM_SECONDS = 3


@dataclass(frozen=True)
class Cost:
    """Processor seconds of one request, and the photos per second of that round."""

    front: float
    workers: float
    rate: float


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Measure the processor time of HTTP and of the workers.")
    parser.add_argument("--model", type=Path, default=Path("models/digits"))
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--seconds", type=positive, default=5, help="for each figure")
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: generated ones)")
    parser.add_argument("--engine", default="litert", choices=("litert", *FILES))
    arguments = parser.parse_args()
    folder = find_version(arguments.model)
    card = load_card(folder)
    wrk_path()
    photos = load_photos(arguments.photos)
    with timed(PROG), running_service(folder, engine=arguments.engine) as server:
        engine = httpx.get(f"{server.address}/model").raise_for_status().json()["engine"]
        costs = _measure(server, photos, arguments.rounds, arguments.seconds)
    title = f"{card.name} {card.version} with {engine}; {processor()}; {os.cpu_count()} cores; "
    title += f"medians of {arguments.rounds} rounds of {arguments.seconds} s, {CLIENTS} clients, "
    title += f"{len(photos)} photos"
    write_result(f"front-{card.name}-{card.version}", f"{title}\n\n{report(costs)}")


def _measure(
    server: Server, photos: list[bytes], rounds: int, seconds: int
) -> dict[Body, list[Cost]]:
    costs: dict[Body, list[Cost]] = {body: [] for body in get_args(Body)}
    run_wrk(f"{server.address}/predict", photos, CLIENTS, WARM_SECONDS)
    for number in range(rounds):
        for body, values in costs.items():
            cost = _round(server, photos, seconds, body)
            values.append(cost)
            what = f"round {number + 1}: {body}"
            log(f"{what:<20} {_ms(cost.front)} front, {_ms(cost.workers)} workers")
    return costs


def _round(server: Server, photos: list[bytes], seconds: int, body: Body) -> Cost:
    """One load.

    Raises:
        CommandError: a request failed, so that the time is not that of good answers.
    """
    before = _used(server)
    load = run_wrk(f"{server.address}/predict", photos, CLIENTS, seconds, body)
    if load.errors or not load.rate:
        raise CommandError(f"{load.errors} requests failed: {server.last_words()}")
    front, workers = (now - then for now, then in zip(_used(server), before, strict=True))
    answers = load.rate * seconds
    return Cost(front / answers, workers / answers, load.rate)


def _used(server: Server) -> tuple[float, float]:
    """Return the processor seconds of the first process, and of all others together."""
    return own_processor_seconds(server.pid), sum(
        own_processor_seconds(pid) for pid in process_tree(server.pid) if pid != server.pid
    )


def report(costs: dict[Body, list[Cost]]) -> str:
    """Return a table of the medians for each kind of body.

    One front process keeps as many workers busy as their time for a photo has of its own.
    """
    header = ["body", "front process", "workers", "photos/s, measured"]
    header += ["photos/s that one front process allows", "cores that it keeps busy"]
    rows = []
    for body, values in costs.items():
        front = statistics.median(cost.front for cost in values)
        workers = statistics.median(cost.workers for cost in values)
        rate = statistics.median(cost.rate for cost in values)
        busy = 1 + workers / front
        rows.append([body, _ms(front), _ms(workers), f"{rate:.0f}", f"{1 / front:.0f}"])
        rows[-1].append(f"{busy:.1f}")
    return markdown_table(header, rows)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.2f} ms"


if __name__ == "__main__":
    main()
