"""Measure the time of `/explain` and `/layers`, and their effect on the time of `/predict`.

    python -m benchmarks.serving.explain models/cats-vs-dogs/1
    python -m benchmarks.serving.explain models/cats-vs-dogs/1 --photo photo.jpg

Two services run on loopback: one with the version, and one with a copy without `explain.tflite`.
The requests are interleaved, so that other load on the machine affects all of them. Compare the
ratios, not the milliseconds.
"""

import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

from app.cli import Parser, command, positive, progress
from app.model.card import EXPLAIN
from app.model.version_folder import find_version
from benchmarks.harness.photos import load_photos
from benchmarks.harness.server import running_service
from benchmarks.harness.version_copy import copy_without

PROG = "python -m benchmarks.serving.explain"


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Measure /explain and /layers against /predict.")
    parser.add_argument("model", type=Path, help="a version folder with explain.tflite")
    parser.add_argument("--photo", type=Path, help="a file to send (default: a generated photo)")
    parser.add_argument("--rounds", type=positive, default=300, help="requests of each kind")
    arguments = parser.parse_args()
    folder = find_version(arguments.model)
    data = arguments.photo.read_bytes() if arguments.photo else load_photos(None)[0]
    with tempfile.TemporaryDirectory() as scratch:
        copy = copy_without(folder, Path(scratch), {EXPLAIN})
        settings = {"engine": "litert-float"}
        with running_service(copy, **settings) as old, running_service(folder, **settings) as new:
            addresses = {"/predict, without explain.tflite": f"{old.address}/predict"}
            for path in ("/predict", "/explain", "/explain?format=png", "/layers"):
                addresses[path] = new.address + path
            _report(_measure(addresses, data, arguments.rounds))


def _measure(addresses: dict[str, str], data: bytes, rounds: int) -> dict[str, np.ndarray]:
    """Return the seconds of each request by its name.

    Each round sends every request once, in a random order, since a request is slower when an
    earlier one such as `/layers` has filled the CPU's caches.
    """
    seconds: dict[str, list[float]] = {name: [] for name in addresses}
    order = np.random.default_rng(0)
    headers = {"Content-Type": "image/jpeg"}
    with httpx.Client(timeout=60, trust_env=False) as client:
        for turn in progress(range(rounds + 5), "measuring", "round"):
            for name in order.permutation(list(addresses)):
                start = time.perf_counter()
                client.post(addresses[name], content=data, headers=headers).raise_for_status()
                if turn >= 5:  # the first requests load files and warm caches
                    seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values) for name, values in seconds.items()}


def _report(seconds: dict[str, np.ndarray]) -> None:
    base = np.median(seconds["/predict, without explain.tflite"])
    print(f"{'request':<34}{'median':>10}{'ratio':>8}")
    for name, values in seconds.items():
        print(f"{name:<34}{1e3 * np.median(values):>7.2f} ms{np.median(values) / base:>8.3f}")


if __name__ == "__main__":
    main()
