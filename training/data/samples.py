"""Data classes for labelled photos and data sets.

A sample returns the raw bytes of a photo's file. `app.imaging.decode.decode` turns them into
pixels, in training as in serving.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.cli import CommandError

SUBSETS = ("train", "validation", "test")


@dataclass(frozen=True)
class Sample:
    """A labelled photo: `label` is an index into `Dataset.labels`, `read` returns the file's bytes.

    `name` is the path inside the class folder `folder`; photos of different classes can share it.
    """

    name: str
    label: int
    sha256: str
    read: Callable[[], bytes]
    folder: str = ""

    @property
    def display_name(self) -> str:
        """The name to use in messages: FOLDER/NAME, or NAME if there is no class folder."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


@dataclass(frozen=True)
class Dataset:
    """Labelled photos in three subsets; `fingerprint` depends on every byte of every photo.

    `split_off` are the subsets whose photos were taken from train, as there was no such folder.
    `calibration` are photos that were taken from validation for the thresholds, and `others`
    pictures of nothing that is a class: those to learn from, and those to test with.
    """

    labels: tuple[str, ...]
    train: list[Sample]
    validation: list[Sample]
    test: list[Sample]
    fingerprint: str
    split_off: frozenset[str] = frozenset()
    calibration: list[Sample] = field(default_factory=list)
    others: tuple[list[Sample], list[Sample]] = ([], [])


def fingerprint_of(files: Iterable[tuple[str, str]]) -> str:
    """Return one SHA-256 for (path, SHA-256 of the file) pairs, independent of their order."""
    lines = sorted(f"{digest}  {path}\n" for path, digest in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def reason_left_out(error: Exception) -> str:
    """Return why a photo is left out, without the advice to a client of the service."""
    return re.sub(r" Send [^.]*\.$", "", str(error))


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
