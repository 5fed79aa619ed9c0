"""Metrics of a classifier: accuracy, calibration, confusion matrix, ROC and coverage."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn import metrics

from app.model.card import Acceptance, Metric, SetFigures
from app.model.summary import Values

BINS = 15
CONFIDENCES = (0.5, 0.8, 0.9, 0.95, 0.99)
# A float32 probability can be exactly 0; this bound keeps its logarithm finite.
_SMALLEST_PROBABILITY = 2.0**-24


@dataclass(frozen=True)
class ReliabilityBin:
    """Photos of similar confidence: their number, mean confidence and accuracy."""

    samples: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class ClassMetrics:
    """Precision and recall of one label; `support` is the number of photos with this label."""

    precision: float
    recall: float
    support: int


@dataclass(frozen=True)
class Coverage:
    """The answers of at least this confidence: their share of all photos and their accuracy."""

    confidence: float
    coverage: float
    accuracy: float | None


@dataclass(frozen=True)
class Evaluation:
    """A model's answers for labelled photos.

    `truths` are the true labels, int64 (photos,), and `probabilities` float64 (photos, labels).
    `unreadable` are the photos that could not be decoded, class/name -> reason; the other
    attributes do not contain them. `statistics` are those of each photo, where they were taken.
    `accepted` and `sets` are what the version's thresholds were worth, if it has some.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    truths: np.ndarray
    probabilities: np.ndarray
    unreadable: dict[str, str]
    statistics: tuple[Values, ...] = ()
    accepted: tuple[Acceptance, ...] = ()
    sets: tuple[SetFigures, ...] = ()

    @property
    def samples(self) -> int:
        """The number of classified photos."""
        return len(self.truths)

    @property
    def familiarity(self) -> np.ndarray | None:
        """The familiarity of each photo, float64 (photos,); None if it was not measured."""
        found = [values.get("familiarity") for values in self.statistics]
        return None if not found or None in found else np.array(found, np.float64)

    @cached_property
    def answers(self) -> np.ndarray:
        """The most probable label of each photo, int64 (photos,)."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @cached_property
    def confidences(self) -> np.ndarray:
        """The probability of the most probable label, float64 (photos,)."""
        return np.asarray(self.probabilities.max(axis=1))

    @cached_property
    def confusion(self) -> np.ndarray:
        """The confusion matrix, int64 (labels, labels): rows are true labels, columns answers."""
        every = range(len(self.labels))
        return np.asarray(metrics.confusion_matrix(self.truths, self.answers, labels=every))

    @property
    def accuracy(self) -> Metric:
        """The accuracy with its 95 % Wilson interval."""
        right = int(self.confusion.trace())
        low, high = wilson_interval(right, self.samples)
        return Metric(value=right / self.samples, samples=self.samples, low=low, high=high)

    @property
    def balanced_accuracy(self) -> float:
        """The mean of the recalls of all labels that have photos: each label counts alike."""
        counts = self.confusion.sum(axis=1)
        return float((self.confusion.diagonal()[counts > 0] / counts[counts > 0]).mean())

    def confusions(self) -> list[tuple[str, str, int]]:
        """Return (true label, answer, photos) of the wrong answers, the most frequent first."""
        wrong = self.confusion - np.diag(self.confusion.diagonal())
        rows = sorted(zip(*np.nonzero(wrong), strict=True), key=lambda pair: -wrong[pair])
        return [(self.labels[t], self.labels[a], int(wrong[t, a])) for t, a in rows]

    @property
    def log_loss(self) -> float:
        """The mean of -log(probability of the true label)."""
        of_truth = self.probabilities[np.arange(self.samples), self.truths]
        return float(-np.log(np.maximum(of_truth, _SMALLEST_PROBABILITY)).mean())

    @property
    def brier(self) -> float:
        """The Brier score: the mean squared difference between probabilities and outcomes.

        With two labels only the second label counts (0 to 1); with more labels the differences
        are summed over the labels (0 to 2), as in scikit-learn. Source: G. W. Brier (1950).
        """
        hot = np.eye(len(self.labels))[self.truths]
        total = ((self.probabilities - hot) ** 2).sum(axis=1).mean()
        return float(total / 2 if len(self.labels) == 2 else total)

    @property
    def auroc(self) -> float | None:
        """The area under the ROC curve; with more than two labels, the mean of one against rest.

        It is None if a label has no photo.
        """
        if len(np.unique(self.truths)) < len(self.labels):
            return None
        scores = self.probabilities[:, 1] if len(self.labels) == 2 else self.probabilities
        return float(metrics.roc_auc_score(self.truths, scores, multi_class="ovr"))

    @property
    def calibration_error(self) -> float:
        """The expected calibration error: the mean of |confidence - accuracy| over the bins.

        Source: C. Guo et al., On calibration of modern neural networks (2017). They use bins of
        equal width; here each bin has the same number of photos, so that none is nearly empty.
        """
        gaps = (b.samples * abs(b.confidence - b.accuracy) for b in self.reliability())
        return float(sum(gaps) / self.samples)

    def reliability(self, bins: int = BINS) -> list[ReliabilityBin]:
        """Return confidence and accuracy in bins with equal numbers of photos."""
        right = self.answers == self.truths
        order = np.argsort(self.confidences, kind="stable")
        return [
            ReliabilityBin(
                len(rows), float(self.confidences[rows].mean()), float(right[rows].mean())
            )
            for rows in np.array_split(order, min(bins, self.samples))
        ]

    def by_class(self) -> dict[str, ClassMetrics]:
        """Return precision and recall of each label; precision is 0 without such an answer."""
        precision, recall, _, support = metrics.precision_recall_fscore_support(
            self.truths, self.answers, labels=range(len(self.labels)), zero_division=0.0
        )
        rows = zip(precision, recall, support, strict=True)
        figures = (ClassMetrics(float(p), float(r), int(s)) for p, r, s in rows)
        return dict(zip(self.labels, figures, strict=True))

    def coverage_at(self, confidence: float) -> Coverage:
        """Return coverage and accuracy when answers below this confidence are withheld."""
        selected = self.confidences >= confidence
        right = (self.answers == self.truths)[selected]
        accuracy = float(right.mean()) if selected.any() else None
        return Coverage(confidence, float(selected.mean()), accuracy)


def wilson_interval(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a proportion; it is valid near 0 and 1 too.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical
    inference, JASA 22 (1927).
    """
    z = 1.959963984540054  # the 97.5 % quantile of the normal distribution
    share = right / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return (centre - spread) / scale, (centre + spread) / scale
