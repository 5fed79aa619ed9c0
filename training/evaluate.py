"""Evaluate a published model on labelled photos.

    python -m training.evaluate models/cats-vs-dogs data/cats_vs_dogs_small/test
    python -m training.evaluate models/cats-vs-dogs photos --report build/report

The photos go through `app.model.classifier` as raw bytes, as in the service, so a client of the
service would measure the same figures.
"""

import os
from pathlib import Path

from app.model.classifier import Classifier
from training.cli import CommandError, Parser, command, require_writable
from training.data.class_folders import open_subset
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
    arguments = parser.parse_args()
    if arguments.report and arguments.report.exists():
        raise CommandError(f"--report {arguments.report}: it exists already; name a new folder.")
    if arguments.report:
        require_writable("--report", arguments.report)
    threads = os.cpu_count() or 1
    classifier = Classifier.load(arguments.model, engine="litert", threads=threads)
    samples = open_subset(arguments.photos, classifier.card.labels)
    _evaluate(classifier, samples, arguments.report)


def _evaluate(classifier: Classifier, samples: list[Sample], report: Path | None) -> None:
    # scikit-learn and Matplotlib take seconds to import; a wrong argument does not wait for them.
    from training.evaluation.evaluator import evaluate
    from training.evaluation.report import as_text, write_report

    evaluation = evaluate(classifier, samples)
    print(as_text(evaluation))
    if report:
        write_report(evaluation, samples, report)
        print(f"wrote {report}")


if __name__ == "__main__":
    main()
