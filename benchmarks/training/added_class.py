"""Time the way to a new head after a class was added to a data set whose features are known.

    python -m benchmarks.training.added_class data/cats_vs_dogs_small photos/rabbits --photos 100

The features of the data set's training photos are computed first, if they are not in the cache. The
clock runs while the features of the new photos are computed and the head is fitted on all of them.
The new photos' features are kept in a temporary folder, so every call measures the same.
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from app.cli import CommandError, Parser, command, positive
from training.data.class_folders import open_dataset
from training.data.photo_files import scan
from training.data.samples import Sample
from training.networks.backbone_weights import BACKBONES, LITE0

PROG = "python -m benchmarks.training.added_class"


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Time the addition of a class.")
    parser.add_argument("data", type=Path, help="class folders, as training.fit takes them")
    parser.add_argument("added", type=Path, help="a folder with the photos of the new class")
    parser.add_argument("--photos", type=positive, default=100, help="of the new class")
    parser.add_argument("--backbone", choices=sorted(BACKBONES), default=LITE0)
    parser.add_argument("--size", type=positive, default=224, help="of the photos in pixels")
    parser.add_argument("--cache", type=Path, default=Path("data/.cache"))
    arguments = parser.parse_args()
    from training.transfer.features import Extractor, compute_features
    from training.transfer.head import fit_head

    extractor = Extractor(arguments.backbone, arguments.size)
    dataset = open_dataset(arguments.data)
    compute_features(dataset.train, extractor, arguments.cache)
    added = _samples(arguments.added, len(dataset.labels), arguments.photos)
    began = time.perf_counter()
    old = compute_features(dataset.train, extractor, arguments.cache)
    with tempfile.TemporaryDirectory() as scratch:
        # The backbone's file is converted before the clock runs, as for the data set.
        compute_features(added[:1], extractor, Path(scratch))
        converted = time.perf_counter()
        new = compute_features(added[1:], extractor, Path(scratch))
    computed = time.perf_counter()
    values = np.concatenate([old.values, new.values])
    fit_head(values, np.concatenate([old.labels, new.labels]))
    done = time.perf_counter()
    features, head = computed - converted, done - computed
    print(f"{len(new.samples)} photos added to {len(old.samples)}: ", end="")
    print(f"features {features:.1f} s, head {head:.1f} s, together {features + head:.1f} s")
    print(f"(reading the known features, and converting the backbone: {converted - began:.1f} s)")


def _samples(folder: Path, label: int, count: int) -> list[Sample]:
    photos = scan(folder).photos
    if len(photos) <= count:
        raise CommandError(f"{folder}: {len(photos)} photos, {count + 1} are needed.")
    return [
        Sample(path.name, label, digest, path.read_bytes, folder.name)
        for path, digest in photos[: count + 1]
    ]


if __name__ == "__main__":
    main()
