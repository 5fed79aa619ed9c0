"""Which photos a recipe trains on: no known bad ones, none it is tested on, none of two classes.

Only the training set shrinks; validation and test stay as they are.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

from training.cli import CommandError
from training.data.duplicates import find_duplicates
from training.data.samples import Dataset, Sample


def select(
    dataset: Dataset, cache: Path, *, exclude: Collection[str], deduplicate: bool
) -> tuple[Dataset, dict[str, str]]:
    """Drop photos that should not be trained on.

    Args:
        dataset: as found.
        cache: where `find_duplicates` keeps its hashes.
        exclude: names of photos that are known to be bad examples.
        deduplicate: drop photos that look like one of validation or test, or that are in two
            classes.

    Returns:
        The dataset with fewer photos to train on, and what was dropped: name -> reason. Its
        fingerprint is still that of the data found.

    Raises:
        CommandError: a class would have nothing left to train on.
    """
    named = partial(_named, dataset)
    dropped: dict[int, str] = {}
    for sample in dataset.train:
        if sample.name in exclude:
            dropped[id(sample)] = "known to be a bad example"
    if deduplicate:
        dropped |= _contradictory(dataset)
        for found in find_duplicates(dataset, cache):
            same = "the same file as" if found.distance < 0 else "looks the same as"
            dropped[id(found.train)] = f"{same} {named(found.held_out)} of validation or test"
    kept = [sample for sample in dataset.train if id(sample) not in dropped]
    _require_some_of_each(dataset, kept)
    reasons = {named(s): dropped[id(s)] for s in dataset.train if id(s) in dropped}
    return replace(dataset, train=kept), reasons


def contradictions(dataset: Dataset) -> list[str]:
    """The photos of validation and test that are there in several classes too, a line each.

    They stay: what a network is held to is not to be changed behind its user's back.
    """
    held_out = [*dataset.validation, *dataset.test]
    copies: dict[str, dict[int, Sample]] = {}
    for sample in held_out:
        copies.setdefault(sample.sha256, {}).setdefault(sample.label, sample)
    return [
        f"{' and '.join(_named(dataset, sample) for sample in found.values())} of "
        "validation or test are the same file: at most one of them can be answered right"
        for found in copies.values()
        if len(found) > 1
    ]


def _named(dataset: Dataset, sample: Sample) -> str:
    return f"{dataset.labels[sample.label]}/{sample.name}"


def _contradictory(dataset: Dataset) -> dict[int, str]:
    """Training photos that are in several classes, all copies: id of the sample -> reason."""
    classes: dict[str, set[int]] = {}
    for sample in dataset.train:
        classes.setdefault(sample.sha256, set()).add(sample.label)
    return {
        id(sample): "the same file is in " + " and ".join(dataset.labels[n] for n in sorted(found))
        for sample in dataset.train
        if len(found := classes[sample.sha256]) > 1
    }


def _require_some_of_each(dataset: Dataset, kept: list[Sample]) -> None:
    left = Counter(sample.label for sample in kept)
    for label, name in enumerate(dataset.labels):
        if not left[label]:
            raise CommandError(
                f"every photo of class {name!r} to train on is in validation, test or another "
                "class too. Give each its own photos, or allow copies with --keep-duplicates."
            )
