"""What benchmarks.serving.serve measured: loads by server, clients and round; table and plot."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.table import clients_of, markdown, milliseconds
from benchmarks.harness.wrk import Load
from benchmarks.serving.contenders import LIMIT, OURS, OURS_RAW, PEERS, TUNED_PEERS


class Rates:
    """Loads by name and clients, one a round, in the order of the rounds."""

    def __init__(self) -> None:
        self._loads: dict[tuple[str, int], list[Load]] = {}

    def add(self, name: str, clients: int, load: Load) -> None:
        """One round's figure."""
        self._loads.setdefault((name, clients), []).append(load)

    @property
    def names(self) -> list[str]:
        """What was measured, in the order in which it came first."""
        return list(dict.fromkeys(name for name, _ in self._loads))

    def known(self, name: str, clients: int) -> bool:
        """Whether there is a figure."""
        return (name, clients) in self._loads

    def median(self, name: str, clients: int) -> float:
        """Photos a second; 0 where nothing was measured."""
        return statistics.median(load.rate for load in self._of(name, clients))

    def p50(self, name: str, clients: int) -> float:
        """Seconds: the median of the rounds' medians."""
        return statistics.median(load.p50 for load in self._of(name, clients))

    def errors(self, name: str, clients: int) -> int:
        """Bad answers in all rounds."""
        return sum(load.errors for load in self._of(name, clients))

    def ratio(self, name: str, other: str, clients: int) -> float:
        """The median of the rounds' ratios: what slows a whole round down cancels out."""
        pairs = zip(self._of(name, clients), self._of(other, clients), strict=True)
        return statistics.median(a.rate / b.rate if b.rate else float("inf") for a, b in pairs)

    def _of(self, name: str, clients: int) -> list[Load]:
        return self._loads.get((name, clients)) or [Load(0.0, 0.0, 0.0, 0)]


def table(rates: Rates, clients: Sequence[int]) -> str:
    """A row a server: photos a second, the median time, and the ratio to this service."""
    header = ["server"]
    for count in clients:
        header += [f"photos/s, {clients_of(count)}", "p50", f"{OURS} / it"]
    rows = [[name, *_cells(rates, name, clients)] for name in rates.names]
    return markdown(header, rows)


def _cells(rates: Rates, name: str, clients: Sequence[int]) -> list[str]:
    cells = []
    for count in clients:
        if not rates.known(name, count):
            cells += ["", "", ""]
            continue
        errors = rates.errors(name, count)
        marked = f" ({errors} errors!)" if errors else ""
        p50 = rates.p50(name, count)
        ratio = f"{rates.ratio(OURS, name, count):.2f}" if rates.known(OURS, count) else ""
        cells.append(f"{rates.median(name, count):.1f}{marked}")
        cells += [milliseconds(p50) if p50 else "", ratio]
    return cells


def ratios(rates: Rates, clients: Sequence[int]) -> str:
    """The ratios that the project holds itself to, for each number of clients."""
    rows = []
    for count in clients:
        best, tuned = (_best(rates, names, count) for names in (PEERS, TUNED_PEERS))
        pairs = {
            f"{OURS} / best peer ({best})": (OURS, best),
            f"{OURS} / best tuned peer ({tuned})": (OURS, tuned),
            f"{OURS} / {LIMIT}": (OURS, LIMIT),
            f"{OURS_RAW} / {OURS}": (OURS_RAW, OURS),
        }
        rows += [
            [what, f"{count}", f"{rates.ratio(one, other, count):.2f}"]
            for what, (one, other) in pairs.items()
            if rates.known(one, count) and rates.known(other, count)
        ]
    return markdown(["ratio of photos a second", "clients", "median"], rows)


def _best(rates: Rates, names: Sequence[str], clients: int) -> str:
    return max(names, key=lambda name: rates.median(name, clients))


def plot(rates: Rates, clients: Sequence[int], title: str, path: Path) -> None:
    """Bars of photos a second, a group a server, a bar a number of clients."""
    from matplotlib.figure import Figure  # slow to import, and --help does not need it

    names = rates.names[::-1]
    figure = Figure(figsize=(8, 1 + 0.6 * len(names)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(clients)
    for index, count in enumerate(clients):
        places = [place - index * height for place in range(len(names))]
        values = [rates.median(name, count) for name in names]
        bars = axes.barh(places, values, height, label=clients_of(count))
        axes.bar_label(bars, [f"{value:.0f}" if value else "" for value in values], fontsize=7)
    axes.set_yticks([place - 0.4 + height / 2 for place in range(len(names))], names)
    axes.set_xlabel("photos a second")
    axes.set_title(title)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=90, metadata={"Software": None})
