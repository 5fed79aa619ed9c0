"""Run a classifier on labelled photos."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from app.imaging.errors import PhotoError
from app.model.classifier import Classifier
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

    def classify(sample: Sample) -> list[float] | str:
        try:
            return list(classifier.predict(sample.read()).probabilities.values())
        except PhotoError as error:
            return reason_left_out(error)

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
        probabilities=np.array([values for _, values in answered]),
        unreadable={
            s.display_name: r for s, r in zip(samples, results, strict=True) if isinstance(r, str)
        },
    )
