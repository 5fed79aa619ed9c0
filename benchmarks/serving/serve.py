"""Photos a second of this service, its peers and templates, on the same network and photos.

    python -m benchmarks.serving.serve --peer-python peers/bin/python
    python -m benchmarks.serving.serve --model models/cats-vs-dogs/3 --clients 8 --peer-python ...

Every round starts each server in turn, alone, warms it, has wrk post photos to it with each
number of clients, and stops it; then the same work is done in threads without HTTP. Medians
over the rounds go to build/benchmarks/serve-MODEL-VERSION.md and .png. Ratios mean something
on a busy machine, too; the absolute figures only on an idle one. The defaults take about ten
minutes on two cores.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from app.model.card import find_version, load_card
from benchmarks.harness.photos import photos_of
from benchmarks.harness.table import BUILD, clients_of, publish, tell, timed
from benchmarks.harness.wrk import Load, send, wrk
from benchmarks.serving.contenders import CONTENDERS, LIMIT, Contender, running, versions
from benchmarks.serving.limit import limit
from benchmarks.serving.rates import Rates, plot, ratios, table
from training.cli import CommandError, Parser, positive, positive_real, run

PROG = "python -m benchmarks.serving.serve"
WARM_SECONDS = 1


@dataclass(frozen=True)
class Plan:
    """What each round measures."""

    model: Path
    photos: list[bytes]
    clients: list[int]
    seconds: float
    python: Path


def main() -> None:
    """The command."""
    arguments = _parser().parse_args()
    model = find_version(arguments.model)
    card = load_card(model)
    contenders = _chosen(arguments.only)
    described = versions(arguments.peer_python, contenders)
    wrk()  # before minutes have passed
    photos = photos_of(arguments.photos)
    plan = Plan(model, photos, arguments.clients, arguments.seconds, arguments.peer_python)
    rates = Rates()
    with timed("benchmarks.serving.serve"):
        for number in range(arguments.rounds):
            tell(f"round {number + 1} of {arguments.rounds}")
            for contender in contenders:
                _measure(contender, plan, rates)
            _measure_limit(plan, rates)
    title = f"{card.name} {card.version}, {card.parameters:,} parameters"
    text = f"{title}; {os.cpu_count()} cores; medians of {arguments.rounds} rounds of "
    text += f"{arguments.seconds:g} s, {len(photos)} photos; {described}"
    name = f"serve-{card.name}-{card.version}"
    publish(name, f"{text}\n\n{table(rates, plan.clients)}\n\n{ratios(rates, plan.clients)}")
    plot(rates, plan.clients, title, BUILD / f"{name}.png")
    tell(f"kept in {BUILD / name}.md and .png")


def _parser() -> Parser:
    parser = Parser(PROG, description="Compare this service with its peers.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs/1"))
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--seconds", type=positive_real, default=4, help="for each figure")
    parser.add_argument("--clients", type=_numbers, default=[1, 8, 32], help="default: 1,8,32")
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: made ones)")
    parser.add_argument(
        "--peer-python",
        type=Path,
        default=Path(sys.executable),
        help="Python of an environment with the extra 'bench' (default: this one)",
    )
    parser.add_argument("--only", help="names that contain one of these, e.g. BentoML,this")
    return parser


def _numbers(text: str) -> list[int]:
    return [positive(part) for part in text.split(",")]


_numbers.__name__ = "list of numbers"


def _chosen(only: str | None) -> tuple[Contender, ...]:
    if only is None:
        return CONTENDERS
    parts = [part.strip().lower() for part in only.split(",")]
    chosen = tuple(
        each for each in CONTENDERS if any(part in each.name.lower() for part in parts if part)
    )
    if not chosen:
        names = "; ".join(each.name for each in CONTENDERS)
        raise CommandError(f"--only {only}: none of: {names}.")
    return chosen


def _measure(contender: Contender, plan: Plan, rates: Rates) -> None:
    with running(contender, plan.model, plan.python) as server:
        address = f"{server.address}/predict"
        send(address, plan.photos, max(plan.clients), WARM_SECONDS)
        for clients in plan.clients:
            for name, body in contender.bodies or ((contender.name, "multipart"),):
                load = send(address, plan.photos, clients, plan.seconds, body)
                _record(rates, name, clients, load)


def _measure_limit(plan: Plan, rates: Rates) -> None:
    """In a process of its own, as the servers are; a thread a client, up to the cores."""
    classified: dict[int, float] = {}
    for clients in plan.clients:
        threads = min(clients, os.cpu_count() or 1)
        if threads not in classified:
            classified[threads] = limit(plan.model, plan.photos, threads, plan.seconds)
        rate = classified[threads]
        _record(rates, LIMIT, clients, Load(rate, threads / rate, threads / rate, 0))


def _record(rates: Rates, name: str, clients: int, load: Load) -> None:
    rates.add(name, clients, load)
    errors = f", {load.errors} errors!" if load.errors else ""
    tell(f"  {name:<32} {clients_of(clients):>10} {load.rate:7.1f} photos/s{errors}")


if __name__ == "__main__":
    run(PROG, main)
