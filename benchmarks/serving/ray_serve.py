"""Compare the service on Ray Serve with the plain service on the same cores.

    python -m benchmarks.serving.ray_serve
    python -m benchmarks.serving.ray_serve --photos photos --clients 8 --rounds 5

Every round starts each contender alone, warms it up, lets wrk post photos, and stops it. Each has
two worker processes. The processor time and the memory (PSS) are those of all its processes, Ray's
too. The medians over the rounds go to build/benchmarks/ray_serve.md. On a busy machine only the
processor time and the memory mean something: there, the contender with more processes gets more of
the processor, and answers more photos a second for that reason. It needs the extra `cluster`.
"""

import secrets
import statistics
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.cli import Parser, command, positive, positive_real
from app.model.litert import FILES
from app.model.version_folder import find_version, load_card
from benchmarks.harness.memory import processor_seconds, pss_bytes
from benchmarks.harness.photos import load_photos
from benchmarks.harness.processor import processor
from benchmarks.harness.server import Server, free_port, running_server, running_service
from benchmarks.harness.table import (
    log,
    markdown_table,
    mebibytes,
    milliseconds,
    timed,
    write_result,
)
from benchmarks.harness.wrk import WrkResult, run_wrk, wrk_path
from deploy.ray.connect import prepare

PROG = "python -m benchmarks.serving.ray_serve"
WARM_SECONDS = 2
PLAIN = "plain, 2 workers"


@dataclass(frozen=True)
class Contender:
    """A way to serve; without replicas it is the plain service.

    Attributes:
        haproxy: whether HAProxy passes requests to the replicas, instead of Ray's own proxy.
    """

    name: str
    replicas: int = 0
    workers: int = 2
    haproxy: bool = False


CONTENDERS = (
    Contender(PLAIN),
    Contender("Ray Serve, 1 replica of 2 workers", 1, 2),
    Contender("Ray Serve, 2 replicas of 1 worker", 2, 1),
    Contender("the same, behind HAProxy", 2, 1, haproxy=True),
)


@dataclass(frozen=True)
class Measured:
    """One round of a contender: its load, processor seconds a photo, bytes, seconds to ready."""

    load: WrkResult
    processor: float
    memory: int
    ready: float


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Compare Ray Serve with the plain service.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs"))
    parser.add_argument("--engine", default="litert-int8", choices=FILES)
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--seconds", type=positive_real, default=6, help="for each figure")
    parser.add_argument("--clients", type=positive, default=8)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: generated ones)")
    arguments = parser.parse_args()
    card = load_card(find_version(arguments.model))
    prepare(None)
    wrk_path()  # report a missing wrk at once
    photos = load_photos(arguments.photos)
    results: dict[str, list[Measured]] = {each.name: [] for each in CONTENDERS}
    with timed("benchmarks.serving.ray_serve"):
        for number in range(arguments.rounds):
            log(f"round {number + 1} of {arguments.rounds}")
            for contender in CONTENDERS:
                results[contender.name].append(_measure(contender, arguments, photos))
    text = f"{card.name} {card.version} with {arguments.engine}; {arguments.clients} clients; "
    text += f"medians of {arguments.rounds} rounds of {arguments.seconds:g} s; {processor()}"
    write_result("ray_serve", f"{text}\n\n{_table(results)}")


def _measure(contender: Contender, arguments: Namespace, photos: list[bytes]) -> Measured:
    with _running(contender, arguments) as server:
        address, clients = f"{server.address}/predict", arguments.clients
        run_wrk(address, photos, clients, WARM_SECONDS)
        before = processor_seconds(server.pid)
        load = run_wrk(address, photos, clients, arguments.seconds)
        used = processor_seconds(server.pid) - before
        answered = max(load.rate * arguments.seconds, 1e-9)
        memory = pss_bytes(server.pid)
    errors = f", {load.errors} errors!" if load.errors else ""
    log(f"  {contender.name:<36} {load.rate:7.1f} photos/s, {mebibytes(memory)}{errors}")
    return Measured(load, used / answered, memory, server.ready_seconds)


@contextmanager
def _running(contender: Contender, arguments: Namespace) -> Iterator[Server]:
    if not contender.replicas:
        service = running_service(arguments.model, engine=arguments.engine, workers=2)
        with service as server:
            yield server
        return
    port = free_port()
    words = ["--port", port, "--replicas", contender.replicas, "--cpus", contender.workers]
    environment = {
        "APP_MODEL": str(arguments.model.resolve()),
        "APP_ENGINE": arguments.engine,
        "RAY_AUTH_TOKEN": secrets.token_hex(32),  # else Ray writes one into ~/.ray
        "RAY_SERVE_ENABLE_HA_PROXY": str(int(contender.haproxy)),
    }
    python = [sys.executable, "-m", "deploy.ray.local", *map(str, words)]
    with running_server(python, environment, port, "/readyz") as server:
        yield server


def _table(results: dict[str, list[Measured]]) -> str:
    header = ["", "photos/s", "of the plain service", "p50", "processor time a photo"]
    header += ["of the plain service", "memory", "start to ready", "errors"]
    return markdown_table(header, [_row(name, results) for name in results])


def _row(name: str, results: dict[str, list[Measured]]) -> list[str]:
    ours, middle = results[name], statistics.median
    pairs = list(zip(ours, results[PLAIN], strict=True))
    rates = [each.load.rate / (plain.load.rate or float("nan")) for each, plain in pairs]
    costs = [each.processor / (plain.processor or float("nan")) for each, plain in pairs]
    return [
        name,
        f"{middle(each.load.rate for each in ours):.0f}",
        f"{middle(rates):.2f}",
        milliseconds(middle(each.load.p50 for each in ours)),
        milliseconds(middle(each.processor for each in ours)),
        f"{middle(costs):.2f}",
        mebibytes(middle(each.memory for each in ours)),
        f"{middle(each.ready for each in ours):.1f} s",
        str(sum(each.load.errors for each in ours)),
    ]


if __name__ == "__main__":
    main()
