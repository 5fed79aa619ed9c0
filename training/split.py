"""The numbered originals -> train/ validation/ test/, as the lecture's `make_subset` does.

python -m training.split dogs-vs-cats.zip        Kaggle's archive, or its folder
python -m training.split --download              Microsoft's archive
"""

import hashlib
import json
import zipfile
import zlib
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.imaging import decode, errors
from training.atomic import staged, write_text
from training.cli import CommandError, Parser, positive, progress, run
from training.data.archives import CLASSES, Originals, open_originals
from training.data.download import ADDRESS, SHA256, SIZE, download
from training.data.ranges import LECTURE, Ranges, in_words, parse_range, require_disjoint
from training.data.samples import SUBSETS, fingerprint_of

PROG = "python -m training.split"
DESTINATION = Path("data/cats_vs_dogs_small")
MANIFEST = "manifest.json"


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
    _require_free(destination, force)
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


def _require_free(destination: Path, force: bool) -> None:
    if destination.exists() and not force:
        raise CommandError(f"{destination} exists and is left alone; --force replaces it.")


def main() -> None:
    """The command."""
    arguments = _parser().parse_args()
    if (arguments.source is None) != arguments.download:
        raise CommandError("give either SOURCE, a folder or zip of numbered photos, or --download.")
    ranges = {subset: getattr(arguments, subset) or LECTURE[subset] for subset in SUBSETS}
    require_disjoint(ranges)
    _require_free(arguments.output, arguments.force)
    source = arguments.source or _downloaded(arguments)
    report = split(source, arguments.output, ranges, force=arguments.force)
    _print(report, arguments.output)


def _downloaded(arguments: Namespace) -> Path:
    archive: Path = arguments.archive
    return download(arguments.url, archive, arguments.size, arguments.sha256)


def _parser() -> Parser:
    parser = Parser(PROG, description="Split numbered cat and dog photos as the lecture does.")
    parser.add_argument("source", nargs="?", type=Path, metavar="SOURCE", help="folder or zip")
    for subset in SUBSETS:
        parser.add_argument(
            f"--{subset}",
            type=parse_range,
            action="append",
            metavar="START:END",
            help=f"numbers of each class, END not included (default {in_words(LECTURE[subset])}); "
            "may be given several times",
        )
    parser.add_argument("--output", type=Path, default=DESTINATION, help="default %(default)s")
    parser.add_argument("--force", action="store_true", help="replace an existing split")
    parser.add_argument("--download", action="store_true", help="fetch Microsoft's archive first")
    parser.add_argument("--archive", type=Path, default=Path("data/kagglecatsanddogs_5340.zip"))
    parser.add_argument("--url", default=ADDRESS, help="where it is; the address has moved before")
    parser.add_argument(
        "--size", type=positive, default=SIZE, help="its bytes (default %(default)s)"
    )
    parser.add_argument("--sha256", default=SHA256, help="its checksum")
    return parser


def _print(report: Report, destination: Path) -> None:
    for subset in SUBSETS:
        counts = ", ".join(f"{name} {report.count(f'{subset}/{name}')}" for name in CLASSES)
        print(f"{subset:<10} {report.count(subset):>6} photos: {counts}")
    if report.missing:
        shown = ", ".join(report.missing[:10]) + (", ..." if len(report.missing) > 10 else "")
        print(f"missing in the source: {len(report.missing)}: {shown}")
    for name, reason in report.unreadable.items():
        print(f"left out {name}: {reason}")
    print(f"wrote {destination}, all names in {destination / MANIFEST}")


if __name__ == "__main__":
    run(PROG, main)
