"""Format and write the benchmarks' results: percentiles, Markdown tables, progress lines."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

BUILD = Path("build/benchmarks")


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile of the values; NaN if there are none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mebibytes(count: float) -> str:
    """Format bytes as MB of 2**20 bytes."""
    return f"{count / 2**20:.1f} MB"


def milliseconds(seconds: float) -> str:
    """Format seconds as milliseconds."""
    return f"{1000 * seconds:.1f} ms"


def format_clients(count: int) -> str:
    """Format a number of clients, e.g. "1 client"."""
    return "1 client" if count == 1 else f"{count} clients"


def log(text: str) -> None:
    """Print a line of progress to stderr; stdout gets only the result."""
    print(text, file=sys.stderr, flush=True)


def write_result(name: str, text: str) -> Path:
    """Print a result and write it to build/benchmarks/NAME.md; return the path."""
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / f"{name}.md"
    path.write_text(text + "\n", encoding="utf-8")
    print(text)
    return path


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Print the duration of the block to stderr."""
    began = time.perf_counter()
    yield
    log(f"{what}: {time.perf_counter() - began:.0f} s")
