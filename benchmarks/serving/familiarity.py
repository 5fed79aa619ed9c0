"""Measure what the familiarity and the sets of labels cost `/predict`.

    python -m benchmarks.serving.familiarity models/cats-vs-dogs
    python -m benchmarks.serving.familiarity models/cats-vs-dogs --rounds 20 --photos photos

Two services run on loopback: one with the version, and one with a copy without thresholds. They get
the same photos from wrk in turn, and every second round begins with the other one. The ratios are
medians over the rounds; they go to build/benchmarks/familiarity-cost-MODEL-VERSION.md.
"""

import statistics
import tempfile
from pathlib import Path

from app.cli import CommandError, Parser, command, positive, positive_real
from app.model.card import CALIBRATION, FAMILIARITY
from app.model.version_folder import find_version, load_card
from benchmarks.harness.photos import load_photos
from benchmarks.harness.server import running_service
from benchmarks.harness.table import log, markdown_table, milliseconds, timed, write_result
from benchmarks.harness.version_copy import copy_without
from benchmarks.harness.wrk import WrkResult, run_wrk, wrk_path

PROG = "python -m benchmarks.serving.familiarity"
WITH, WITHOUT = "with familiarity", "without"
CLIENTS = 8
MOST = 1.05  # the highest accepted ratio of times
Loads = dict[tuple[str, int], list[WrkResult]]  # by service and number of clients


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Measure /predict with and without familiarity.")
    parser.add_argument("model", type=Path, help="a version folder, or a folder of versions")
    parser.add_argument("--rounds", type=positive, default=10)
    parser.add_argument("--seconds", type=positive_real, default=4, help="for each figure")
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: generated ones)")
    arguments = parser.parse_args()
    folder = find_version(arguments.model)
    card = load_card(folder)
    if card.thresholds is None:
        raise CommandError(f"{folder} does not measure familiarity; train it again.")
    wrk_path()
    photos = load_photos(arguments.photos)
    with timed(PROG), tempfile.TemporaryDirectory() as scratch:
        removed = {FAMILIARITY, CALIBRATION}
        copy = copy_without(folder, Path(scratch), removed, thresholds=None)
        with running_service(folder) as new, running_service(copy) as old:
            addresses = {WITH: f"{new.address}/predict", WITHOUT: f"{old.address}/predict"}
            loads = _measure(addresses, photos, arguments.rounds, arguments.seconds)
    title = f"{card.name} {card.version}; medians of {arguments.rounds} rounds of "
    title += f"{arguments.seconds:g} s, {len(photos)} photos"
    write_result(f"familiarity-cost-{card.name}-{card.version}", f"{title}\n\n{report(loads)}")


def _measure(addresses: dict[str, str], photos: list[bytes], rounds: int, seconds: float) -> Loads:
    """Load the services in turn."""
    loads: Loads = {(name, clients): [] for clients in (CLIENTS, 1) for name in addresses}
    for address in addresses.values():
        run_wrk(address, photos, CLIENTS, 2)  # the first requests load files and warm caches
    for number in range(rounds):
        # The order changes, as the second service would find warm caches in every round.
        names = list(addresses) if number % 2 else list(addresses)[::-1]
        for clients in (CLIENTS, 1):
            for name in names:
                load = run_wrk(addresses[name], photos, clients, seconds)
                loads[name, clients].append(load)
                errors = f", {load.errors} errors!" if load.errors else ""
                what = f"round {number + 1}: {name}, {clients} client(s)"
                log(f"{what:<42} {load.rate:6.1f}/s, p50 {milliseconds(load.p50)}{errors}")
    return loads


def report(loads: Loads) -> str:
    """Return a table of the medians, and the ratios; above 1 means that familiarity costs time."""
    names = (WITH, WITHOUT)
    rates = {name: [load.rate for load in loads[name, CLIENTS]] for name in names}
    times = {name: [load.p50 for load in loads[name, 1]] for name in names}
    slower = [old / new for new, old in zip(rates[WITH], rates[WITHOUT], strict=True)]
    longer = [new / old for new, old in zip(times[WITH], times[WITHOUT], strict=True)]
    rows = [
        [f"photos per second, {CLIENTS} clients"]
        + [f"{statistics.median(rates[name]):.1f}" for name in names]
        + _cost(slower),
        ["p50, 1 client"]
        + [milliseconds(statistics.median(times[name])) for name in names]
        + _cost(longer),
    ]
    return markdown_table(["", *names, f"cost (at most {MOST})", "of single rounds"], rows)


def _cost(ratios: list[float]) -> list[str]:
    return [f"{statistics.median(ratios):.3f}", f"{min(ratios):.3f} to {max(ratios):.3f}"]


if __name__ == "__main__":
    main()
