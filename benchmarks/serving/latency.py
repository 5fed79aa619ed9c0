"""A 12-megapixel JPEG against one of 500 pixels, and a raw body against multipart: one client.

    python -m benchmarks.serving.latency
    python -m benchmarks.serving.latency --model models/cats-vs-dogs/3 --rounds 5 --seconds 4

wrk sends one photo after the other; the median times of interleaved rounds and their ratios go
to build/benchmarks/latency.md. The defaults take about a minute.
"""

import statistics
from pathlib import Path

from app.model.card import find_version
from benchmarks.harness.photos import jpeg, picture
from benchmarks.harness.server import service
from benchmarks.harness.table import markdown, milliseconds, publish, tell, timed
from benchmarks.harness.wrk import Body, send, wrk
from training.cli import Parser, positive, positive_real, run

PROG = "python -m benchmarks.serving.latency"
SIZES = {"500 pixels": (500, 375), "12 megapixels": (4000, 3000)}
BODIES: tuple[Body, ...] = ("multipart", "raw")
MOST = 3.5  # what the ratio may be


def main() -> None:
    """The command."""
    parser = Parser(PROG, description="Time large photos and raw bodies, one client.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs/1"))
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--seconds", type=positive_real, default=3, help="for each figure")
    arguments = parser.parse_args()
    model = find_version(arguments.model)
    wrk()
    with timed("benchmarks.serving.latency"):
        files = {name: jpeg(picture(0, *size)) for name, size in SIZES.items()}
        times = _measure(model, files, arguments.rounds, arguments.seconds)
    publish("latency", _report(files, times))


def _measure(
    model: Path, files: dict[str, bytes], rounds: int, seconds: float
) -> dict[tuple[str, Body], list[float]]:
    times: dict[tuple[str, Body], list[float]] = {
        (name, body): [] for name in files for body in BODIES
    }
    with service(model) as server:
        address = f"{server.address}/predict"
        send(address, list(files.values()), 1, 1)
        for number in range(rounds):
            for (name, body), values in times.items():
                load = send(address, [files[name]], 1, seconds, body)
                values.append(load.p50)
                errors = f", {load.errors} errors!" if load.errors else ""
                what = f"round {number + 1}: {name}, {body}"
                tell(f"{what:<36} p50 {milliseconds(load.p50)}{errors}")
    return times


def _report(files: dict[str, bytes], times: dict[tuple[str, Body], list[float]]) -> str:
    rows = [
        [name, f"{len(files[name]) / 1000:.0f} kB", body, milliseconds(statistics.median(values))]
        for (name, body), values in times.items()
    ]
    small, large = SIZES
    lines = [
        f"12 megapixels / 500 pixels, {body}: {_ratio(times[large, body], times[small, body])} "
        f"(wanted: at most {MOST})"
        for body in BODIES
    ]
    lines.append(
        f"raw / multipart, {small}: {_ratio(times[small, 'raw'], times[small, 'multipart'])}"
    )
    return markdown(["photo", "file", "body", "p50"], rows) + "\n\n" + "\n".join(lines)


def _ratio(one: list[float], other: list[float]) -> str:
    """The median of the rounds' ratios."""
    return f"{statistics.median(a / b for a, b in zip(one, other, strict=True)):.2f}"


if __name__ == "__main__":
    run(PROG, main)
