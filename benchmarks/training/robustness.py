"""Accuracy on the same photos in other clothes: mirrored, turned by EXIF, PNG, JPEG again.

    python -m benchmarks.training.robustness models/cats-vs-dogs data/cats_vs_dogs_small/test

Every variant goes through the decoder and the classifier that serve.
"""

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps

from app.model.classifier import Classifier
from training.cli import Parser, run
from training.data.class_folders import open_subset
from training.data.samples import Sample
from training.evaluation.evaluator import evaluate

PROG = "python -m benchmarks.training.robustness"
_ORIENTATION = 0x0112  # the EXIF tag
_TURNED_LEFT = 6  # such a file is to be turned a quarter to the right for viewing


def main() -> None:
    """The command."""
    parser = Parser(PROG, description="Test a model on variants of the same photos.")
    parser.add_argument("model", type=Path, help="a version folder, or a folder of versions")
    parser.add_argument("photos", type=Path, help="FOLDER/CLASS/PHOTO")
    arguments = parser.parse_args()
    classifier = Classifier.load(arguments.model, engine="litert", threads=os.cpu_count() or 1)
    samples = open_subset(arguments.photos, classifier.card.labels)
    accuracies = {}
    for name, change in VARIANTS.items():
        changed = [_changed(sample, change) for sample in samples]
        accuracies[name] = evaluate(classifier, changed, name).accuracy.value
    for name, value in accuracies.items():
        print(f"{name:<24} {value:.2%}")
    spread = max(accuracies.values()) - min(accuracies.values())
    print(f"{'largest difference':<24} {100 * spread:.2f} points")


def _changed(sample: Sample, change: Callable[[Image.Image], bytes] | None) -> Sample:
    if change is None:
        return sample

    def read() -> bytes:
        with Image.open(io.BytesIO(sample.read())) as image:
            return change(image.convert("RGB"))

    return replace(sample, read=read)


def _png(image: Image.Image) -> bytes:
    return _saved(image, "PNG")


def _mirrored(image: Image.Image) -> bytes:
    return _saved(ImageOps.mirror(image), "PNG")


def _jpeg(image: Image.Image) -> bytes:
    return _saved(image, "JPEG", quality=85)


def _turned(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURNED_LEFT
    turned = image.transpose(Image.Transpose.ROTATE_90)
    return _saved(turned, "JPEG", quality=95, subsampling=0, exif=exif)


def _saved(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


VARIANTS = {
    "as they are": None,
    "PNG": _png,
    "mirrored": _mirrored,
    "turned by EXIF": _turned,
    "JPEG at quality 85": _jpeg,
}

if __name__ == "__main__":
    run(PROG, main)
