"""Sets of labels that hold the true one at a chosen error rate.

Class-conditional split conformal prediction: a label is in the set if photos of that class with so
low a probability of their label are not rarer than the error rate. Sources: V. Vovk et al.,
Algorithmic learning in a random world (2005); V. Vovk, Conditional validity of inductive conformal
predictors (2012).
"""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from app.model.arrays import read_arrays, refused
from app.model.card import CALIBRATION, Card


class ConformalSets:
    """The probabilities that calibration photos got for their true label, by label.

    Args:
        probabilities: float (photos,).
        labels: integers (photos,), the true labels; each label has a photo at least.
    """

    def __init__(self, probabilities: np.ndarray, labels: np.ndarray) -> None:
        count = int(labels.max()) + 1
        self._sorted = [sorted(probabilities[labels == label].tolist()) for label in range(count)]

    @classmethod
    def read(cls, content: bytes, card: Card) -> "ConformalSets":
        """From the bytes of the version's `calibration.npz`.

        Raises:
            ModelError: the file is not readable, or does not fit to the card.
        """
        types = {"probabilities": np.float32, "labels": np.uint16}
        found = read_arrays(CALIBRATION, content, types)
        probabilities, labels = found["probabilities"], found["labels"]
        every = np.arange(len(card.labels))
        fits = probabilities.shape == labels.shape == (labels.size,)
        if not fits or not np.array_equal(np.unique(labels), every):
            raise refused(CALIBRATION, "it does not have photos of every label")
        return cls(probabilities, labels)

    @property
    def smallest_error(self) -> float:
        """The lowest error rate that so many photos can promise for every label."""
        return 1 / (min(map(len, self._sorted)) + 1)

    def p_values(self, probabilities: Sequence[float]) -> list[float]:
        """For each label, how usual so low a probability is for photos of that class, 0 to 1."""
        return [
            (bisect_right(known, value) + 1) / (len(known) + 1)
            for known, value in zip(self._sorted, probabilities, strict=True)
        ]

    def labels(self, probabilities: Sequence[float], error: float) -> list[int]:
        """The labels in the set, the most probable first.

        The most probable label is always in it: a set without a label would help nobody.

        Args:
            probabilities: one for each label.
            error: the share of photos whose true label may be missing, from `smallest_error`.
        """
        ranked = sorted(range(len(probabilities)), key=lambda place: -probabilities[place])
        values = self.p_values(probabilities)
        return [place for place in ranked if values[place] > error or place == ranked[0]]
