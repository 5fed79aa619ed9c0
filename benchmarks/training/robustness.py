"""Measure the accuracy on variants of the same photos: mirrored, rotated, other formats and sizes.

    python -m benchmarks.training.robustness models/cats-vs-dogs data/cats_vs_dogs_small/test

All variants go through the decoder and the classifier of the service.
"""

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps

from app.cli import Parser, command
from app.model.classifier import Classifier
from training.data.class_folders import open_subset
from training.data.samples import Sample
from training.evaluation.evaluator import evaluate

PROG = "python -m benchmarks.training.robustness"
_ORIENTATION = 0x0112  # the EXIF tag
_TURNED_LEFT = 6  # viewers rotate such a file by 90 degrees to the right


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Test a model on variants of the same photos.")
    parser.add_argument("model", type=Path, help="a version folder, or a folder of versions")
    parser.add_argument("photos", type=Path, help="FOLDER/CLASS/PHOTO")
    arguments = parser.parse_args()
    classifier = Classifier.load(
        arguments.model, engine="litert-float", threads=os.cpu_count() or 1
    )
    samples = open_subset(arguments.photos, classifier.card.labels)
    accuracies = {}
    for name, change in VARIANTS.items():
        changed = [_with_change(sample, change) for sample in samples]
        accuracies[name] = evaluate(classifier, changed, name).accuracy.value
    for name, value in accuracies.items():
        print(f"{name:<24} {value:.2%}")
    spread = max(accuracies.values()) - min(accuracies.values())
    print(f"{'largest difference':<24} {100 * spread:.2f} points")


def _with_change(sample: Sample, change: Callable[[Image.Image], bytes] | None) -> Sample:
    if change is None:
        return sample

    def read() -> bytes:
        with Image.open(io.BytesIO(sample.read())) as image:
            return change(image.convert("RGB"))

    return replace(sample, read=read)


def _as_png(image: Image.Image) -> bytes:
    return _encode(image, "PNG")


def _as_mirrored(image: Image.Image) -> bytes:
    return _encode(ImageOps.mirror(image), "PNG")


def _as_jpeg(image: Image.Image) -> bytes:
    return _encode(image, "JPEG", quality=85)


def _as_half(image: Image.Image) -> bytes:
    return _resized(image, 0.5)


def _as_double(image: Image.Image) -> bytes:
    return _resized(image, 2.0)


def _resized(image: Image.Image, factor: float) -> bytes:
    size = tuple(max(1, round(side * factor)) for side in image.size)
    return _encode(image.resize(size, Image.Resampling.BICUBIC), "PNG")  # type: ignore[arg-type]


def _as_turned(image: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURNED_LEFT
    turned = image.transpose(Image.Transpose.ROTATE_90)
    return _encode(turned, "JPEG", quality=95, subsampling=0, exif=exif)


def _encode(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


VARIANTS = {
    "as they are": None,
    "PNG": _as_png,
    "mirrored": _as_mirrored,
    "turned by EXIF": _as_turned,
    "JPEG at quality 85": _as_jpeg,
    "half the size": _as_half,
    "double the size": _as_double,
}

if __name__ == "__main__":
    main()
