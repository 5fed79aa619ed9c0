"""A saved model against labelled photos, through `app.model.classifier`, from the files' bytes.

    python -m training.evaluate models/cats-vs-dogs data/cats_vs_dogs_small/test
    python -m training.evaluate models/cats-vs-dogs photos --report build/report

The figures are those that a client of the service would measure.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from app.imaging.errors import PhotoError
from app.model.classifier import Classifier
from training.cli import CommandError, Parser, progress, require_writable, run
from training.data.class_folders import open_subset
from training.data.samples import Sample
from training.evaluation.metrics import Evaluation
from training.evaluation.report import as_text, write_report

PROG = "python -m training.evaluate"


def evaluate(
    classifier: Classifier, samples: Sequence[Sample], description: str = "testing"
) -> Evaluation:
    """Classify every sample from its raw bytes, on all cores, with a progress bar.

    Raises:
        CommandError: not one of the photos could be decoded.
    """

    def work(sample: Sample) -> list[float] | str:
        try:
            return list(classifier.predict(sample.read()).probabilities.values())
        except PhotoError as error:
            return str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(work, samples)
        results = list(progress(jobs, description, "photo", total=len(samples)))
    answered = [(s, r) for s, r in zip(samples, results, strict=True) if not isinstance(r, str)]
    if not answered:
        raise CommandError(f"none of the {len(samples)} test photos could be decoded.")
    return Evaluation(
        labels=classifier.card.labels,
        names=tuple(sample.name for sample, _ in answered),
        truths=np.array([sample.label for sample, _ in answered]),
        probabilities=np.array([values for _, values in answered]),
        unreadable={
            s.place: r for s, r in zip(samples, results, strict=True) if isinstance(r, str)
        },
    )


def main() -> None:
    """The command."""
    parser = Parser(PROG, description="Test a published model on class folders of photos.")
    parser.add_argument("model", type=Path, help="a version folder, or a folder of versions")
    parser.add_argument("photos", type=Path, help="FOLDER/CLASS/PHOTO, or an .npz file's test set")
    parser.add_argument(
        "--report",
        type=Path,
        help="a new folder for the figures as JSON, plots, and a sheet of the worst mistakes",
    )
    arguments = parser.parse_args()
    if arguments.report and arguments.report.exists():
        raise CommandError(f"--report {arguments.report}: it exists already; name a new folder.")
    if arguments.report:
        require_writable("--report", arguments.report)
    threads = os.cpu_count() or 1
    classifier = Classifier.load(arguments.model, engine="litert", threads=threads)
    samples = open_subset(arguments.photos, classifier.card.labels)
    evaluation = evaluate(classifier, samples)
    print(as_text(evaluation))
    if arguments.report:
        write_report(evaluation, samples, arguments.report)
        print(f"wrote {arguments.report}")


if __name__ == "__main__":
    run(PROG, main)
