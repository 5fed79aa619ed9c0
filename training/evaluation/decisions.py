"""Measure the decisions of a model: what it keeps and refuses, and what its sets of labels hold."""

import numpy as np

from app.model.card import Acceptance, Metric, SetFigures
from app.model.conformal import ConformalSets
from training.evaluation.metrics import Evaluation, wilson_interval

STRICTNESSES = (0.005, 0.01, 0.02)  # shares of known photos that may be refused
ERRORS = (0.01, 0.05, 0.1)


def acceptances(known: Evaluation, others: np.ndarray | None) -> tuple[Acceptance, ...]:
    """Return what thresholds for the familiarity keep of test photos, and refuse of others.

    Args:
        known: the answers for the test photos.
        others: the familiarity of pictures of other things, float64 (pictures,), if there are some.
    """
    if known.familiarity is None:
        return ()
    return tuple(
        Acceptance(
            min_familiarity=least,
            known=share(known.familiarity >= least),
            other_refused=None if others is None else share(others < least),
        )
        for least in STRICTNESSES
    )


def set_figures(
    sets: ConformalSets, labels: tuple[str, ...], truths: np.ndarray, probabilities: np.ndarray
) -> tuple[SetFigures, ...]:
    """Return coverage and size of the sets of labels, at the error rates that can be promised.

    Args:
        sets: makes the sets.
        labels: the model's labels.
        truths: the true labels of the photos, int64 (photos,).
        probabilities: float64 (photos, labels).
    """
    figures = []
    for error in ERRORS:
        if error < sets.smallest_error:
            continue
        found = [sets.labels(list(row), error) for row in probabilities]
        held = np.array([truth in one for truth, one in zip(truths, found, strict=True)])
        coverage = {
            name: share(held[truths == label])
            for label, name in enumerate(labels)
            if (truths == label).any()
        }
        decided = share(np.array([len(one) == 1 for one in found]))
        figures.append(SetFigures(error=error, coverage=coverage, decided=decided))
    return tuple(figures)


def share(true: np.ndarray) -> Metric:
    """Return the share of true values, with its 95 % Wilson interval."""
    low, high = wilson_interval(int(true.sum()), len(true))
    return Metric(value=float(true.mean()), samples=len(true), low=low, high=high)
