"""Run a classifier on labelled photos."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from app.imaging.errors import PhotoError
from app.model.classifier import Classifier
from app.model.prediction import Prediction
from training.cli import CommandError, progress
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

    def predict(pixels: np.ndarray) -> Prediction:
        return classifier.predict_pixels(pixels[np.newaxis], alone=True)[0]

    answered, unreadable = for_each(classifier, samples, predict, description)
    if not answered:
        raise CommandError(f"none of the {len(samples)} test photos could be decoded.")
    return Evaluation(
        labels=classifier.card.labels,
        names=tuple(sample.name for sample, _ in answered),
        truths=np.array([sample.label for sample, _ in answered]),
        probabilities=np.array([list(one.probabilities.values()) for _, one in answered]),
        unreadable=unreadable,
        familiarity=familiarities([one for _, one in answered]),
    )


def familiarities(answers: Sequence[Prediction]) -> np.ndarray | None:
    """Return the familiarity of each photo, float64 (photos,); None if it was not measured."""
    found = [answer.familiarity for answer in answers if answer.familiarity is not None]
    return np.array(found) if len(found) == len(answers) else None


def for_each(
    classifier: Classifier,
    samples: Sequence[Sample],
    answer: Callable[[np.ndarray], T],
    description: str,
) -> tuple[list[tuple[Sample, T]], dict[str, str]]:
    """Decode the raw bytes of every sample on all cores, and call `answer` with its pixels.

    Returns:
        The readable samples with what `answer` returned, and the others, class/name -> reason.
    """
    network = threading.Lock()

    def run(sample: Sample) -> tuple[T] | str:
        try:
            pixels = classifier.pixels(sample.read())
        except PhotoError as error:
            return reason_left_out(error)
        with network:  # a classifier is for one thread at a time; the network uses all cores
            return (answer(pixels),)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(run, samples)
        results = list(progress(jobs, description, "photo", total=len(samples)))
    pairs = list(zip(samples, results, strict=True))
    answered = [(sample, found[0]) for sample, found in pairs if not isinstance(found, str)]
    return answered, {s.display_name: why for s, why in pairs if isinstance(why, str)}
