"""How good a classifier's answers are, and whether its probabilities mean what they say."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn import metrics

from app.model.card import Metric

BINS = 15
CONFIDENCES = (0.5, 0.8, 0.9, 0.95, 0.99)
# A float32 can say exactly 0; its smallest step keeps the logarithm finite.
_LEAST = 2.0**-24


@dataclass(frozen=True)
class Bin:
    """Photos of like confidence: their number, mean confidence, and share of right answers."""

    samples: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class ClassFigures:
    """How one label did: `support` is the number of photos that show it."""

    precision: float
    recall: float
    support: int


@dataclass(frozen=True)
class Answered:
    """The photos answered with at least this confidence: their share, and that of right ones."""

    confidence: float
    coverage: float
    accuracy: float | None


@dataclass(frozen=True)
class Evaluation:
    """A model's answers to labelled photos that it had not seen.

    `names`: of the photos. `truths`: int64 (photos,). `probabilities`: float64 (photos,
    labels). `unreadable` are in none of these, class/name -> reason.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    truths: np.ndarray
    probabilities: np.ndarray
    unreadable: dict[str, str]

    @property
    def samples(self) -> int:
        """How many photos were answered."""
        return len(self.truths)

    @cached_property
    def answers(self) -> np.ndarray:
        """The likeliest label of each photo."""
        return np.asarray(self.probabilities.argmax(axis=1))

    @cached_property
    def confidences(self) -> np.ndarray:
        """The probability of that label."""
        return np.asarray(self.probabilities.max(axis=1))

    @cached_property
    def confusion(self) -> np.ndarray:
        """[t, a] counts the photos of label t that were answered a."""
        every = range(len(self.labels))
        return np.asarray(metrics.confusion_matrix(self.truths, self.answers, labels=every))

    @property
    def accuracy(self) -> Metric:
        """The share of right answers, with its 95 % Wilson interval."""
        right = int(self.confusion.trace())
        low, high = wilson(right, self.samples)
        return Metric(value=right / self.samples, samples=self.samples, low=low, high=high)

    @property
    def log_loss(self) -> float:
        """The mean of -log(probability of the true label)."""
        of_truth = self.probabilities[np.arange(self.samples), self.truths]
        return float(-np.log(np.maximum(of_truth, _LEAST)).mean())

    @property
    def brier(self) -> float:
        """The mean squared distance of the probabilities from 0 and 1.

        With two labels that of the second one's probability (0 to 1), with more the sum over
        the labels (0 to 2), as scikit-learn has it. Source: G. W. Brier (1950).
        """
        hot = np.eye(len(self.labels))[self.truths]
        total = ((self.probabilities - hot) ** 2).sum(axis=1).mean()
        return float(total / 2 if len(self.labels) == 2 else total)

    @property
    def auroc(self) -> float | None:
        """The area under the ROC curve; the mean over each label against the rest.

        None where a label has no photo, or all photos.
        """
        if len(np.unique(self.truths)) < len(self.labels):
            return None
        scores = self.probabilities[:, 1] if len(self.labels) == 2 else self.probabilities
        return float(metrics.roc_auc_score(self.truths, scores, multi_class="ovr"))

    @property
    def calibration_error(self) -> float:
        """How far confidence is from accuracy: the mean over `reliability`, by photos.

        Source: C. Guo et al., On calibration of modern neural networks (2017); bins of equal
        mass, as their bins of equal width are nearly empty where the network is unsure.
        """
        gaps = (b.samples * abs(b.confidence - b.accuracy) for b in self.reliability())
        return float(sum(gaps) / self.samples)

    def reliability(self, bins: int = BINS) -> list[Bin]:
        """Confidence against accuracy, in bins of equal numbers of photos."""
        right = self.answers == self.truths
        order = np.argsort(self.confidences, kind="stable")
        return [
            Bin(len(rows), float(self.confidences[rows].mean()), float(right[rows].mean()))
            for rows in np.array_split(order, min(bins, self.samples))
        ]

    def by_class(self) -> dict[str, ClassFigures]:
        """Precision and recall of each label; 0 where nothing was answered so."""
        precision, recall, _, support = metrics.precision_recall_fscore_support(
            self.truths, self.answers, labels=range(len(self.labels)), zero_division=0.0
        )
        rows = zip(precision, recall, support, strict=True)
        figures = (ClassFigures(float(p), float(r), int(s)) for p, r, s in rows)
        return dict(zip(self.labels, figures, strict=True))

    def at_confidence(self, confidence: float) -> Answered:
        """What is left, and how good it is, if less certain answers are withheld."""
        sure = self.confidences >= confidence
        right = (self.answers == self.truths)[sure]
        accuracy = float(right.mean()) if sure.any() else None
        return Answered(confidence, float(sure.mean()), accuracy)


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
