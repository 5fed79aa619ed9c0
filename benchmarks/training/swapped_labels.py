"""Measure how many labels that were swapped on purpose training.inspect finds.

    python -m benchmarks.training.swapped_labels data/cats_vs_dogs_small

Some training photos get the label of another class. The benchmark counts them among the first
photos that `training.inspection.suspects.find_mislabels` returns.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from app.cli import Parser, command, natural, positive
from training.data.class_folders import open_dataset
from training.networks.backbone_weights import BACKBONES, LITE0

PROG = "python -m benchmarks.training.swapped_labels"


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Count swapped labels among the probable mislabels.")
    parser.add_argument("data", type=Path, help="class folders, as training.fit takes them")
    parser.add_argument("--swapped", type=positive, default=40, help="labels (default: 40)")
    parser.add_argument("--first", type=positive, default=60, help="suspects (default: 60)")
    parser.add_argument("--draws", type=positive, default=3)
    parser.add_argument("--seed", type=natural, default=0)
    parser.add_argument("--backbone", choices=sorted(BACKBONES), default=LITE0)
    parser.add_argument("--size", type=positive, default=224, help="of the photos in pixels")
    parser.add_argument("--cache", type=Path, default=Path("data/.cache"))
    arguments = parser.parse_args()
    from training.inspection.suspects import find_mislabels
    from training.transfer.features import Extractor, compute_features

    dataset = open_dataset(arguments.data)
    extractor = Extractor(arguments.backbone, arguments.size)
    found = compute_features(dataset.train, extractor, arguments.cache, "features of train")
    classes = len(dataset.labels)
    for draw in range(arguments.draws):
        random = np.random.default_rng((arguments.seed, draw))
        rows = random.permutation(len(found.samples))[: arguments.swapped]
        samples = list(found.samples)
        for row in rows:
            other = (samples[row].label + random.integers(1, classes)) % classes
            samples[row] = replace(samples[row], label=int(other))
        swapped = {id(samples[row]) for row in rows}
        first = find_mislabels(found.values, samples)[: arguments.first]
        hits = sum(id(each.sample) in swapped for each in first)
        print(f"draw {draw}: {hits} of {len(rows)} swapped labels among the first {len(first)}")


if __name__ == "__main__":
    main()
