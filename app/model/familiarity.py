"""How familiar a photo is: the share of known photos that are at most as familiar to the network.

The score of a photo has two terms, both of the network's features, scaled to unit length:

- the Mahalanobis distance from the nearest class. Outside of the leading components of the training
  features, every direction has the same variance. Sources: K. Lee et al., A simple unified
  framework for detecting out-of-distribution samples and adversarial attacks (2018); M. Müller and
  M. Hein, Mahalanobis++ (2025) for the unit length; M. Tipping and C. Bishop, Probabilistic
  principal component analysis (1999) for the covariance.
- the cosine similarity to the most similar training photo, within those components. Source: Y. Sun
  et al., Out-of-distribution detection with deep nearest neighbors (2022).

Each term counts in units of its spread over known photos, and the score is their sum. If the
training had pictures of other things, a third term tells those from known photos.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from app.model.arrays import read_arrays, refused
from app.model.card import FAMILIARITY, Card

_TYPES: dict[str, type] = {
    "mean": np.float32, "basis": np.float16, "centres": np.float32, "whitening": np.float32,
    "residual": np.float32, "bank": np.int8, "bank_labels": np.uint16, "scales": np.float32,
    "other": np.float32, "known": np.float32,
}  # fmt: skip


class Familiar(NamedTuple):
    """How familiar a photo is.

    Attributes:
        share: of known photos that are at most as familiar, 0 to 1.
        nearest: the label of the most similar training photo, an index into the card's labels.
        similarity: the cosine similarity to it, -1 to 1.
    """

    share: float
    nearest: int
    similarity: float


@dataclass(frozen=True)
class Familiarity:
    """What the score needs; the arrays of `familiarity.npz`.

    Attributes:
        mean: float32 (features,), of the training photos' features of unit length.
        basis: float16 (features, components), their leading components.
        centres: float32 (labels, components), the mean of each class within the components.
        whitening: float32 (components, components); it makes the covariance around the centres that
            of independent values with variance 1.
        residual: float32 (), the variance in each direction outside of the components.
        bank: int8 (photos, components), training photos within the components, scaled.
        bank_labels: uint16 (photos,).
        scales: float32 (terms, 2), the middle and the spread of each term over known photos.
        other: float32 (features + 1,), weights and bias of the logit of "known" against other
            pictures; empty if the training had none.
        known: float32 (photos,), the scores of known photos, ascending.
    """

    mean: np.ndarray
    basis: np.ndarray
    centres: np.ndarray
    whitening: np.ndarray
    residual: np.ndarray
    bank: np.ndarray
    bank_labels: np.ndarray
    scales: np.ndarray
    other: np.ndarray
    known: np.ndarray

    @cached_property
    def _fast(self) -> "_Fast":
        return _Fast.of(self)

    @classmethod
    def read(cls, content: bytes, card: Card) -> "Familiarity":
        """From the bytes of the version's `familiarity.npz`.

        Raises:
            ModelError: the arrays do not fit together, or not to the card.
        """
        found = read_arrays(FAMILIARITY, content, _TYPES)
        features, components = found["basis"].shape if found["basis"].ndim == 2 else (0, 0)
        photos, terms = found["bank"].shape[:1], 3 if found["other"].size else 2
        expected = {
            "mean": (features,), "basis": (features, components),
            "centres": (len(card.labels), components), "whitening": (components, components),
            "residual": (), "bank": (*photos, components), "bank_labels": photos,
            "scales": (terms, 2), "other": (features + 1 if terms == 3 else 0,),
            "known": (found["known"].size,),
        }  # fmt: skip
        for name, shape in expected.items():
            if found[name].shape != shape or (not found[name].size and name != "other"):
                reason = f"{name} has the shape {found[name].shape}, expected {shape}"
                raise refused(FAMILIARITY, reason)
        if found["bank_labels"].max() >= len(card.labels):
            raise refused(FAMILIARITY, "it has a label that is not on the card")
        return cls(**found)

    @property
    def features(self) -> int:
        """The number of features that it needs."""
        return len(self.mean)

    def measure(self, features: np.ndarray) -> list[Familiar]:
        """How familiar photos are, from their features: float32 (photos, features)."""
        terms, nearest, similarity = self.terms(features)
        shares = np.searchsorted(self.known, self.score(terms), "right") / len(self.known)
        labels = self.bank_labels[nearest]
        rows = zip(shares.tolist(), labels.tolist(), similarity.tolist(), strict=True)
        return [Familiar(*row) for row in rows]

    def score(self, terms: np.ndarray) -> np.ndarray:
        """The score of photos from their terms, float32 (photos,); higher is more familiar."""
        middle, spread = self.scales.T
        return np.asarray(((terms - middle) / spread).sum(axis=1), np.float32)

    def terms(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The terms of the score, each higher for what is more familiar.

        Returns:
            The terms, float32 (photos, terms); the most similar photo's place in the bank, and
            the similarity to it, float32 (photos,).
        """
        fast = self._fast
        centred = unit(features) - self.mean
        inside = centred @ fast.basis
        outside = _squares(centred) - _squares(inside)
        terms = [-self._distance(inside, outside)]
        similarities = unit(inside) @ fast.bank
        nearest = similarities.argmax(axis=1)
        similarity = similarities[np.arange(len(nearest)), nearest]
        terms.append(similarity)
        if self.other.size:
            terms.append(centred @ self.other[:-1] + self.other[-1])
        return np.stack(terms, axis=1), nearest, similarity

    def _distance(self, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
        """The squared Mahalanobis distance from the nearest class, float32 (photos,).

        Args:
            inside: the centred features within the components, float32 (photos, components).
            outside: the squared length of the rest, float32 (photos,).
        """
        fast = self._fast
        whitened = inside @ self.whitening
        # |a - b|^2 = |a|^2 - 2 a b + |b|^2, without an array of (photos, labels, components).
        gaps = (fast.centre_squares - 2 * whitened @ fast.centres).min(axis=1)
        rest = np.maximum(outside, 0) / self.residual
        return np.asarray(_squares(whitened) + gaps + rest, np.float32)


class _Fast(NamedTuple):
    """What does not depend on a photo, computed once: NumPy's calls take most of the time."""

    basis: np.ndarray  # float32
    centres: np.ndarray  # whitened, (components, labels)
    centre_squares: np.ndarray
    bank: np.ndarray  # of unit length, (components, photos)

    @classmethod
    def of(cls, familiarity: Familiarity) -> "_Fast":
        basis = familiarity.basis.astype(np.float32)
        centres = familiarity.centres @ familiarity.whitening
        bank = unit(familiarity.bank.astype(np.float32))
        return cls(
            basis, np.ascontiguousarray(centres.T), _squares(centres),
            np.ascontiguousarray(bank.T),
        )  # fmt: skip


def _squares(rows: np.ndarray) -> np.ndarray:
    """The squared length of each row."""
    return np.asarray(np.einsum("ij,ij->i", rows, rows))


def unit(rows: np.ndarray) -> np.ndarray:
    """Each row, scaled to length 1; zeros stay zeros."""
    length = np.sqrt(_squares(rows))[:, np.newaxis]
    return np.asarray(rows / np.maximum(length, 1e-12))
