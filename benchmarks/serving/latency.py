"""Compare the latency of large and small photos, and of raw and multipart bodies, for one client.

    python -m benchmarks.serving.latency
    python -m benchmarks.serving.latency --model models/cats-vs-dogs/3 --rounds 5 --seconds 4

The small photo is 500 pixels wide, the large one has 12 megapixels. wrk sends one photo after the
other. The median times of interleaved rounds and their ratios go to build/benchmarks/latency.md.
"""

import statistics
from pathlib import Path

from app.cli import Parser, command, positive, positive_real
from app.model.version_folder import find_version
from benchmarks.harness.photos import encode_jpeg, generate_picture
from benchmarks.harness.server import running_service
from benchmarks.harness.table import log, markdown_table, milliseconds, timed, write_result
from benchmarks.harness.wrk import Body, run_wrk, wrk_path

PROG = "python -m benchmarks.serving.latency"
SIZES = {"500 pixels": (500, 375), "12 megapixels": (4000, 3000)}
BODIES: tuple[Body, ...] = ("multipart", "raw")
MOST = 3.5  # the highest accepted ratio of large to small


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Time large photos and raw bodies, one client.")
    parser.add_argument("--model", type=Path, default=Path("models/cats-vs-dogs/1"))
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--seconds", type=positive_real, default=3, help="for each figure")
    arguments = parser.parse_args()
    model = find_version(arguments.model)
    wrk_path()
    with timed("benchmarks.serving.latency"):
        files = {name: encode_jpeg(generate_picture(0, *size)) for name, size in SIZES.items()}
        times = _measure(model, files, arguments.rounds, arguments.seconds)
    write_result("latency", _report(files, times))


def _measure(
    model: Path, files: dict[str, bytes], rounds: int, seconds: float
) -> dict[tuple[str, Body], list[float]]:
    times: dict[tuple[str, Body], list[float]] = {
        (name, body): [] for name in files for body in BODIES
    }
    with running_service(model) as server:
        address = f"{server.address}/predict"
        run_wrk(address, list(files.values()), 1, 1)
        for number in range(rounds):
            for (name, body), values in times.items():
                load = run_wrk(address, [files[name]], 1, seconds, body)
                values.append(load.p50)
                errors = f", {load.errors} errors!" if load.errors else ""
                what = f"round {number + 1}: {name}, {body}"
                log(f"{what:<36} p50 {milliseconds(load.p50)}{errors}")
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
    return markdown_table(["photo", "file", "body", "p50"], rows) + "\n\n" + "\n".join(lines)


def _ratio(one: list[float], other: list[float]) -> str:
    """Return the median of the rounds' ratios."""
    return f"{statistics.median(a / b for a, b in zip(one, other, strict=True)):.2f}"


if __name__ == "__main__":
    main()
