"""Read a data set from class folders."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.model.card import sha256
from training.cli import CommandError
from training.data.mnist import open_npz
from training.data.samples import SUBSETS, Dataset, Sample, fingerprint_of, require_all_classes

_ALIASES = {"val": "validation", "valid": "validation", "training": "train", "testing": "test"}
_HOLDOUT_SHARE = 0.15  # of the photos of a class, for each missing subset


def open_dataset(path: Path) -> Dataset:
    """Open a data set: class folders of photos, or an `.npz` file of digits.

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
    found = _subset_folders(path)
    labels = tuple(entry.name for entry in _visible_folders(found["train"]))
    if len(labels) < 2:
        raise CommandError(
            f"{found['train']}: {len(labels)} class folders found, at least 2 are needed. "
            "Expected FOLDER/CLASS/PHOTO or FOLDER/train/CLASS/PHOTO."
        )
    subsets = {subset: _read_samples(folder, labels) for subset, folder in found.items()}
    fingerprint = fingerprint_of(
        (f"{subset}/{labels[sample.label]}/{sample.name}", sample.sha256)
        for subset, samples in subsets.items()
        for sample in samples
    )
    _split_off_missing_subsets(subsets)
    for subset in SUBSETS:
        require_all_classes(path, subset, labels, subsets[subset])
    return Dataset(labels, subsets["train"], subsets["validation"], subsets["test"], fingerprint)


def open_subset(path: Path, labels: tuple[str, ...]) -> list[Sample]:
    """Open labelled photos to test a model on: `PATH/CLASS/PHOTO`, or an `.npz` file's test set.

    Raises:
        CommandError: the class folders differ from the model's labels, or contain no photo.
    """
    if path.is_file() and path.suffix == ".npz":
        dataset = open_npz(path)
        if dataset.labels != labels:
            raise CommandError(f"{path}: has the labels {dataset.labels}, the model {labels}.")
        return dataset.test
    if not path.is_dir():
        raise CommandError(f"{path}: no such folder or .npz file. Expected {path}/CLASS/PHOTO.")
    samples = _read_samples(path, labels)
    if not samples:
        raise CommandError(f"{path}: no photo in its class folders.")
    return samples


def _visible_folders(path: Path) -> list[Path]:
    visible = (e for e in path.iterdir() if e.is_dir() and not e.name.startswith("."))
    return sorted(visible, key=lambda entry: entry.name)


def _subset_folders(path: Path) -> dict[str, Path]:
    """Return the subset folders in `path`. A folder "train" without class folders is a class."""
    found: dict[str, Path] = {}
    for entry in _visible_folders(path):
        subset = _ALIASES.get(entry.name, entry.name)
        if subset not in SUBSETS or not _visible_folders(entry):
            continue
        if subset in found:
            raise CommandError(f"{path}: both {found[subset].name}/ and {entry.name}/ are there.")
        found[subset] = entry
    return found if "train" in found else {"train": path}


def _read_samples(folder: Path, labels: tuple[str, ...]) -> list[Sample]:
    classes = tuple(entry.name for entry in _visible_folders(folder))
    if classes != labels:
        raise CommandError(
            f"{folder}: its class folders are {', '.join(classes) or 'none'}, "
            f"expected {', '.join(labels)}."
        )
    paths = [
        (path, label)
        for label, name in enumerate(labels)
        for path in sorted((folder / name).rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(lambda item: sha256(item[0]), paths)
        return [
            Sample(
                path.relative_to(folder / labels[label]).as_posix(),
                label,
                digest,
                path.read_bytes,
                labels[label],
            )
            for (path, label), digest in zip(paths, digests, strict=True)
        ]


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
