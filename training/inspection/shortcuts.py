"""Find out whether a class can be told without looking at the photos' content.

A network learns such a shortcut instead of the content, and fails on photos of another source.
"""

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from app.cli import progress
from app.imaging import decode, errors
from training.data.samples import Sample

_SIDE, _BORDER = 40, 4  # pixels of the decoded photo, and of its border
_FOLDS = 5
_SUSPICIOUS = 0.25  # of the way from chance to certainty
_LEAF = 5  # photos in a leaf of the tree


@dataclass(frozen=True)
class Shortcut:
    """How well the classes can be told from one property of the files.

    Attributes:
        source: the property: "file size", "shape" or "border".
        accuracy: the cross-validated balanced accuracy of a small decision tree.
        chance: what guessing would reach.
    """

    source: str
    accuracy: float
    chance: float

    @property
    def suspicious(self) -> bool:
        """Whether the property alone tells much about the class."""
        return self.accuracy > self.chance + _SUSPICIOUS * (1 - self.chance)


def find_shortcuts(samples: Sequence[Sample]) -> list[Shortcut]:
    """Return how well each property tells the classes apart, the best one first."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = pool.map(_properties, samples)
        found = list(progress(jobs, "shortcuts", "photo", total=len(samples)))
    kept = [row for row, properties in enumerate(found) if properties is not None]
    labels = np.array([samples[row].label for row in kept])
    properties = {
        name: np.array([found[row][name] for row in kept])
        for name in ("file size", "shape", "border")
    }
    shortcuts = [_measure(name, values, labels) for name, values in properties.items()]
    return sorted(shortcuts, key=lambda shortcut: -shortcut.accuracy)


def _properties(sample: Sample) -> dict[str, list[float]] | None:
    data = sample.read()
    try:
        pixels = decode.decode(data, _SIDE, _SIDE, 3)
        with Image.open(io.BytesIO(data)) as photo:
            width, height = photo.size
    except (errors.PhotoError, OSError):
        return None
    inside = slice(_BORDER, -_BORDER)
    border = np.ones((_SIDE, _SIDE), bool)
    border[inside, inside] = False
    edge = pixels[border].astype(np.float64)
    return {
        "file size": [len(data)],
        "shape": [width, height, width / height],
        "border": [*edge.mean(axis=0), *edge.std(axis=0)],
    }


def _measure(name: str, values: np.ndarray, labels: np.ndarray) -> Shortcut:
    folds = min(_FOLDS, int(np.bincount(labels).min()))
    tree = DecisionTreeClassifier(
        max_depth=4, min_samples_leaf=_LEAF, class_weight="balanced", random_state=0
    )
    chance = 1 / len(np.unique(labels))
    if folds < 2:
        return Shortcut(name, chance, chance)
    split = StratifiedKFold(folds, shuffle=True, random_state=0)
    answers = cross_val_predict(tree, values, labels, cv=split)
    return Shortcut(name, float(balanced_accuracy_score(labels, answers)), chance)
