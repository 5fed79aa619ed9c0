"""Compare the training speed of this project with that of the book's script.

    python -m benchmarks.training.training_speed data/cats_vs_dogs_small/train
    python -m benchmarks.training.training_speed data/cats_vs_dogs_small/train --photos 600

Both train the lecture's network on the same photos for the same epochs, in turn and in separate
processes. The book uses `image_dataset_from_directory` and `fit`; this project decodes the photos
into an empty cache and uses the batches of `training.fit`. The preparation is included in the time.
"""

import json
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from app.cli import CommandError, Parser, command, positive
from benchmarks.harness.process import run_module

PROG = "python -m benchmarks.training.training_speed"
WAYS = ("book", "ours")


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Time training against the book's own script.")
    parser.add_argument("photos_of", type=Path, help="FOLDER/CLASS/PHOTO, two classes")
    parser.add_argument("--photos", type=positive, default=2000, help="how many of them to use")
    parser.add_argument("--epochs", type=positive, default=2)
    parser.add_argument("--rounds", type=positive, default=2)
    parser.add_argument("--way", choices=WAYS, help="measure only this one")
    arguments = parser.parse_args()
    if not arguments.load_photos.is_dir():
        raise CommandError(f"{arguments.load_photos}: no such folder. Expected FOLDER/CLASS/PHOTO.")
    if arguments.way:
        measured = {"book": _book, "ours": _ours}[arguments.way]
        print(json.dumps(measured(arguments.load_photos, arguments.epochs)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        photos = _copy_subset(arguments.load_photos, arguments.photos, Path(scratch) / "train")
        rates: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(arguments.rounds):
            for way in WAYS if number % 2 == 0 else WAYS[::-1]:
                seconds = _measure_in_subprocess(way, photos, arguments.epochs)
                rates[way].append(arguments.photos * arguments.epochs / seconds)
                print(f"round {number + 1}: {way:<5} {rates[way][-1]:7.1f} photos a second")
    book, ours = (statistics.median(rates[way]) for way in WAYS)
    print(f"median: book {book:.1f}, ours {ours:.1f}, ratio {ours / book:.2f}")


def _copy_subset(source: Path, count: int, destination: Path) -> Path:
    """Copy the first photos of each class, the same number of each."""
    classes = sorted(entry for entry in source.iterdir() if entry.is_dir())
    for folder in classes:
        (destination / folder.name).mkdir(parents=True)
        for path in sorted(folder.iterdir())[: count // len(classes)]:
            shutil.copy(path, destination / folder.name)
    return destination


def _measure_in_subprocess(way: str, photos: Path, epochs: int) -> float:
    words = [str(photos), "--way", way, "--epochs", str(epochs)]
    return float(
        json.loads(run_module("benchmarks.training.training_speed", words, way))["seconds"]
    )


def _book(photos: Path, epochs: int) -> dict[str, float]:
    import keras

    from training.networks.architectures import cats_vs_dogs

    network = cats_vs_dogs()
    network.compile(optimizer="rmsprop", loss="binary_crossentropy", metrics=["accuracy"])
    began = time.perf_counter()
    dataset = keras.utils.image_dataset_from_directory(
        photos, image_size=(180, 180), batch_size=32, verbose=False
    )
    network.fit(dataset, epochs=epochs, verbose=0)
    return {"seconds": time.perf_counter() - began}


def _ours(photos: Path, epochs: int) -> dict[str, float]:
    from app.model.card import Input
    from training.data.cache import decode_samples
    from training.data.class_folders import open_subset
    from training.loop.build import build
    from training.loop.precision import FLOAT32
    from training.loop.trainer import Stage, stage_batches
    from training.recipes.catalogue import LECTURE

    recipe = replace(LECTURE, epochs=epochs)
    labels = tuple(sorted(entry.name for entry in photos.iterdir()))
    network = build(recipe, len(labels), 1, FLOAT32)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache:
        shape = Input(height=180, width=180, channels=3)
        training = decode_samples(open_subset(photos, labels), shape, "train", Path(cache))
        batches = stage_batches(recipe, len(labels), training, Stage(None, epochs), 0)
        network.fit(batches, epochs=epochs, shuffle=False, verbose=0)
    return {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    main()
