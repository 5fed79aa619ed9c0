"""From a network's outputs to a labelled answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.model.card import Card
from app.model.familiarity import Familiar


@dataclass(frozen=True)
class Nearest:
    """The most similar training photo: its label, and the cosine similarity to it."""

    label: str
    similarity: float


@dataclass(frozen=True)
class Prediction:
    """The answer for one photo.

    Attributes:
        label: the most probable label.
        probability: its probability.
        probabilities: those of every label, which sum to 1.
        familiarity: the share of known photos that are at most as familiar, if measured.
        nearest: the most similar training photo, if measured.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    familiarity: float | None = None
    nearest: Nearest | None = None


def prediction(
    card: Card, outputs: Sequence[float], familiar: Familiar | None = None
) -> Prediction:
    """The prediction for one photo's outputs, one number for each output of the network."""
    values = [float(value) for value in outputs]
    if card.activation == "sigmoid":
        # A single output is the probability of the second label.
        values = [1.0 - values[0], values[0]]
    probabilities = dict(zip(card.labels, values, strict=True))
    label = max(probabilities, key=probabilities.__getitem__)
    share = nearest = None
    if familiar:
        share = familiar.share
        nearest = Nearest(card.labels[familiar.nearest], familiar.similarity)
    return Prediction(label, probabilities[label], probabilities, share, nearest)
