"""The linear head: a regularised logistic regression on features, folded into the last layer."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import keras
import numpy as np
from scipy.special import expit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, train_test_split
from threadpoolctl import threadpool_limits

from app.cli import CommandError
from training.loop.calibration import fit_temperature, log_loss

# Inverse strengths of the regularisation, as scikit-learn's C, from strong to weak.
STRENGTHS = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
_FIRST = 4  # the strength that is tried first
_FOLDS = 5
_MOST = 4000  # photos for the choice of the strength
_ITERATIONS = 300

# The last iterations change little. The filter is set once, as it is not safe to change in threads.
warnings.filterwarnings("ignore", category=ConvergenceWarning, module="sklearn")
# The largest class may have so many times the photos of the smallest before classes are weighted.
_IMBALANCE = 1.5


@dataclass(frozen=True)
class Head:
    """A linear map from features to logits.

    Attributes:
        kernel: float32 (features, outputs); one output for two classes.
        bias: float32 (outputs,).
        strength: the inverse strength of the regularisation.
    """

    kernel: np.ndarray
    bias: np.ndarray
    strength: float

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return the logits: float32 (photos, features) -> float32 (photos, outputs)."""
        return np.asarray(features @ self.kernel + self.bias, np.float32)

    def put_into(self, network: keras.Model) -> None:
        """Set the weights of the network's last layer."""
        network.layers[-1].set_weights([self.kernel, self.bias])


def fit_head(features: np.ndarray, labels: np.ndarray) -> Head:
    """Fit the head; cross-validation chooses the strength of its regularisation.

    The features are centred, and divided by their common deviation. The kernel that is returned
    contains this, so it applies to features as the backbone computes them. If the classes differ
    much in size, each photo has the weight that makes all classes count alike.

    Args:
        features: float32 (photos, features).
        labels: int64 (photos,); each class has two photos or more.

    Raises:
        CommandError: a class has a single photo.
    """
    strength = choose_strength(features, labels)
    with threadpool_limits(1):
        return _fit(features, labels, strength)


def choose_strength(features: np.ndarray, labels: np.ndarray) -> float:
    """Return the strength with the lowest cross-validated log loss.

    The search goes from a middle strength in the direction in which the loss falls. The loss is
    that after calibration, as the published network is calibrated.
    """
    if len(labels) > _MOST:
        # A class of few photos keeps two, so that the folds can have one each.
        rows, _ = train_test_split(
            np.arange(len(labels)), train_size=_MOST, stratify=labels, random_state=0
        )
        if np.bincount(labels[rows]).min() >= 2:
            features, labels = features[rows], labels[rows]
    losses: dict[int, float] = {}

    def loss(place: int) -> float:
        if not 0 <= place < len(STRENGTHS):
            return np.inf
        if place not in losses:
            logits = out_of_fold_logits(features, labels, STRENGTHS[place])
            losses[place] = log_loss(logits / fit_temperature(logits, labels), labels)
        return losses[place]

    best = _FIRST
    step = 1 if loss(best + 1) < loss(best) else -1
    while loss(best + step) < loss(best):
        best += step
    return STRENGTHS[best]


def out_of_fold_logits(features: np.ndarray, labels: np.ndarray, strength: float) -> np.ndarray:
    """Return logits of heads that were not fitted on the photo: float32 (photos, outputs).

    Raises:
        CommandError: a class has a single photo.
    """
    smallest = int(np.bincount(labels).min())
    if smallest < 2:
        raise CommandError(
            "a class has a single photo to train on; the recipe transfer needs 2 at least in each "
            "class. Add photos, or leave the class out."
        )
    folds = StratifiedKFold(min(_FOLDS, smallest), shuffle=True, random_state=0)
    outputs = 1 if labels.max() == 1 else int(labels.max()) + 1
    logits = np.empty((len(labels), outputs), np.float32)

    def answer(fold: tuple[np.ndarray, np.ndarray]) -> None:
        train, rest = fold
        logits[rest] = _fit(features[train], labels[train], strength).logits(features[rest])

    # One core for each fold: several cores for one small product of matrices wait for each other.
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(answer, folds.split(features, labels)))
    return logits


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Return the probability of each class: (photos, outputs) -> float64 (photos, classes)."""
    if logits.shape[1] == 1:
        second = expit(logits.astype(np.float64))
        return np.concatenate([1 - second, second], axis=1)
    return np.asarray(softmax(logits.astype(np.float64), axis=1))


def is_imbalanced(labels: np.ndarray) -> bool:
    """Tell whether the classes differ so much in size that they are weighted."""
    counts = np.bincount(labels)
    return bool(counts.max() > _IMBALANCE * counts.min())


def _fit(features: np.ndarray, labels: np.ndarray, strength: float) -> Head:
    # One scale for all features: the deviation of a single one is not known from few photos.
    mean = features.mean(axis=0)
    scale = 1 / max(float(np.sqrt(np.square(features - mean).mean())), 1e-6)
    regression = LogisticRegression(
        C=strength,
        max_iter=_ITERATIONS,
        class_weight="balanced" if is_imbalanced(labels) else None,
    )
    regression.fit((features - mean) * scale, labels)
    kernel = (regression.coef_ * scale).T
    bias = regression.intercept_ - mean @ kernel
    return Head(kernel.astype(np.float32), bias.astype(np.float32), strength)
