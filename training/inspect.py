"""Look at a data set before training on it: labels, duplicates, odd photos and shortcuts.

    python -m training.inspect photos
    python -m training.inspect photos --report build/inspection

The photos are compared by the features of a pretrained backbone, which training.fit uses too and
finds in the cache. Nothing is changed.
"""

import json
from pathlib import Path

from app.cli import CommandError, Parser, command, positive, require_writable
from training.atomic import atomic_folder, write_text
from training.data.cache import require_readable
from training.data.class_folders import open_dataset
from training.networks.backbone_weights import BACKBONES, LITE0

PROG = "python -m training.inspect"
_SIDE = 224  # pixels


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="List the photos of class folders that need a look.")
    parser.add_argument("photos", type=Path, help="class folders, as training.fit takes them")
    parser.add_argument("--most", type=positive, default=60, help="of each kind (default: 60)")
    parser.add_argument(
        "--report", type=Path, help="a new folder for all findings as JSON and as a page"
    )
    parser.add_argument("--backbone", choices=sorted(BACKBONES), default=LITE0)
    parser.add_argument("--weights", help="a file for EfficientNetV2B0")
    parser.add_argument("--size", type=positive, default=_SIDE, help="of the photos in pixels")
    parser.add_argument("--cache", type=Path, default=Path("data/.cache"))
    arguments = parser.parse_args()
    if arguments.report and arguments.report.exists():
        raise CommandError(f"--report {arguments.report}: it exists already; name a new folder.")
    for option in ("report", "cache"):
        if getattr(arguments, option):
            require_writable(f"--{option}", getattr(arguments, option))
    dataset = open_dataset(arguments.photos)
    require_readable(dataset)
    # scikit-learn and Keras take seconds to import; a wrong argument does not wait for them.
    from training.inspection.findings import as_json, as_text, inspect_dataset
    from training.inspection.sheet import as_html
    from training.transfer.features import Extractor

    extractor = Extractor(arguments.backbone, arguments.size, arguments.weights)
    found = inspect_dataset(dataset, extractor, arguments.cache, arguments.most)
    print(as_text(found, arguments.most))
    if arguments.report:
        with atomic_folder(arguments.report) as folder:
            write_text(folder / "findings.json", json.dumps(as_json(found), indent=2) + "\n")
            write_text(folder / "photos.html", as_html(found, arguments.most))
        print(f"wrote {arguments.report}")


if __name__ == "__main__":
    main()
