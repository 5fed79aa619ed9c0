"""Measure photos per second without HTTP: the decoder and the engine in threads.

    python -m benchmarks.serving.limit models/cats-vs-dogs/1 --threads 2 --seconds 8

`benchmarks.serving.serve` calls the result the in-process limit. Each thread classifies one photo
at a time. The service can do better, as it classifies waiting photos in batches.
"""

import tempfile
import threading
import time
from pathlib import Path

from app.cli import Parser, command, positive, positive_real
from app.model.classifier import Classifier
from app.model.litert import FILES
from benchmarks.harness.photos import load_photos
from benchmarks.harness.process import run_module

PROG = "python -m benchmarks.serving.limit"


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Photos a second without HTTP.")
    parser.add_argument("model", type=Path, help="a version folder, or a folder of versions")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--seconds", type=positive_real, default=8)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: generated ones)")
    parser.add_argument("--engine", default="litert", choices=("litert", *FILES))
    arguments = parser.parse_args()
    threads = arguments.threads
    # One for each thread, as a classifier is for one thread at a time.
    classifiers = [
        Classifier.load(arguments.model, engine=arguments.engine) for _ in range(threads)
    ]
    print(f"{rate(classifiers, load_photos(arguments.photos), arguments.seconds):.2f}")


def measure_limit(
    model: Path, photos: list[bytes], threads: int, seconds: float, engine: str
) -> float:
    """Run this command in a separate process.

    Args:
        model: a version folder.
        photos: the bytes of JPEG files.
        threads: the number of threads.
        seconds: the duration.
        engine: see `app.model.engine.choose`; not TensorFlow.

    Returns:
        Photos per second.

    Raises:
        CommandError: the command failed; the message has its last line.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(photos):
            (Path(folder) / f"{number:03}.jpg").write_bytes(data)
        words = [str(model.resolve()), "--threads", str(threads), "--seconds", str(seconds)]
        words += ["--engine", engine]
        words += ["--photos", folder]
        what = "The in-process limit cannot be measured"
        return float(run_module("benchmarks.serving.limit", words, what))


def rate(classifiers: list[Classifier], photos: list[bytes], seconds: float) -> float:
    """Return the photos per second of a thread for each classifier, one photo after the other."""
    threads = len(classifiers)
    counts = [0] * threads
    start = threading.Barrier(threads + 1)
    stop = threading.Event()

    def work(thread: int) -> None:
        classifier = classifiers[thread]
        classifier.predict(photos[thread % len(photos)])  # the first prediction is slower
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
    main()
