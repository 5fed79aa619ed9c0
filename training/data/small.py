"""Keep all photos of a small data set for training; cross-validation tests on them."""

from collections import Counter
from dataclasses import replace

from training.data.samples import Dataset

# A class with fewer photos has too few to hold some out; cross-validation tests on all of them.
SMALL_CLASS = 40


def merge_small(dataset: Dataset) -> Dataset:
    """Return the data set with all photos in train, if a class is too small to hold some out.

    Folders `validation` and `test` that the user made stay as they are.
    """
    parts = (dataset.train, dataset.validation, dataset.test)
    counts = Counter(sample.label for part in parts for sample in part)
    if "test" not in dataset.split_off or min(counts.values()) >= SMALL_CLASS:
        return dataset
    train, validation = [*dataset.train, *dataset.test], dataset.validation
    if "validation" in dataset.split_off:
        train, validation = [*train, *validation], []
    return replace(dataset, train=train, validation=validation, test=[])
