"""Scores that tell known photos from pictures of other things; each is higher for a known photo.

Besides the one that this project serves, these are:

largest probability  D. Hendrycks and K. Gimpel, A baseline for detecting misclassified and
                     out-of-distribution examples in neural networks (2017)
energy               W. Liu et al., Energy-based out-of-distribution detection (2020)
Mahalanobis          K. Lee et al., A simple unified framework for detecting out-of-distribution
                     samples and adversarial attacks (2018)
nearest photo        Y. Sun et al., Out-of-distribution detection with deep nearest neighbors (2022)
principal subspace   H. Wang et al., ViM: out-of-distribution with virtual-logit matching (2022)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import logsumexp

from app.cli import CommandError
from app.imaging.decode import Decoded
from app.model.card import KERAS
from app.model.classifier import Classifier
from app.model.familiarity import Familiarity
from app.model.prediction import prediction
from training.data.samples import Sample
from training.evaluation.evaluator import for_each

PRODUCT = "familiarity (this project)"
COMPONENTS = 256  # of the principal subspace
_RIDGE = 1e-3  # of the mean variance, added to every variance


@dataclass(frozen=True)
class Answers:
    """What a network says of photos.

    Attributes:
        truths: the true labels, int64 (photos,); -1 for pictures of other things.
        features: the inputs of the last layer, float32 (photos, features).
        logits: float64 (photos, labels).
        probabilities: float64 (photos, labels), as the service gives them.
    """

    truths: np.ndarray
    features: np.ndarray
    logits: np.ndarray
    probabilities: np.ndarray


Score = Callable[[Answers], np.ndarray]


def last_layer(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the kernel (features, outputs) and the bias (outputs,) of a version's last layer."""
    import keras

    network = keras.saving.load_model(folder / KERAS, compile=False, safe_mode=True)
    kernel, bias = network.layers[-1].get_weights()
    return kernel, bias


def answers(
    classifier: Classifier,
    layer: tuple[np.ndarray, np.ndarray],
    samples: Sequence[Sample],
    what: str,
) -> Answers:
    """Run the network on the readable photos.

    Args:
        classifier: the version.
        layer: its last layer, see `last_layer`. The logits come from it, as a probability near 1
            does not tell them.
        samples: the photos.
        what: the text of the progress bar.

    Raises:
        CommandError: none of the photos could be decoded.
    """
    engine = classifier.network.engine

    def forward(photo: Decoded) -> tuple[np.ndarray, list[float]]:
        outputs, features = engine.forward(photo.pixels[np.newaxis], alone=True)
        assert features is not None  # a network with a measure of familiarity shows them
        answer = prediction(classifier.card, outputs[0])
        return features[0], list(answer.probabilities.values())

    answered, _ = for_each(classifier, samples, forward, what)
    if not answered:
        raise CommandError(f"{what}: none of the {len(samples)} photos could be decoded.")
    features = np.stack([each for _, (each, _) in answered])
    return Answers(
        truths=np.array([sample.label for sample, _ in answered]),
        features=features,
        logits=both_logits(features.astype(np.float64) @ layer[0] + layer[1]),
        probabilities=np.array([each for _, (_, each) in answered]),
    )


def both_logits(logits: np.ndarray) -> np.ndarray:
    """Return (photos, labels) logits: the single one of a sigmoid is split between two labels."""
    if logits.shape[1] > 1:
        return logits
    return np.concatenate([-logits / 2, logits / 2], axis=1)


def fit_scores(train: Answers, familiarity: Familiarity) -> dict[str, Score]:
    """Return all scores by name, fitted on training photos where they need it."""
    unit = _unit(train.features)
    return {
        PRODUCT: lambda photos: familiarity.score(familiarity.terms(photos.features)[0]),
        "largest probability": _log_probability,
        "energy": lambda photos: np.asarray(logsumexp(photos.logits, axis=1)),
        "Mahalanobis": _mahalanobis(train.features, train.truths),
        "nearest training photo": lambda photos: _nearest(unit, photos.features, 1),
        "10th nearest training photo": lambda photos: _nearest(unit, photos.features, 10),
        "distance from the principal subspace": _subspace_distance(train.features),
        "the same, divided by the length": _subspace_distance(train.features, relative=True),
    }


def _log_probability(photos: Answers) -> np.ndarray:
    """Return the logarithm of the largest probability, exact also for probabilities near 1."""
    ordered = np.sort(photos.logits, axis=1)
    return np.asarray(-np.log1p(np.exp(ordered[:, :-1] - ordered[:, -1:]).sum(axis=1)))


def _mahalanobis(features: np.ndarray, labels: np.ndarray) -> Score:
    """Return the negative squared distance from the nearest class, of one covariance for all."""
    values = features.astype(np.float64)
    centres = np.stack([values[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    covariance = np.cov((values - centres[labels]).T)
    covariance += _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    whitening = np.linalg.cholesky(np.linalg.inv(covariance))

    def score(photos: Answers) -> np.ndarray:
        gaps = [np.square((photos.features - centre) @ whitening).sum(axis=1) for centre in centres]
        return np.asarray(-np.min(gaps, axis=0))

    return score


def _nearest(unit: np.ndarray, features: np.ndarray, nth: int) -> np.ndarray:
    """Return the cosine similarity to the `nth` most similar of the training photos."""
    similarities = _unit(features) @ unit.T
    return np.asarray(np.partition(similarities, -nth, axis=1)[:, -nth])


def _subspace_distance(features: np.ndarray, relative: bool = False) -> Score:
    """Return the negative distance from the subspace of the leading principal components.

    `relative`: divided by the distance from the mean.
    """
    mean = features.mean(axis=0)
    basis = np.linalg.svd(features - mean, full_matrices=False)[2][:COMPONENTS].T

    def score(photos: Answers) -> np.ndarray:
        centred = photos.features - mean
        distance = np.linalg.norm(centred - centred @ basis @ basis.T, axis=1)
        length = np.linalg.norm(centred, axis=1) if relative else 1
        return np.asarray(-distance / length)

    return score


def _unit(features: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(length, 1e-12))
