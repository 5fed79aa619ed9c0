"""Measure app.score against the in-process limit, in turns.

    python -m benchmarks.serving.score --photos data/cats_vs_dogs_small/test --count 4000

The limit is the decoder and the network in threads, with the same engine and photos, see
`benchmarks.serving.limit`. The rate of app.score is its own, of a whole run without its start.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from app.cli import CommandError, Parser, command, positive, positive_real
from app.settings import Settings
from benchmarks.harness.photos import load_photos
from benchmarks.serving.limit import measure_limit

PROG = "python -m benchmarks.serving.score"


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="app.score against the in-process limit.")
    parser.add_argument("--model", type=Path, default=Settings().model)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: generated ones)")
    parser.add_argument("--count", type=positive, default=4000, help="photos of a run")
    parser.add_argument("--engine", default="litert-int8")
    parser.add_argument("--workers", type=positive, default=2)
    parser.add_argument("--seconds", type=positive_real, default=10, help="of the limit, a round")
    parser.add_argument("--rounds", type=positive, default=3)
    arguments = parser.parse_args()
    photos = load_photos(arguments.photos)
    rates: dict[str, list[float]] = {"limit": [], "app.score": [], "with its start": []}
    with tempfile.TemporaryDirectory() as name:
        paths = _write(photos, Path(name), arguments.count)
        for number in range(arguments.rounds):
            limit = measure_limit(
                arguments.model, photos, arguments.workers, arguments.seconds, arguments.engine
            )
            steady, whole = _score(paths, arguments.model, arguments.engine, arguments.workers)
            for key, rate in zip(rates, (limit, steady, whole), strict=True):
                rates[key].append(rate)
            print(f"round {number + 1}: limit {limit:.1f}, app.score {steady:.1f} ({whole:.1f})")
    base = median(rates["limit"])
    for key, values in rates.items():
        print(f"{key:16}{median(values):8.1f} photos a second  {median(values) / base:.2f}")


def _write(photos: list[bytes], folder: Path, count: int) -> Path:
    """Write the photos as files, and a list that names so many, each of its own by its path."""
    for number, data in enumerate(photos):
        (folder / f"{number}.jpg").write_bytes(data)
    lines = []
    for number in range(count):
        parent = folder / str(number // len(photos))
        parent.mkdir(exist_ok=True)
        lines.append(f"{parent}/../{number % len(photos)}.jpg")
    (folder / "list.txt").write_text("\n".join(lines), encoding="utf-8")
    return folder / "list.txt"


def _score(paths: Path, model: Path, engine: str, workers: int) -> tuple[float, float]:
    """The photos a second that app.score tells, and those of the whole command."""
    words = [str(paths), "--output", str(paths.with_name("rows.csv")), "--restart"]
    words += ["--model", str(model), "--engine", engine, "--workers", str(workers)]
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - this interpreter with a module of this package
        [sys.executable, "-m", "app.score", *words], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    found = re.search(r"\(([0-9.]+) photos a second\)", done.stdout)
    if not found:
        raise CommandError(f"app.score failed: {(done.stderr.splitlines() or [''])[-1]}")
    count = len(paths.read_text(encoding="utf-8").splitlines())
    return float(found[1]), count / seconds


if __name__ == "__main__":
    main()
