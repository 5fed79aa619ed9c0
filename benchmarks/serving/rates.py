"""The results of benchmarks.serving.serve by server, clients and round, as table and plot."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.table import format_clients, markdown_table, milliseconds
from benchmarks.harness.wrk import WrkResult
from benchmarks.serving.contenders import LIMIT, OURS, OURS_RAW, PEERS, TUNED_PEERS


class Rates:
    """Results by server name and number of clients, in the order of the rounds."""

    def __init__(self) -> None:
        self._loads: dict[tuple[str, int], list[WrkResult]] = {}

    def add(self, name: str, clients: int, load: WrkResult) -> None:
        """Add the result of one round."""
        self._loads.setdefault((name, clients), []).append(load)

    @property
    def names(self) -> list[str]:
        """The names of the servers, in the order in which they were first added."""
        return list(dict.fromkeys(name for name, _ in self._loads))

    def has(self, name: str, clients: int) -> bool:
        """Tell whether there is a result."""
        return (name, clients) in self._loads

    def median(self, name: str, clients: int) -> float:
        """Return the median of the photos per second; 0 without a result."""
        return statistics.median(load.rate for load in self._of(name, clients))

    def p50(self, name: str, clients: int) -> float:
        """Return the median of the rounds' median times in seconds."""
        return statistics.median(load.p50 for load in self._of(name, clients))

    def errors(self, name: str, clients: int) -> int:
        """Return the number of errors in all rounds."""
        return sum(load.errors for load in self._of(name, clients))

    def ratio(self, name: str, other: str, clients: int) -> float:
        """Return the median of the rounds' ratios, in which a slow round cancels out."""
        pairs = zip(self._of(name, clients), self._of(other, clients), strict=True)
        return statistics.median(a.rate / b.rate if b.rate else float("inf") for a, b in pairs)

    def _of(self, name: str, clients: int) -> list[WrkResult]:
        return self._loads.get((name, clients)) or [WrkResult(0.0, 0.0, 0)]


def table(rates: Rates, clients: Sequence[int]) -> str:
    """Return a table of photos per second, median time and ratio to this service."""
    header = ["server"]
    for count in clients:
        header += [f"photos/s, {format_clients(count)}", "p50", f"{OURS} / it"]
    rows = [[name, *_cells(rates, name, clients)] for name in rates.names]
    return markdown_table(header, rows)


def _cells(rates: Rates, name: str, clients: Sequence[int]) -> list[str]:
    cells = []
    for count in clients:
        if not rates.has(name, count):
            cells += ["", "", ""]
            continue
        errors = rates.errors(name, count)
        marked = f" ({errors} errors!)" if errors else ""
        p50 = rates.p50(name, count)
        ratio = f"{rates.ratio(OURS, name, count):.2f}" if rates.has(OURS, count) else ""
        cells.append(f"{rates.median(name, count):.1f}{marked}")
        cells += [milliseconds(p50) if p50 else "", ratio]
    return cells


def ratios(rates: Rates, clients: Sequence[int]) -> str:
    """Return a table of the ratios between this service and the others."""
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
            if rates.has(one, count) and rates.has(other, count)
        ]
    return markdown_table(["ratio of photos a second", "clients", "median"], rows)


def _best(rates: Rates, names: Sequence[str], clients: int) -> str:
    return max(names, key=lambda name: rates.median(name, clients))


def plot(rates: Rates, clients: Sequence[int], title: str, path: Path) -> None:
    """Plot the photos per second as bars, grouped by server."""
    from matplotlib.figure import Figure  # imported here, as importing it would slow down --help

    names = rates.names[::-1]
    figure = Figure(figsize=(8, 1 + 0.6 * len(names)), layout="constrained")
    axes = figure.subplots()
    height = 0.8 / len(clients)
    for index, count in enumerate(clients):
        places = [place - index * height for place in range(len(names))]
        values = [rates.median(name, count) for name in names]
        bars = axes.barh(places, values, height, label=format_clients(count))
        axes.bar_label(bars, [f"{value:.0f}" if value else "" for value in values], fontsize=7)
    axes.set_yticks([place - 0.4 + height / 2 for place in range(len(names))], names)
    axes.set_xlabel("photos a second")
    axes.set_title(title)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=90, metadata={"Software": None})
