"""Labelled photos: where their bytes come from, and how they become pixels in memory.

A sample gives the bytes of a photo's file; whoever needs pixels gets them through
`app.images.decode`, as a client of the service does.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app import images
from app.card import Input
from training.command import CommandError, progress

SUBSETS = ("train", "validation", "test")


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


def require_all_classes(
    path: Path, subset: str, labels: tuple[str, ...], samples: Sequence[Sample]
) -> None:
    """Raise CommandError if a class has no photo in this subset."""
    counts = Counter(sample.label for sample in samples)
    for label, name in enumerate(labels):
        if not counts[label]:
            raise CommandError(
                f"{path}: no photo of class {name!r} for {subset}. Each class needs one at least "
                "in train, validation and test (3 if they are to be split here)."
            )
