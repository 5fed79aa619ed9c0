"""Run a classifier on labelled photos."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from app.cli import CommandError, progress
from app.imaging.decode import Decoded
from app.imaging.errors import PhotoError
from app.imaging.statistics import statistics
from app.model.classifier import Classifier
from app.model.prediction import Prediction
from app.model.summary import Values, photo_values
from training.data.samples import Sample, reason_left_out
from training.evaluation.metrics import Evaluation

T = TypeVar("T")


def evaluate(
    classifier: Classifier, samples: Sequence[Sample], description: str = "testing"
) -> Evaluation:
    """Classify the raw bytes of every sample on all cores, with a progress bar.

    Raises:
        CommandError: none of the photos could be decoded.
    """

    def classify(photo: Decoded) -> tuple[Prediction, Values]:
        answer = classifier.predict_pixels(photo.pixels[np.newaxis], alone=True)[0]
        return answer, photo_values(statistics(*photo), answer)

    answered, unreadable = for_each(classifier, samples, classify, description)
    if not answered:
        raise CommandError(f"none of the {len(samples)} test photos could be decoded.")
    return Evaluation(
        labels=classifier.card.labels,
        names=tuple(sample.name for sample, _ in answered),
        truths=np.array([sample.label for sample, _ in answered]),
        probabilities=np.array([list(one.probabilities.values()) for _, (one, _) in answered]),
        unreadable=unreadable,
        statistics=tuple(values for _, (_, values) in answered),
    )


def for_each(
    classifier: Classifier,
    samples: Sequence[Sample],
    answer: Callable[[Decoded], T],
    description: str,
) -> tuple[list[tuple[Sample, T]], dict[str, str]]:
    """Decode every sample on all cores, and call `answer` with each decoded photo, one at a time.

    Returns:
        The readable samples with what `answer` returned, and the others, class/name -> reason.
    """
    network = threading.Lock()

    def run(sample: Sample) -> tuple[T] | str:
        try:
            photo = classifier.decoded(sample.read())
        except PhotoError as error:
            return reason_left_out(error)
        with network:  # a classifier is for one thread at a time; the network uses all cores
            return (answer(photo),)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(run, samples)
        results = list(progress(jobs, description, "photo", total=len(samples)))
    pairs = list(zip(samples, results, strict=True))
    answered = [(sample, found[0]) for sample, found in pairs if not isinstance(found, str)]
    return answered, {s.display_name: why for s, why in pairs if isinstance(why, str)}
