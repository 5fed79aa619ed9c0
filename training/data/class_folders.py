"""Read a data set from class folders."""

import unicodedata
from collections import Counter
from pathlib import Path

from app.cli import CommandError, note, printable, shortened
from training.data.class_scan import Photo, refuse_equal_subfolders, scan_classes
from training.data.mnist import open_npz
from training.data.photo_files import scan
from training.data.samples import SUBSETS, Dataset, Sample, fingerprint_of, require_all_classes
from training.data.subset_folders import find_subset_folders

OTHER = "_other"  # a folder beside the classes, for pictures that are of none of them
_LEAST_OTHERS = 8
_HOLDOUT_SHARE = 0.15  # of the photos of a class, for each missing subset


def open_dataset(path: Path) -> Dataset:
    """Open a data set: class folders of photos, or an `.npz` file of digits.

    Hidden and system folders, files that are no photos, and class folders without a photo are
    skipped, and named on standard error.

    Args:
        path: a folder with `train/CLASS/PHOTO` and optionally `validation/` and `test/`, a folder
            with `CLASS/PHOTO`, or an `.npz` file with the arrays of `keras.datasets.mnist`. For
            each missing subset, 15 % of the training photos of each class are split off. A folder
            `_other` beside the classes has pictures of other things, and is no class.

    Raises:
        CommandError: `path` contains no usable data set.
    """
    if path.is_file() and path.suffix == ".npz":
        return open_npz(path)
    if not path.is_dir():
        raise CommandError(f"{path}: no such folder or .npz file. Expected {path}/CLASS/PHOTO.")
    found = find_subset_folders(path)
    refuse_equal_subfolders(found["train"])
    scans = {subset: scan_classes(folder) for subset, folder in found.items()}
    others = {subset: _other_samples(classes.pop(OTHER, [])) for subset, classes in scans.items()}
    labels = _labels_of(found, scans)
    subsets = {subset: _to_samples(classes, labels) for subset, classes in scans.items()}
    fingerprint = fingerprint_of(
        (f"{subset}/{sample.folder}/{sample.name}", sample.sha256)
        for part in (subsets, others)
        for subset, samples in part.items()
        for sample in samples
    )
    _tell_copies(subsets, labels)
    split_off = frozenset(SUBSETS) - subsets.keys()
    _split_off_missing_subsets(subsets)
    for subset in SUBSETS:
        require_all_classes(path, subset, labels, subsets[subset])
    train, validation, test = (subsets[subset] for subset in SUBSETS)
    parts = _split_others(others)
    return Dataset(labels, train, validation, test, fingerprint, split_off, others=parts)


def open_subset(path: Path, labels: tuple[str, ...]) -> list[Sample]:
    """Open labelled photos to test a model on: `PATH/CLASS/PHOTO`, or an `.npz` file's test set.

    Some of the model's classes are enough.

    Raises:
        CommandError: there is a class that the model does not know, or no photo.
    """
    if path.is_file() and path.suffix == ".npz":
        dataset = open_npz(path)
        if dataset.labels != labels:
            raise CommandError(f"{path}: has the labels {dataset.labels}, the model {labels}.")
        return dataset.test
    if not path.is_dir():
        raise CommandError(f"{path}: no such folder or .npz file. Expected {path}/CLASS/PHOTO.")
    known = {unicodedata.normalize("NFC", label) for label in labels}
    classes = scan_classes(path)
    classes.pop(OTHER, None)
    unknown = sorted(classes.keys() - known)
    if unknown:
        raise CommandError(
            f"{path}: the model does not know the classes {shortened(unknown)}; expected some of "
            f"{shortened(labels)}."
        )
    if not classes:
        raise CommandError(f"{path}: no photo in its class folders.")
    missing = [label for label in labels if unicodedata.normalize("NFC", label) not in classes]
    if missing:
        note(f"{path}: no photo of {len(missing)} of {len(labels)} labels: {shortened(missing)}")
    return _to_samples(classes, labels)


def open_pictures(folder: Path) -> list[Sample]:
    """Open pictures of anything, at any depth of a folder.

    Raises:
        CommandError: there is no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise CommandError(f"{folder}: no such folder. Expected a folder of pictures.")
    photos = scan(folder).photos
    if not photos:
        raise CommandError(f"{folder}: no picture in it.")
    named = [Photo(printable(str(p.relative_to(folder))), digest, p) for p, digest in photos]
    return _other_samples(named)


def _other_samples(photos: list[Photo]) -> list[Sample]:
    return [Sample(each.name, -1, each.sha256, each.path.read_bytes, OTHER) for each in photos]


def _split_others(others: dict[str, list[Sample]]) -> tuple[list[Sample], list[Sample]]:
    """Return the pictures of other things to learn from, and those to test with.

    If none were made for a test, every fourth is taken.
    """
    learnt = [*others["train"], *others.get("validation", [])]
    tested = others.get("test", [])
    if 0 < len(learnt) < _LEAST_OTHERS:
        raise CommandError(
            f"the folder {OTHER} has {len(learnt)} pictures to learn from; {_LEAST_OTHERS} are "
            "needed at least. Add some, or leave the folder out."
        )
    if learnt and not tested:
        ordered = sorted(learnt, key=lambda sample: sample.sha256)
        tested = ordered[3::4]
        learnt = [sample for place, sample in enumerate(ordered) if place % 4 != 3]
    return learnt, tested


def _labels_of(found: dict[str, Path], scans: dict[str, dict[str, list[Photo]]]) -> tuple[str, ...]:
    """Return the labels, which are the classes of "train"; other subsets may have no others."""
    labels = tuple(sorted(scans["train"]))
    if len(labels) < 2:
        raise CommandError(
            f"{found['train']}: {len(labels)} class folders found, at least 2 are needed. "
            "Expected FOLDER/CLASS/PHOTO or FOLDER/train/CLASS/PHOTO."
        )
    for subset, classes in scans.items():
        if not classes.keys() <= set(labels):
            raise CommandError(
                f"{found[subset]}: its class folders are {shortened(sorted(classes)) or 'none'}, "
                f"expected {shortened(labels)}."
            )
    return labels


def _to_samples(classes: dict[str, list[Photo]], labels: tuple[str, ...]) -> list[Sample]:
    return [
        Sample(photo.name, number, photo.sha256, photo.path.read_bytes, label)
        for number, label in enumerate(labels)
        for photo in classes.get(unicodedata.normalize("NFC", label), [])
    ]


def _tell_copies(subsets: dict[str, list[Sample]], labels: tuple[str, ...]) -> None:
    """Name the number of exact copies within a class."""
    counts = Counter(
        (sample.label, sample.sha256) for samples in subsets.values() for sample in samples
    )
    copies: Counter[str] = Counter()
    for (label, _), count in counts.items():
        copies[labels[label]] += count - 1
    if copies.total():
        each = shortened(f"{label} {count}" for label, count in copies.items() if count)
        note(f"exact copies of another photo of their class ({copies.total()}): {each}")


def _split_off_missing_subsets(subsets: dict[str, list[Sample]]) -> None:
    """Move a part of each class of train to each missing subset.

    The photos are ordered by SHA-256, so the split is the same on every machine and does not
    depend on their names.
    """
    missing = [subset for subset in ("test", "validation") if subset not in subsets]
    if not missing:
        return
    by_class: dict[int, list[Sample]] = {}
    for sample in sorted(subsets["train"], key=lambda sample: sample.sha256):
        by_class.setdefault(sample.label, []).append(sample)
    subsets.update({subset: [] for subset in missing}, train=[])
    for samples in by_class.values():
        count = max(1, round(len(samples) * _HOLDOUT_SHARE))
        for position, subset in enumerate(missing):
            subsets[subset] += samples[position * count : (position + 1) * count]
        subsets["train"] += samples[len(missing) * count :]
