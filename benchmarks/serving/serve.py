"""Compare photos per second of this service, its peers and FastAPI templates.

    python -m benchmarks.serving.serve --peer-python peers/bin/python
    python -m benchmarks.serving.serve --model models/cats-vs-dogs/3 --clients 8 --peer-python ...
    python -m benchmarks.serving.serve --engine tensorflow --only this

All servers serve the same network and get the same photos. This service runs with the engine that
it chooses itself (or that of --engine), and once with each network of the version. Every round
starts each server alone, warms it up, runs wrk with each number of clients, and stops the server;
then it measures the same work in threads without HTTP. The medians over the rounds go to
build/benchmarks/serve-MODEL-VERSION.md and .png. The absolute figures need an idle machine; the
ratios do not.
"""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import httpx

from app.cli import CommandError, Parser, command, positive, positive_real
from app.model.card import Card
from app.model.engine import Choice
from app.model.fastest import networks
from app.model.litert import FILES
from app.model.version_folder import find_version, load_card
from benchmarks.harness.photos import load_photos
from benchmarks.harness.processor import processor
from benchmarks.harness.table import BUILD, format_clients, log, timed, write_result
from benchmarks.harness.wrk import WrkResult, run_wrk, wrk_path
from benchmarks.serving.contenders import (
    CONTENDERS,
    LIMIT,
    OURS,
    Contender,
    running_contender,
    versions,
)
from benchmarks.serving.limit import measure_limit
from benchmarks.serving.rates import Rates, plot, ratios, table

PROG = "python -m benchmarks.serving.serve"
WARM_SECONDS = 1


@dataclass(frozen=True)
class ServeConfig:
    """The settings of a round."""

    model: Path
    photos: list[bytes]
    clients: list[int]
    seconds: float
    python: Path
    engine: str
    ran: set[str] = field(default_factory=set)  # the engines that it chose


@command(PROG)
def main() -> None:
    """Run the command."""
    arguments = _parser().parse_args()
    model = find_version(arguments.model)
    card = load_card(model)
    contenders = _select_contenders(arguments.only, arguments.engine, card)
    described = versions(arguments.peer_python, contenders)
    wrk_path()  # report a missing wrk at once
    photos = load_photos(arguments.photos)
    config = ServeConfig(
        model, photos, arguments.clients, arguments.seconds, arguments.peer_python, arguments.engine
    )
    rates = Rates()
    with timed("benchmarks.serving.serve"):
        for number in range(arguments.rounds):
            log(f"round {number + 1} of {arguments.rounds}")
            for contender in contenders:
                _measure(contender, config, rates)
            _measure_limit(config, rates)
    title = f"{card.name} {card.version}, {card.parameters:,} parameters"
    text = f"{title}; {os.cpu_count()} cores; medians of {arguments.rounds} rounds of "
    text += f"{arguments.seconds:g} s, {len(photos)} photos; {processor()}; "
    text += f"{OURS} ran {', '.join(sorted(config.ran)) or 'nothing'}; {described}"
    name = f"serve-{card.name}-{card.version}"
    write_result(
        name, f"{text}\n\n{table(rates, config.clients)}\n\n{ratios(rates, config.clients)}"
    )
    plot(rates, config.clients, title, BUILD / f"{name}.png")
    log(f"kept in {BUILD / name}.md and .png")


def _parser() -> Parser:
    parser = Parser(PROG, description="Compare this service with its peers.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs"))
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--seconds", type=positive_real, default=4, help="for each figure")
    parser.add_argument("--clients", type=_numbers, default=[1, 8, 32], help="default: 1,8,32")
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: generated ones)")
    parser.add_argument(
        "--peer-python",
        type=Path,
        default=Path(sys.executable),
        help="Python of an environment with the extra 'bench' (default: this one)",
    )
    parser.add_argument(
        "--engine", default="auto", choices=get_args(Choice), help="of this service (default: auto)"
    )
    parser.add_argument("--only", help="names that contain one of these, e.g. BentoML,this")
    return parser


def _numbers(text: str) -> list[int]:
    return [positive(part) for part in text.split(",")]


_numbers.__name__ = "list of numbers"


def _select_contenders(only: str | None, engine: Choice, card: Card) -> tuple[Contender, ...]:
    """Return those that `only` names; the networks in comparison only where the service chooses."""
    compared = networks(card, "litert") if engine in ("auto", "litert") else []
    possible = tuple(each for each in CONTENDERS if not each.engine or each.engine in compared)
    if only is None:
        return possible
    parts = [part.strip().lower() for part in only.split(",")]
    chosen = tuple(
        each for each in possible if any(part in each.name.lower() for part in parts if part)
    )
    if not chosen:
        names = "; ".join(each.name for each in possible)
        raise CommandError(f"--only {only}: none of: {names}.")
    return chosen


def _measure(contender: Contender, config: ServeConfig, rates: Rates) -> None:
    with running_contender(contender, config.model, config.python, config.engine) as server:
        address = f"{server.address}/predict"
        if contender.name == OURS:
            described = httpx.get(f"{server.address}/model").raise_for_status().json()
            config.ran.add(described["engine"])
            log(f"  {OURS} runs {described['engine']}: {described['engine_reason']}")
        run_wrk(address, config.photos, max(config.clients), WARM_SECONDS)
        for clients in config.clients:
            for name, body in contender.bodies or ((contender.name, "multipart"),):
                load = run_wrk(address, config.photos, clients, config.seconds, body)
                _record(rates, name, clients, load)


def _measure_limit(config: ServeConfig, rates: Rates) -> None:
    """Measure the in-process limit with one thread for each client, at most one for each core."""
    classified: dict[int, float] = {}
    engine = config.engine if config.engine in FILES else "litert"
    for clients in config.clients:
        threads = min(clients, os.cpu_count() or 1)
        if threads not in classified:
            classified[threads] = measure_limit(
                config.model, config.photos, threads, config.seconds, engine
            )
        rate = classified[threads]
        _record(rates, LIMIT, clients, WrkResult(rate, threads / rate, 0))


def _record(rates: Rates, name: str, clients: int, load: WrkResult) -> None:
    rates.add(name, clients, load)
    errors = f", {load.errors} errors!" if load.errors else ""
    log(f"  {name:<32} {format_clients(clients):>10} {load.rate:7.1f} photos/s{errors}")


if __name__ == "__main__":
    main()
