"""Evaluate a published model on labelled photos.

    python -m training.evaluate models/cats-vs-dogs data/cats_vs_dogs_small/test
    python -m training.evaluate models/cats-vs-dogs photos --report build/report
    python -m training.evaluate models/cats-vs-dogs photos --foreign pictures

The photos go through `app.model.classifier` as raw bytes, as in the service, so a client of the
service would measure the same figures.
"""

import os
from pathlib import Path

from app.cli import CommandError, Parser, command, note, require_writable
from app.model.card import Card
from app.model.classifier import Classifier
from app.model.litert import FILES, LiteRTName
from app.model.version_folder import find_version, load_card
from training.data.class_folders import open_pictures, open_subset
from training.data.fingerprints import FINGERPRINTS, read_fingerprints, short_fingerprint
from training.data.samples import Sample

PROG = "python -m training.evaluate"


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = Parser(PROG, description="Test a published model on class folders of photos.")
    parser.add_argument("model", type=Path, help="a version folder, or a folder of versions")
    parser.add_argument("photos", type=Path, help="FOLDER/CLASS/PHOTO, or an .npz file's test set")
    parser.add_argument(
        "--report",
        type=Path,
        help="a new folder for metrics as JSON, plots, and a contact sheet of mistakes",
    )
    parser.add_argument(
        "--foreign", type=Path, help="a folder of pictures of other things, which should be refused"
    )
    parser.add_argument(
        "--engine",
        choices=tuple(FILES),
        default="litert-float",
        help="which of the version's networks (default: %(default)s)",
    )
    arguments = parser.parse_args()
    if arguments.report and arguments.report.exists():
        raise CommandError(f"--report {arguments.report}: it exists already; name a new folder.")
    if arguments.report:
        require_writable("--report", arguments.report)
    folder = find_version(arguments.model)
    card = load_card(folder)
    samples = open_subset(arguments.photos, card.labels)
    _warn_of_training_photos(folder, card, samples)
    foreign = open_pictures(arguments.foreign) if arguments.foreign else []
    if foreign and not card.thresholds:
        raise CommandError(f"--foreign: {folder} does not measure familiarity; train it again.")
    _evaluate(folder, samples, arguments.report, foreign, arguments.engine)


def _warn_of_training_photos(folder: Path, card: Card, samples: list[Sample]) -> None:
    """Tell how many of the photos the model was trained on; old versions do not know theirs."""
    if FINGERPRINTS in card.files:
        known = read_fingerprints(folder / FINGERPRINTS)
        seen = sum(short_fingerprint(sample) in known for sample in samples)
        if seen:
            note(
                f"the model was trained on {seen} of these {len(samples)} photos; "
                "its accuracy on them says nothing about new photos"
            )


def _evaluate(
    folder: Path,
    samples: list[Sample],
    report: Path | None,
    foreign: list[Sample],
    engine: LiteRTName,
) -> None:
    # scikit-learn and Matplotlib take seconds to import; a wrong argument does not wait for them.
    from training.evaluation.evaluator import evaluate
    from training.evaluation.report import as_text, write_report
    from training.publishing.thresholds import measure_thresholds

    classifier = Classifier.load(folder, engine=engine, threads=os.cpu_count() or 1)
    evaluation = evaluate(classifier, samples)
    if classifier.card.thresholds:
        evaluation = measure_thresholds(folder, classifier, evaluation, foreign)
    print(as_text(evaluation))
    if report:
        write_report(evaluation, samples, report)
        print(f"wrote {report}")


if __name__ == "__main__":
    main()
