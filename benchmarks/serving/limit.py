"""Photos a second without HTTP: the decoder and the engine in threads.

    python -m benchmarks.serving.limit models/cats-vs-dogs/1 --threads 2 --seconds 8

What `benchmarks.serving.serve` calls the in-process limit. A thread takes one photo at a time, as a
server without a queue would; those that wait in this service's go through the network in twos,
which takes a tenth less.
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from app.model.classifier import Classifier
from benchmarks.harness.photos import load_photos
from benchmarks.harness.server import ROOT
from training.cli import CommandError, Parser, positive, positive_real, run

PROG = "python -m benchmarks.serving.limit"


def main() -> None:
    """The command."""
    parser = Parser(PROG, description="Photos a second without HTTP.")
    parser.add_argument("model", type=Path, help="a version folder, or a folder of versions")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--seconds", type=positive_real, default=8)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: made ones)")
    arguments = parser.parse_args()
    threads = arguments.threads
    classifier = Classifier.load(arguments.model, engine="litert", threads=threads)
    print(f"{rate(classifier, load_photos(arguments.photos), threads, arguments.seconds):.2f}")


def measure_limit(model: Path, photos: list[bytes], threads: int, seconds: float) -> float:
    """Run this command in a process of its own.

    Args:
        model: a version folder.
        photos: JPEG files' bytes.
        threads: how many classify at a time.
        seconds: how long.

    Returns:
        Photos a second.

    Raises:
        CommandError: it failed; the message is its last line.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(photos):
            (Path(folder) / f"{number:03}.jpg").write_bytes(data)
        command = [sys.executable, "-m", "benchmarks.serving.limit", str(model.resolve())]
        command += ["--threads", str(threads), "--seconds", str(seconds), "--photos", folder]
        # Our own interpreter and our own module, without a shell.
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
    if done.returncode:
        last = (done.stderr.strip() or "no output").splitlines()[-1]
        raise CommandError(f"The in-process limit cannot be measured: {last}")
    return float(done.stdout)


def rate(classifier: Classifier, photos: list[bytes], threads: int, seconds: float) -> float:
    """Photos a second that so many threads classify, each one photo after the other."""
    counts = [0] * threads
    start = threading.Barrier(threads + 1)
    stop = threading.Event()

    def work(thread: int) -> None:
        classifier.predict(photos[thread % len(photos)])  # the first is slower
        start.wait()
        while not stop.is_set():
            classifier.predict(photos[(counts[thread] + thread) % len(photos)])
            counts[thread] += 1

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    start.wait()
    began = time.perf_counter()
    stop.wait(seconds)
    total, elapsed = sum(counts), time.perf_counter() - began
    stop.set()
    for worker in workers:
        worker.join()
    return total / elapsed


if __name__ == "__main__":
    run(PROG, main)
