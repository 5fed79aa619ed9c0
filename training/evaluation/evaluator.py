"""Run a classifier on labelled photos."""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.imaging.errors import PhotoError
from app.imaging.statistics import statistics
from app.model.classifier import Classifier
from app.model.summary import Values, photo_values
from training.cli import CommandError, progress
from training.data.samples import Sample, reason_left_out
from training.evaluation.metrics import Evaluation


def evaluate(
    classifier: Classifier, samples: Sequence[Sample], description: str = "testing"
) -> Evaluation:
    """Classify the raw bytes of every sample on all cores, with a progress bar.

    Raises:
        CommandError: none of the photos could be decoded.
    """
    network = threading.Lock()

    def classify(sample: Sample) -> tuple[list[float], Values] | str:
        try:
            pixels, whole = classifier.decoded(sample.read())
        except PhotoError as error:
            return reason_left_out(error)
        with network:  # a classifier is for one thread at a time; the network uses all cores
            prediction = classifier.predict_pixels(pixels[np.newaxis], alone=True)[0]
        values = photo_values(statistics(pixels, whole), prediction)
        return list(prediction.probabilities.values()), values

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(classify, samples)
        results = list(progress(jobs, description, "photo", total=len(samples)))
    answered = [(s, r) for s, r in zip(samples, results, strict=True) if not isinstance(r, str)]
    if not answered:
        raise CommandError(f"none of the {len(samples)} test photos could be decoded.")
    return Evaluation(
        labels=classifier.card.labels,
        names=tuple(sample.name for sample, _ in answered),
        truths=np.array([sample.label for sample, _ in answered]),
        probabilities=np.array([probabilities for _, (probabilities, _) in answered]),
        statistics=tuple(values for _, (_, values) in answered),
        unreadable={
            s.display_name: r for s, r in zip(samples, results, strict=True) if isinstance(r, str)
        },
    )
