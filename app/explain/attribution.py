"""The prediction for one photo, with the evidence for each label at each place of the photo."""

from dataclasses import dataclass

import numpy as np

from app.explain.receptive_field import centres
from app.model.card import Card
from app.model.classifier import Classifier
from app.model.explainer import Terms
from app.model.prediction import Prediction, prediction


@dataclass(frozen=True)
class Evidence:
    """The evidence for one label: `map.sum() + bias == logit`, to float32's precision.

    `map` float32 (h, w): above 0 a place speaks for the label, below 0 against it.
    """

    map: np.ndarray
    bias: float
    logit: float


@dataclass(frozen=True)
class Explanation:
    """A prediction and its reasons.

    `rows` and `columns` are the places' centres as fractions of the photo's height and
    width; `evidence` has an entry a label.
    """

    prediction: Prediction
    rows: list[float]
    columns: list[float]
    evidence: dict[str, Evidence]


def explain(classifier: Classifier, data: bytes) -> Explanation:
    """Classify one photo from the bytes of its file, and attribute the answer to its places.

    Raises:
        app.imaging.errors.PhotoError: the bytes are not a usable photo.
        app.model.explainer.NotExplainable: the model has no evidence to give.
    """
    terms = classifier.explainer.terms(classifier.pixels(data))
    height, width = terms.maps.shape[:2]
    return Explanation(
        prediction(classifier.card, terms.probabilities.tolist()),
        rows=centres(classifier.card, height, 0),
        columns=centres(classifier.card, width, 1),
        evidence=by_label(classifier.card, terms),
    )


def by_label(card: Card, terms: Terms) -> dict[str, Evidence]:
    """The network's terms, one entry for each label.

    A single sigmoid output is the logit of the second label. The first label gets its negative.
    """
    columns = [
        (terms.maps[..., output], float(terms.bias[output]), float(terms.logits[output]))
        for output in range(card.outputs)
    ]
    if card.activation == "sigmoid":
        values, bias, logit = columns[0]
        # 0 - x instead of -x, which would give -0.0 for 0.
        columns.insert(0, (0 - values, 0 - bias, 0 - logit))
    return {label: Evidence(*column) for label, column in zip(card.labels, columns, strict=True)}
