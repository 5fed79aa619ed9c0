"""From a network's outputs to a labelled answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.model.card import Card


@dataclass(frozen=True)
class Prediction:
    """The answer for one photo. `probabilities` has every label and sums to 1."""

    label: str
    probability: float
    probabilities: dict[str, float]


def prediction(card: Card, outputs: Sequence[float]) -> Prediction:
    """The prediction for one photo's outputs, one number for each output of the network."""
    values = [float(value) for value in outputs]
    if card.activation == "sigmoid":
        # A single output is the probability of the second label.
        values = [1.0 - values[0], values[0]]
    probabilities = dict(zip(card.labels, values, strict=True))
    label = max(probabilities, key=probabilities.__getitem__)
    return Prediction(label, probabilities[label], probabilities)
