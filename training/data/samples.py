"""Labelled photos: where their bytes come from, and which subset they are in.

A sample gives the bytes of a photo's file; whoever needs pixels gets them through
`app.imaging.decode.decode`, as a client of the service does.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.cli import CommandError

SUBSETS = ("train", "validation", "test")


@dataclass(frozen=True)
class Sample:
    """One photo: `read()` gives the bytes of its file; `label` indexes `Dataset.labels`.

    `name` is that in its class's folder; several classes may have a photo of that name.
    """

    name: str
    label: int
    sha256: str
    read: Callable[[], bytes]
    folder: str = ""

    @property
    def place(self) -> str:
        """The name with the class's folder, where there is one: what to call it in a message."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


@dataclass(frozen=True)
class Dataset:
    """Labelled photos in three subsets; `fingerprint` changes when any byte of one does."""

    labels: tuple[str, ...]
    train: list[Sample]
    validation: list[Sample]
    test: list[Sample]
    fingerprint: str


def fingerprint_of(files: Iterable[tuple[str, str]]) -> str:
    """One SHA-256 over (path, SHA-256 of the file) pairs, whatever their order."""
    lines = sorted(f"{digest}  {path}\n" for path, digest in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


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
