"""The lecture's `make_subset`: numbered photos -> train/ validation/ test/, with a manifest."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.imaging import decode, errors
from training.atomic import staged, write_text
from training.cli import CommandError, progress
from training.data.archives import CLASSES, Originals, open_originals
from training.data.samples import fingerprint_of

MANIFEST = "manifest.json"
Ranges = Mapping[str, Sequence[range]]

# The lecture's: 1,000 of each class to train on, 500 to validate, 1,000 to test.
LECTURE: Ranges = {
    "train": [range(0, 1000)],
    "validation": [range(1000, 1500)],
    "test": [range(1500, 2500)],
}


def parse_range(text: str) -> range:
    """Read "0:1000" as range(0, 1000); raise ValueError otherwise, as argparse wants it."""
    start, _, end = text.partition(":")
    if not (start.isdecimal() and end.isdecimal() and int(start) < int(end)):
        raise ValueError
    return range(int(start), int(end))


parse_range.__name__ = "range (START:END, whole numbers, START below END)"


def in_words(parts: Sequence[range]) -> str:
    """Write [range(0, 5), range(7, 9)] as "0:5, 7:9"."""
    return ", ".join(f"{part.start}:{part.stop}" for part in parts)


def require_disjoint(ranges: Ranges) -> None:
    """Raise CommandError if a number is in two ranges."""
    seen: list[tuple[str, range]] = []
    for subset, parts in ranges.items():
        for part in parts:
            for other_subset, other in seen:
                if part.start < other.stop and other.start < part.stop:
                    raise CommandError(
                        f"the ranges {other_subset} {in_words([other])} and "
                        f"{subset} {in_words([part])} overlap: a photo would be in two places."
                    )
            seen.append((subset, part))


@dataclass
class Report:
    """What was copied and what was left out. `files` maps paths to SHA-256."""

    files: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def count(self, folder: str) -> int:
        """How many files were copied below `folder`, e.g. "train/cat"."""
        return sum(path.startswith(f"{folder}/") for path in self.files)


def make_subset(
    subset_name: str,
    start_index: int,
    end_index: int,
    *,
    originals: Originals,
    destination: Path,
    report: Report,
) -> None:
    """Copy cats and dogs number `start_index` up to, not including, `end_index`.

    They go to `destination/<subset_name>/{cat,dog}/{cat,dog}.N.jpg`, byte for byte. Numbers
    that the source lacks, and files that do not decode, are noted in `report` and left out.

    Source: Chollet, Deep Learning with Python, chapter 8, `make_subset`.
    """
    for name in CLASSES:
        folder = destination / subset_name / name
        folder.mkdir(parents=True, exist_ok=True)
        numbers = range(start_index, end_index)
        for number in progress(numbers, f"{subset_name}/{name}", "photo"):
            file = f"{name}.{number}.jpg"
            if (name, number) not in originals.keys:
                report.missing.append(file)
                continue
            try:
                data = originals.read((name, number))
                decode.decode(data, 64, 64, 3)
            except (errors.PhotoError, zipfile.BadZipFile, zlib.error) as error:
                report.unreadable[file] = str(error)
                continue
            (folder / file).write_bytes(data)
            report.files[f"{subset_name}/{name}/{file}"] = hashlib.sha256(data).hexdigest()


def split(source: Path, destination: Path, ranges: Ranges, *, force: bool = False) -> Report:
    """Make all subsets and their manifest, or nothing.

    Args:
        source: see `training.data.archives`.
        destination: the folder to make; complete or not there.
        ranges: the numbers of each subset.
        force: replace an existing `destination`.

    Raises:
        CommandError: the ranges overlap, the source is unusable, a subset would have no photo
            of a class, or `destination` exists.
    """
    require_disjoint(ranges)
    require_free(destination, force)
    report = Report()
    with open_originals(source) as originals, staged(destination, replace=force) as folder:
        for subset, parts in ranges.items():
            for part in parts:
                make_subset(
                    subset,
                    part.start,
                    part.stop,
                    originals=originals,
                    destination=folder,
                    report=report,
                )
            for name in CLASSES:
                if not report.count(f"{subset}/{name}"):
                    raise CommandError(
                        f"{source}: no usable {name} for {subset} ({in_words(parts)}); "
                        f"{len(report.missing)} missing, {len(report.unreadable)} unreadable so "
                        "far. Nothing was written."
                    )
        write_text(
            folder / MANIFEST, json.dumps(_manifest(source, ranges, report), indent=1) + "\n"
        )
    return report


def _manifest(source: Path, ranges: Ranges, report: Report) -> dict[str, Any]:
    return {
        "source": source.name,
        "ranges": {subset: in_words(parts) for subset, parts in ranges.items()},
        "fingerprint": fingerprint_of(report.files.items()),
        "missing": report.missing,
        "unreadable": report.unreadable,
        "files": report.files,
    }


def require_free(destination: Path, force: bool) -> None:
    """Raise CommandError if `destination` exists and is not to be replaced."""
    if destination.exists() and not force:
        raise CommandError(f"{destination} exists and is left alone; --force replaces it.")
