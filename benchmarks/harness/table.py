"""What the benchmarks print and write: percentiles, Markdown tables, lines of progress."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

BUILD = Path("build/benchmarks")


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank).

    Returns:
        NaN when there are no values.
    """
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[max(0, -int(-len(ordered) * percent // 100) - 1)]


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def mebibytes(count: float) -> str:
    """Bytes in MB of 2**20, as the operating system's tools count."""
    return f"{count / 2**20:.1f} MB"


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds."""
    return f"{1000 * seconds:.1f} ms"


def clients_of(count: int) -> str:
    """A number of clients in words."""
    return "1 client" if count == 1 else f"{count} clients"


def tell(text: str) -> None:
    """A line of progress on stderr: stdout has the result only."""
    print(text, file=sys.stderr, flush=True)


def publish(name: str, text: str) -> Path:
    """Print a result and keep it as build/benchmarks/NAME.md."""
    BUILD.mkdir(parents=True, exist_ok=True)
    path = BUILD / f"{name}.md"
    path.write_text(text + "\n", encoding="utf-8")
    print(text)
    return path


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Say on stderr how long it took."""
    began = time.perf_counter()
    yield
    tell(f"{what}: {time.perf_counter() - began:.0f} s")
