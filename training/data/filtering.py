"""Remove bad examples, duplicates and photos with conflicting labels from the training set.

The validation and test sets are never changed.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from app.cli import CommandError
from training.data.duplicates import find_duplicates
from training.data.samples import Dataset, Sample


def filter_dataset(
    dataset: Dataset, cache: Path, *, exclude: Collection[str], deduplicate: bool
) -> tuple[Dataset, dict[str, str]]:
    """Drop training photos that should not be used.

    Args:
        dataset: the complete data set.
        cache: the folder in which `find_duplicates` keeps its hashes.
        exclude: names of photos that are known to be bad examples.
        deduplicate: drop photos that look like one of validation or test, and photos that are in
            several classes.

    Returns:
        The filtered data set with its original fingerprint, and the dropped photos,
        class/name -> reason.

    Raises:
        CommandError: no training photo of a class is left.
    """
    display_name = partial(_display_name, dataset)
    dropped: dict[int, str] = {}
    for sample in dataset.train:
        if sample.name in exclude:
            dropped[id(sample)] = "known to be a bad example"
    if deduplicate:
        dropped |= _label_conflicts(dataset)
        for found in find_duplicates(dataset, cache):
            same = "the same file as" if found.distance < 0 else "looks the same as"
            dropped[id(found.train)] = (
                f"{same} {display_name(found.held_out)} of validation or test"
            )
    kept = [sample for sample in dataset.train if id(sample) not in dropped]
    _require_every_class(dataset, kept)
    reasons = {display_name(s): dropped[id(s)] for s in dataset.train if id(s) in dropped}
    return replace(dataset, train=kept), reasons


def find_label_conflicts(dataset: Dataset) -> list[str]:
    """Return a warning for each file of validation and test that is in several classes.

    These photos are only reported: dropping them silently would change the user's test set.
    """
    held_out = [*dataset.validation, *dataset.calibration, *dataset.test]
    copies: dict[str, dict[int, Sample]] = {}
    for sample in held_out:
        copies.setdefault(sample.sha256, {}).setdefault(sample.label, sample)
    return [
        f"{' and '.join(_display_name(dataset, sample) for sample in found.values())} of "
        "validation or test are the same file: at most one of them can be answered right"
        for found in copies.values()
        if len(found) > 1
    ]


def _display_name(dataset: Dataset, sample: Sample) -> str:
    return f"{dataset.labels[sample.label]}/{sample.name}"


def _label_conflicts(dataset: Dataset) -> dict[int, str]:
    """Return the training photos that are in several classes, id of the sample -> reason."""
    classes: dict[str, set[int]] = {}
    for sample in dataset.train:
        classes.setdefault(sample.sha256, set()).add(sample.label)
    return {
        id(sample): "the same file is in " + " and ".join(dataset.labels[n] for n in sorted(found))
        for sample in dataset.train
        if len(found := classes[sample.sha256]) > 1
    }


def _require_every_class(dataset: Dataset, kept: list[Sample]) -> None:
    counts = Counter(sample.label for sample in kept)
    for label, name in enumerate(dataset.labels):
        if not counts[label]:
            raise CommandError(
                f"every photo of class {name!r} to train on is in validation, test or another "
                "class too. Give each its own photos, or allow copies with --keep-duplicates."
            )
