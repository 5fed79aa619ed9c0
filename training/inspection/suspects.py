"""Find photos to look at: probable mislabels, near duplicates, odd ones, and shortcuts.

All of it works on the features of a pretrained backbone. Source of the idea to rank labels by
out-of-fold predictions: C. Northcutt, L. Jiang and I. Chuang, Confident learning (2021).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import normalize

from training.data.samples import Sample
from training.transfer.head import choose_strength, out_of_fold_logits, probabilities

_NEAR = 0.98  # cosine similarity of features above which two photos are nearly the same
_CHUNK = 1024  # rows of the matrix of similarities in memory at a time
_NEIGHBOURS = 10


@dataclass(frozen=True)
class Mislabel:
    """A photo that heads that never saw it give another label.

    `own` and `other` are the probabilities of its own label and of the most probable one.
    """

    sample: Sample
    answer: int
    own: float
    other: float


@dataclass(frozen=True)
class Pair:
    """Two photos with nearly the same features; `similarity` is the cosine."""

    first: Sample
    second: Sample
    similarity: float


@dataclass(frozen=True)
class Odd:
    """A photo that resembles none of its class; `similarity` is that to its nearest ones."""

    sample: Sample
    similarity: float


def find_mislabels(features: np.ndarray, samples: Sequence[Sample]) -> list[Mislabel]:
    """Return the photos whose label is improbable, the most improbable first.

    Args:
        features: float32 (photos, features).
        samples: the photos in the same order; each class has two or more.
    """
    labels = np.array([sample.label for sample in samples])
    strength = choose_strength(features, labels)
    likely = probabilities(out_of_fold_logits(features, labels, strength))
    rows = np.arange(len(labels))
    own, answers = likely[rows, labels], likely.argmax(axis=1)
    order = np.argsort(own - likely[rows, answers], kind="stable")
    return [
        Mislabel(samples[row], int(answers[row]), float(own[row]), float(likely[row, answers[row]]))
        for row in order
        if answers[row] != labels[row]
    ]


def find_pairs(features: np.ndarray, samples: Sequence[Sample]) -> list[Pair]:
    """Return the pairs of nearly equal photos, the most similar first."""
    unit = _unit(features)
    found = []
    for start in range(0, len(unit), _CHUNK):
        similar = unit[start : start + _CHUNK] @ unit.T
        for row, column in zip(*np.nonzero(similar > _NEAR), strict=True):
            if column > start + row:
                pair = samples[start + row], samples[column]
                found.append(Pair(*pair, float(similar[row, column])))
    return sorted(found, key=lambda pair: -pair.similarity)


def find_odd(features: np.ndarray, samples: Sequence[Sample], most: int) -> list[Odd]:
    """Return the photos that are least like the others of their class, the oddest first."""
    unit = _unit(features)
    labels = np.array([sample.label for sample in samples])
    nearness = np.ones(len(labels))
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = min(_NEIGHBOURS, len(rows) - 1)
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            similar = unit[part] @ unit[rows].T
            similar[np.arange(len(part)), start + np.arange(len(part))] = -1
            if count:
                nearness[part] = np.partition(similar, -count, axis=1)[:, -count:].mean(axis=1)
    order = np.argsort(nearness, kind="stable")[:most]
    return [Odd(samples[row], float(nearness[row])) for row in order]


def _unit(features: np.ndarray) -> np.ndarray:
    """Return the features centred and with length 1."""
    centred = features - features.mean(axis=0)
    return np.asarray(normalize(centred), np.float32)
