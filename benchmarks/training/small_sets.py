"""Measure the test accuracy of the linear head for small training sets.

    python -m benchmarks.training.small_sets data/cats_vs_dogs_small

For each number of photos a class, training photos are drawn several times. The head is trained on
their features, as by `training.fit --minutes 0`, and tested on the features of all test photos. The
validation photos are not used.
"""

from pathlib import Path

import numpy as np

from app.cli import Parser, command, positive
from benchmarks.harness.table import markdown_table
from training.data.class_folders import open_dataset
from training.networks.backbone_weights import BACKBONES, LITE0

PROG = "python -m benchmarks.training.small_sets"
COUNTS = (10, 25, 50, 100, 200, 500)


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Train the head on a few photos a class.")
    parser.add_argument("data", type=Path, help="class folders with train/ and test/")
    parser.add_argument("--counts", type=positive, nargs="+", default=list(COUNTS))
    parser.add_argument("--draws", type=positive, default=5, help="for each number of photos")
    parser.add_argument("--backbone", choices=sorted(BACKBONES), default=LITE0)
    parser.add_argument("--size", type=positive, default=224, help="of the photos in pixels")
    parser.add_argument("--cache", type=Path, default=Path("data/.cache"))
    arguments = parser.parse_args()
    from training.transfer.features import Extractor, compute_features

    dataset = open_dataset(arguments.data)
    extractor = Extractor(arguments.backbone, arguments.size)
    train = compute_features(dataset.train, extractor, arguments.cache, "features of train")
    test = compute_features(dataset.test, extractor, arguments.cache, "features of test")
    rows = []
    for count in arguments.counts:
        values = [
            _accuracy(train.values, train.labels, test.values, test.labels, count, seed)
            for seed in range(arguments.draws)
        ]
        each = ", ".join(f"{value:.1%}" for value in values)
        spread = f"{np.mean(values):.2%} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.2%}"
        rows.append([str(count), spread, each])
        print(f"{count} photos a class: {spread} ({each})", flush=True)
    print(markdown_table(["photos a class", "test accuracy, mean and deviation", "draws"], rows))


def _accuracy(
    features: np.ndarray,
    labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    count: int,
    seed: int,
) -> float:
    from training.transfer.head import fit_head, probabilities

    random = np.random.default_rng((seed, count))
    rows = np.concatenate(
        [random.permutation(np.flatnonzero(labels == label))[:count] for label in np.unique(labels)]
    )
    head = fit_head(features[rows], labels[rows])
    answers = probabilities(head.logits(test_features)).argmax(axis=1)
    return float((answers == test_labels).mean())


if __name__ == "__main__":
    main()
