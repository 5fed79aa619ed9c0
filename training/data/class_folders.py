"""Read a data set from class folders."""

import unicodedata
from collections import Counter
from pathlib import Path

from training.cli import CommandError, note, printable, shortened
from training.data.mnist import open_npz
from training.data.photo_files import FolderScan, scan, visible_folders
from training.data.samples import SUBSETS, Dataset, Sample, fingerprint_of, require_all_classes
from training.data.subset_folders import find_subset_folders

_HOLDOUT_SHARE = 0.15  # of the photos of a class, for each missing subset


def open_dataset(path: Path) -> Dataset:
    """Open a data set: class folders of photos, or an `.npz` file of digits.

    Hidden and system folders, files that are no photos, and class folders without a photo are
    skipped, and named on standard error.

    Args:
        path: a folder with `train/CLASS/PHOTO` and optionally `validation/` and `test/`, a folder
            with `CLASS/PHOTO`, or an `.npz` file with the arrays of `keras.datasets.mnist`. For
            each missing subset, 15 % of the training photos of each class are split off.

    Raises:
        CommandError: `path` contains no usable data set.
    """
    if path.is_file() and path.suffix == ".npz":
        return open_npz(path)
    if not path.is_dir():
        raise CommandError(f"{path}: no such folder or .npz file. Expected {path}/CLASS/PHOTO.")
    found = find_subset_folders(path)
    _refuse_equal_subfolders(found["train"])
    scans = {subset: _scan_classes(folder) for subset, folder in found.items()}
    labels = tuple(sorted(scans["train"]))
    if len(labels) < 2:
        raise CommandError(
            f"{found['train']}: {len(labels)} class folders found, at least 2 are needed, each "
            "with a photo. Expected FOLDER/CLASS/PHOTO or FOLDER/train/CLASS/PHOTO."
        )
    for subset, classes in scans.items():
        if tuple(sorted(classes)) != labels:
            raise CommandError(
                f"{found[subset]}: its class folders are {shortened(sorted(classes)) or 'none'}, "
                f"expected {shortened(labels)}."
            )
    subsets = {subset: _to_samples(classes, labels) for subset, classes in scans.items()}
    fingerprint = fingerprint_of(
        (f"{subset}/{labels[sample.label]}/{sample.name}", sample.sha256)
        for subset, samples in subsets.items()
        for sample in samples
    )
    _tell_copies(subsets, labels)
    _split_off_missing_subsets(subsets)
    for subset in SUBSETS:
        require_all_classes(path, subset, labels, subsets[subset])
    return Dataset(labels, subsets["train"], subsets["validation"], subsets["test"], fingerprint)


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
    classes = _scan_classes(path)
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


def _class_folders(folder: Path) -> dict[str, Path]:
    """Return the class folders by label, which is the folder's name in Unicode's form NFC.

    Raises:
        CommandError: a name cannot be a label, or two names are the same word.
    """
    found: dict[str, Path] = {}
    for entry in visible_folders(folder):
        if printable(entry.name) != entry.name:
            raise CommandError(
                f"{folder}: the class folder {entry.name!a} has a control character or is "
                "not in UTF-8. Rename it."
            )
        label = unicodedata.normalize("NFC", entry.name)
        if label in found:
            raise CommandError(
                f"{folder}: the class folders {found[label].name!a} and {entry.name!a} "
                "are the same word in two Unicode forms. Move the photos of one into the other."
            )
        found[label] = entry
    return found


def _scan_classes(folder: Path) -> dict[str, list[tuple[str, str, Path]]]:
    """Return (name, SHA-256, path) of the photos of each class folder that has any.

    What is left out is named, in one line for each reason.
    """
    folders = _class_folders(folder)
    scans = {label: scan(path) for label, path in folders.items()}
    _tell_left_out(folder, scans)
    return {
        label: [
            (printable(path.relative_to(folders[label]).as_posix()), digest, path)
            for path, digest in found.photos
        ]
        for label, found in scans.items()
        if found.photos
    }


def _tell_left_out(folder: Path, scans: dict[str, FolderScan]) -> None:
    def tell(what: str, count: int, names: str) -> None:
        if count:
            note(f"{folder}: {what} ({count}): {names}")

    others = {label: found.others for label, found in scans.items() if found.others}
    each = shortened(
        f"{label} {len(paths)} ({shortened((printable(path.name) for path in paths), 3)})"
        for label, paths in others.items()
    )
    tell("files left out because they are no photos", sum(map(len, others.values())), each)
    unreadable = [path for found in scans.values() for path in found.unreadable]
    names = (printable(path.relative_to(folder).as_posix()) for path in unreadable)
    tell("files or folders that cannot be read", len(unreadable), shortened(names))
    empty = [label for label, found in scans.items() if not found.photos]
    tell("folders skipped because they have no photo", len(empty), shortened(empty, 100))


def _to_samples(
    classes: dict[str, list[tuple[str, str, Path]]], labels: tuple[str, ...]
) -> list[Sample]:
    return [
        Sample(name, number, digest, path.read_bytes, label)
        for number, label in enumerate(labels)
        for name, digest, path in classes.get(unicodedata.normalize("NFC", label), [])
    ]


def _refuse_equal_subfolders(folder: Path) -> None:
    """Raise CommandError if every folder has only the same folders, as `CLASS/train`, or none."""
    contents = [
        {entry.name for entry in class_folder.iterdir() if not entry.name.startswith(".")}
        for class_folder in visible_folders(folder)
    ]
    if len(contents) < 2 or len(contents[0]) < 2 or any(c != contents[0] for c in contents[1:]):
        return
    if all((visible_folders(folder)[0] / name).is_dir() for name in contents[0]):
        raise CommandError(
            f"{folder}: every folder in it contains the same folders "
            f"({shortened(sorted(contents[0]))}), so the classes are not clear. Expected "
            "FOLDER/CLASS/PHOTO or FOLDER/train/CLASS/PHOTO."
        )


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
