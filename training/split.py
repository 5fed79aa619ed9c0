"""Split an archive of numbered photos into train/, validation/ and test/, as the lecture does.

python -m training.split dogs-vs-cats.zip        Kaggle's archive, or its folder
python -m training.split --download              download and split Microsoft's archive
"""

from pathlib import Path

from app.cli import CommandError, Parser, command, positive
from training.data.archives import CLASSES
from training.data.download import ADDRESS, SHA256, SIZE, download
from training.data.samples import SUBSETS
from training.data.subset import (
    LECTURE_RANGES,
    MANIFEST,
    SplitReport,
    format_ranges,
    parse_range,
    require_disjoint,
    require_free,
    split,
)

PROG = "python -m training.split"
DESTINATION = Path("data/cats_vs_dogs_small")


@command(PROG)
def main() -> None:
    """Run the command."""
    arguments = _parser().parse_args()
    if (arguments.source is None) != arguments.download:
        raise CommandError("give either SOURCE, a folder or zip of numbered photos, or --download.")
    ranges = {subset: getattr(arguments, subset) or LECTURE_RANGES[subset] for subset in SUBSETS}
    require_disjoint(ranges)
    require_free(arguments.output, arguments.force)
    source = arguments.source or download(
        arguments.url, arguments.archive, arguments.size, arguments.sha256
    )
    report = split(source, arguments.output, ranges, force=arguments.force)
    _print_report(report, arguments.output)


def _parser() -> Parser:
    parser = Parser(PROG, description="Split numbered cat and dog photos as the lecture does.")
    parser.add_argument("source", nargs="?", type=Path, metavar="SOURCE", help="folder or zip")
    for subset in SUBSETS:
        default = format_ranges(LECTURE_RANGES[subset])
        parser.add_argument(
            f"--{subset}",
            type=parse_range,
            action="append",
            metavar="START:END",
            help=f"numbers of each class, END not included (default {default}); "
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


def _print_report(report: SplitReport, destination: Path) -> None:
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
    main()
