"""Class folders, or the digits' arrays -> samples, and samples -> arrays of decoded photos.

A sample gives the bytes of a photo's file; whoever needs pixels gets them through
`app.images.decode`, as a client of the service does.
"""

import hashlib
import io
import os
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from app import images
from app.card import Input, sha256
from training.command import CommandError, progress

SUBSETS = ("train", "validation", "test")
_ALIASES = {"val": "validation", "valid": "validation", "training": "train", "testing": "test"}
_HELD_OUT = 0.15  # of the photos of a class, for each of validation and test


@dataclass(frozen=True)
class Sample:
    """One photo: `read()` gives the bytes of its file; `label` indexes `Dataset.labels`."""

    name: str
    label: int
    sha256: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Dataset:
    """Labelled photos in three subsets; `fingerprint` changes when any byte of one does."""

    labels: tuple[str, ...]
    train: list[Sample]
    validation: list[Sample]
    test: list[Sample]
    fingerprint: str


@dataclass(frozen=True)
class Decoded:
    """Photos in memory.

    `pixels`: uint8 (photos, height, width, channels). `labels`: int64 (photos,).
    `unreadable`: what could not be decoded and was left out, name -> reason.
    """

    pixels: np.ndarray
    labels: np.ndarray
    unreadable: dict[str, str]


def open_dataset(path: Path) -> Dataset:
    """Find the photos under a folder, or the digits in an `.npz` file.

    Args:
        path: a folder `PATH/train/CLASS/...` (with `validation/` and `test/`, or parts of
            `train/` held out for the missing ones), a folder `PATH/CLASS/...` (15 % of each
            class for validation, 15 % for test, by the order of their SHA-256), or an `.npz`
            file with the arrays of `keras.datasets.mnist`.

    Raises:
        CommandError: nothing usable is there.
    """
    if path.is_file() and path.suffix == ".npz":
        return _open_arrays(path)
    if not path.is_dir():
        raise CommandError(f"{path}: no such folder or .npz file. Expected {path}/CLASS/PHOTO.")
    found = _subset_folders(path)
    labels = tuple(entry.name for entry in _folders(found["train"]))
    if len(labels) < 2:
        raise CommandError(
            f"{found['train']}: {len(labels)} class folders found, at least 2 are needed. "
            "Expected FOLDER/CLASS/PHOTO or FOLDER/train/CLASS/PHOTO."
        )
    subsets = {subset: _samples(folder, labels) for subset, folder in found.items()}
    fingerprint = fingerprint_of(
        (f"{subset}/{labels[sample.label]}/{sample.name}", sample.sha256)
        for subset, samples in subsets.items()
        for sample in samples
    )
    _hold_out(subsets)
    for subset in SUBSETS:
        _require_all_classes(path, subset, labels, subsets[subset])
    return Dataset(labels, subsets["train"], subsets["validation"], subsets["test"], fingerprint)


def open_subset(path: Path, labels: tuple[str, ...]) -> list[Sample]:
    """The labelled photos to test a model on: `PATH/CLASS/PHOTO`, or an `.npz` file's test set.

    Raises:
        CommandError: the class folders are not the model's labels, or hold no photo.
    """
    if path.is_file() and path.suffix == ".npz":
        dataset = _open_arrays(path)
        if dataset.labels != labels:
            raise CommandError(f"{path}: has the labels {dataset.labels}, the model {labels}.")
        return dataset.test
    if not path.is_dir():
        raise CommandError(f"{path}: no such folder or .npz file. Expected {path}/CLASS/PHOTO.")
    samples = _samples(path, labels)
    if not samples:
        raise CommandError(f"{path}: no photo in its class folders.")
    return samples


def fingerprint_of(files: Iterable[tuple[str, str]]) -> str:
    """One SHA-256 over (path, SHA-256 of the file) pairs, whatever their order."""
    lines = sorted(f"{digest}  {path}\n" for path, digest in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def decode_samples(samples: Sequence[Sample], shape: Input, description: str) -> Decoded:
    """Decode photos into memory, on all cores, with a progress bar.

    Raises:
        CommandError: not one of them could be decoded.
    """
    pixels = np.empty((len(samples), shape.height, shape.width, shape.channels), np.uint8)
    unreadable: dict[str, str] = {}
    kept = np.ones(len(samples), bool)

    def work(index: int) -> None:
        try:
            data = samples[index].read()
            pixels[index] = images.decode(data, shape.height, shape.width, shape.channels)
        except images.PhotoError as error:
            unreadable[samples[index].name] = str(error)
            kept[index] = False

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(work, range(len(samples)))
        for _ in progress(jobs, description, "photo", total=len(samples)):
            pass
    labels = np.array([sample.label for sample in samples], np.int64)
    if not kept.any():
        raise CommandError(f"{description}: none of {len(samples)} photos could be decoded.")
    if unreadable:
        pixels, labels = pixels[kept], labels[kept]
    return Decoded(pixels, labels, unreadable)


def _folders(path: Path) -> list[Path]:
    visible = (e for e in path.iterdir() if e.is_dir() and not e.name.startswith("."))
    return sorted(visible, key=lambda entry: entry.name)


def _subset_folders(path: Path) -> dict[str, Path]:
    """The subset folders under `path`; a folder "train" full of photos of trains is a class."""
    found: dict[str, Path] = {}
    for entry in _folders(path):
        subset = _ALIASES.get(entry.name, entry.name)
        if subset not in SUBSETS or not _folders(entry):
            continue
        if subset in found:
            raise CommandError(f"{path}: both {found[subset].name}/ and {entry.name}/ are there.")
        found[subset] = entry
    return found if "train" in found else {"train": path}


def _samples(folder: Path, labels: tuple[str, ...]) -> list[Sample]:
    classes = tuple(entry.name for entry in _folders(folder))
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
            Sample(path.relative_to(folder / labels[label]).as_posix(), label, digest, path.read_bytes)
            for (path, label), digest in zip(paths, digests, strict=True)
        ]


def _hold_out(subsets: dict[str, list[Sample]]) -> None:
    """Move a share of each class of train into each subset that is missing.

    The order is that of the photos' SHA-256, so it is the same on every machine and has
    nothing to do with their names.
    """
    missing = [subset for subset in ("test", "validation") if subset not in subsets]
    if not missing:
        return
    by_class: dict[int, list[Sample]] = {}
    for sample in sorted(subsets["train"], key=lambda sample: sample.sha256):
        by_class.setdefault(sample.label, []).append(sample)
    subsets.update({subset: [] for subset in missing}, train=[])
    for samples in by_class.values():
        share = max(1, round(len(samples) * _HELD_OUT))
        for position, subset in enumerate(missing):
            subsets[subset] += samples[position * share : (position + 1) * share]
        subsets["train"] += samples[len(missing) * share :]


def _require_all_classes(
    path: Path, subset: str, labels: tuple[str, ...], samples: Sequence[Sample]
) -> None:
    counts = Counter(sample.label for sample in samples)
    for label, name in enumerate(labels):
        if not counts[label]:
            raise CommandError(
                f"{path}: no photo of class {name!r} for {subset}. Each class needs one at least "
                "in train, validation and test (3 if they are to be split here)."
            )


def _open_arrays(path: Path) -> Dataset:
    """The arrays x_train, y_train, x_test, y_test; the last 1/12 of train is validation."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x_train, y_train = arrays["x_train"], arrays["y_train"]
            x_test, y_test = arrays["x_test"], arrays["y_test"]
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise CommandError(
            f"{path}: not an .npz file with x_train, y_train, x_test and y_test ({error})."
        ) from error
    for name, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        if x.dtype != np.uint8 or x.ndim not in (3, 4) or len(x) != len(y) or y.ndim != 1:
            raise CommandError(
                f"{path}: x_{name} {x.dtype}{x.shape}, y_{name} {y.shape}; expected uint8 pictures "
                "(count, height, width) and one label each."
            )
    labels = tuple(str(value) for value in np.unique(y_train))
    # 5,000 of MNIST's 60,000; they are in no particular order.
    cut = len(x_train) - max(1, len(x_train) // 12)
    train, validation = (
        _pictures("train", x_train, y_train, labels, range(cut)),
        _pictures("train", x_train, y_train, labels, range(cut, len(x_train))),
    )
    test = _pictures("test", x_test, y_test, labels, range(len(x_test)))
    for subset, samples in (("train", train), ("validation", validation), ("test", test)):
        _require_all_classes(path, subset, labels, samples)
    return Dataset(labels, train, validation, test, sha256(path))


def _pictures(
    part: str, x: np.ndarray, y: np.ndarray, labels: tuple[str, ...], indices: Iterable[int]
) -> list[Sample]:
    numbers = {label: number for number, label in enumerate(labels)}
    return [
        Sample(
            f"{part}/{index}",
            numbers[str(y[index])],
            hashlib.sha256(x[index].tobytes()).hexdigest(),
            partial(_png, x[index]),
        )
        for index in indices
    ]


def _png(picture: np.ndarray) -> bytes:
    """A picture as the bytes of a PNG file, which loses nothing."""
    buffer = io.BytesIO()
    Image.fromarray(picture.squeeze()).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
