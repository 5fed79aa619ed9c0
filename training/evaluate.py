"""A saved model against labelled photos, through `app.classifier`, from the files' bytes.

    python -m training.evaluate models/cats-vs-dogs data/cats_vs_dogs_small/test

The figures are those that a client of the service would measure.
"""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.card import Metric
from app.classifier import Classifier
from app.images import PhotoError
from training.command import CommandError, Parser, progress, run
from training.dataset import open_subset
from training.samples import Sample

PROG = "python -m training.evaluate"


@dataclass(frozen=True)
class Evaluation:
    """How a model did on photos that it had not seen.

    `confusion[t, a]` counts the photos of label t that were answered a; `unreadable` are
    left out of everything.
    """

    labels: tuple[str, ...]
    confusion: np.ndarray
    log_loss: float
    unreadable: dict[str, str]

    @property
    def samples(self) -> int:
        """How many photos were answered."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> Metric:
        """The share of right answers, with its 95 % Wilson interval."""
        right = int(self.confusion.trace())
        low, high = wilson(right, self.samples)
        return Metric(value=right / self.samples, samples=self.samples, low=low, high=high)


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95 % interval of a proportion, right near 0 and 1 as well.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical
    inference, JASA 22 (1927).
    """
    z = 1.959963984540054  # the normal distribution's 97.5 % point
    share = right / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return (centre - spread) / scale, (centre + spread) / scale


def evaluate(classifier: Classifier, samples: Sequence[Sample]) -> Evaluation:
    """Classify every sample from its raw bytes, on all cores, with a progress bar.

    Raises:
        CommandError: not one of the photos could be decoded.
    """
    labels = classifier.card.labels
    confusion = np.zeros((len(labels), len(labels)), int)
    unreadable: dict[str, str] = {}

    def work(sample: Sample) -> dict[str, float] | str:
        try:
            return classifier.predict(sample.read()).probabilities
        except PhotoError as error:
            return str(error)

    losses = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        answers = progress(pool.map(work, samples), "testing", "photo", total=len(samples))
        for sample, answer in zip(samples, answers, strict=True):
            if isinstance(answer, str):
                unreadable[sample.name] = answer
                continue
            values = list(answer.values())
            confusion[sample.label, int(np.argmax(values))] += 1
            # A float32 can say exactly 0; its smallest step keeps the logarithm finite.
            losses.append(-math.log(max(values[sample.label], 2.0**-24)))
    if not losses:
        raise CommandError(f"none of the {len(samples)} test photos could be decoded.")
    return Evaluation(labels, confusion, sum(losses) / len(losses), unreadable)


def main() -> None:
    """The command."""
    parser = Parser(PROG, description="Test a published model on class folders of photos.")
    parser.add_argument("model", type=Path, help="a version folder, or a folder of versions")
    parser.add_argument("photos", type=Path, help="FOLDER/CLASS/PHOTO, or an .npz file's test set")
    arguments = parser.parse_args()
    threads = os.cpu_count() or 1
    classifier = Classifier.load(arguments.model, engine="litert", threads=threads)
    samples = open_subset(arguments.photos, classifier.card.labels)
    print(report(evaluate(classifier, samples)))


def report(evaluation: Evaluation) -> str:
    """The figures as text."""
    accuracy = evaluation.accuracy
    width = max(len(label) for label in evaluation.labels)
    lines = [
        f"accuracy  {accuracy.value:.2%}  (95 % interval {accuracy.low:.2%} to "
        f"{accuracy.high:.2%}, {evaluation.samples} photos)",
        f"log loss  {evaluation.log_loss:.4f}",
        "true label: photos by answer (" + ", ".join(evaluation.labels) + ")",
    ]
    for label, row in zip(evaluation.labels, evaluation.confusion, strict=True):
        lines.append(f"  {label:<{width}}  " + "  ".join(f"{count:>5}" for count in row))
    lines += [f"left out {name}: {why}" for name, why in sorted(evaluation.unreadable.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    run(PROG, main)
