"""Copy numbered photos to train/, validation/ and test/ folders, and write a manifest."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

from app.cli import CommandError, printable, progress
from app.imaging import decode, errors
from training.atomic import atomic_folder, write_text
from training.data.archives import CLASSES, PhotoArchive, open_archive
from training.data.samples import fingerprint_of, reason_left_out
from training.data.zip_entries import UnreadablePhoto

MANIFEST = "manifest.json"
Ranges = Mapping[str, Sequence[range]]

# The lecture's split: 1,000 photos of each class to train, 500 to validate, 1,000 to test.
LECTURE_RANGES: Ranges = {
    "train": [range(0, 1000)],
    "validation": [range(1000, 1500)],
    "test": [range(1500, 2500)],
}


def parse_range(text: str) -> range:
    """Parse "0:1000" as range(0, 1000); an argparse type, which raises ValueError."""
    start, _, end = text.partition(":")
    if not (start.isdecimal() and end.isdecimal() and int(start) < int(end)):
        raise ValueError
    return range(int(start), int(end))


parse_range.__name__ = "range (START:END, whole numbers, START below END)"


def format_ranges(parts: Sequence[range]) -> str:
    """Format [range(0, 5), range(7, 9)] as "0:5, 7:9"."""
    return ", ".join(f"{part.start}:{part.stop}" for part in parts)


def require_disjoint(ranges: Ranges) -> None:
    """Raise CommandError if a number is in two ranges."""
    named = [(subset, part) for subset, parts in ranges.items() for part in parts]
    for (subset, part), (other_subset, other) in combinations(named, 2):
        if part.start < other.stop and other.start < part.stop:
            raise CommandError(
                f"the ranges {subset} {format_ranges([part])} and {other_subset} "
                f"{format_ranges([other])} overlap: a photo would be in two places."
            )


@dataclass
class SplitReport:
    """The result of a split: `files` are path -> SHA-256, `unreadable` are name -> reason."""

    files: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)

    def count(self, folder: str) -> int:
        """Return the number of files copied to a folder, e.g. "train/cat"."""
        return sum(path.startswith(f"{folder}/") for path in self.files)


def make_subset(
    subset_name: str,
    start_index: int,
    end_index: int,
    *,
    archive: PhotoArchive,
    destination: Path,
    report: SplitReport,
) -> None:
    """Copy the cats and dogs with the numbers from `start_index` to `end_index` - 1.

    The files are copied unchanged to `destination/<subset_name>/{cat,dog}/{cat,dog}.N.jpg`. Missing
    and unreadable photos are left out and listed in `report`.

    Source: Chollet, Deep Learning with Python, chapter 8, `make_subset`.
    """
    for name in CLASSES:
        folder = destination / subset_name / name
        folder.mkdir(parents=True, exist_ok=True)
        numbers = range(start_index, end_index)
        for number in progress(numbers, f"{subset_name}/{name}", "photo"):
            file = f"{name}.{number}.jpg"
            if (name, number) not in archive.keys:
                report.missing.append(file)
                continue
            try:
                data = archive.read((name, number))
                decode.decode(data, 64, 64, 3)
            except (errors.PhotoError, UnreadablePhoto) as error:
                report.unreadable[file] = reason_left_out(error)
                continue
            (folder / file).write_bytes(data)
            report.files[f"{subset_name}/{name}/{file}"] = hashlib.sha256(data).hexdigest()


def split(source: Path, destination: Path, ranges: Ranges, *, force: bool = False) -> SplitReport:
    """Write all subsets and their manifest to `destination`, or nothing after an error.

    Args:
        source: a folder or zip, see `training.data.archives`.
        destination: the folder to create.
        ranges: the photo numbers of each subset.
        force: replace an existing `destination`.

    Raises:
        CommandError: the ranges overlap, the source is unusable, a subset would have no photo
            of a class, or `destination` exists.
    """
    require_disjoint(ranges)
    require_free(destination, force)
    report = SplitReport()
    with open_archive(source) as archive, atomic_folder(destination, replace=force) as folder:
        for subset, parts in ranges.items():
            for part in parts:
                start, stop = part.start, part.stop
                make_subset(subset, start, stop, archive=archive, destination=folder, report=report)
            for name in CLASSES:
                if not report.count(f"{subset}/{name}"):
                    raise CommandError(
                        f"{source}: no usable {name} for {subset} ({format_ranges(parts)}); "
                        f"{len(report.missing)} missing, {len(report.unreadable)} unreadable so "
                        "far. Nothing was written."
                    )
        manifest = json.dumps(_manifest(source, ranges, report), indent=1)
        write_text(folder / MANIFEST, manifest + "\n")
    return report


def _manifest(source: Path, ranges: Ranges, report: SplitReport) -> dict[str, Any]:
    return {
        "source": printable(source.name),
        "ranges": {subset: format_ranges(parts) for subset, parts in ranges.items()},
        "fingerprint": fingerprint_of(report.files.items()),
        "missing": report.missing,
        "unreadable": report.unreadable,
        "files": report.files,
    }


def require_free(destination: Path, force: bool) -> None:
    """Raise CommandError if `destination` exists and `force` is false."""
    if destination.exists() and not force:
        raise CommandError(f"{destination} exists and is left alone; --force replaces it.")
