"""The explanations that a worker makes: a photo in, JSON or a picture out."""

import base64
from collections.abc import Callable
from typing import Any

from app.explain import attribution, feature_maps, heatmap
from app.model.classifier import Classifier


def evidence(classifier: Classifier, data: bytes) -> dict[str, Any]:
    """The prediction and the evidence for every label, with the members of `ExplanationBody`.

    Raises:
        app.imaging.errors.PhotoError: the bytes are not a usable photo.
        app.model.explainer.NotExplainable: the model has no evidence to give.
    """
    found = attribution.explain(classifier, data)
    return {
        "label": found.prediction.label,
        "probability": found.prediction.probability,
        "probabilities": found.prediction.probabilities,
        "rows": found.rows,
        "columns": found.columns,
        "evidence": {
            label: {"logit": one.logit, "bias": one.bias, "map": one.map.tolist()}
            for label, one in found.evidence.items()
        },
    }


def drawn(classifier: Classifier, data: bytes) -> bytes:
    """The photo under the evidence for its answer, as the bytes of a PNG file.

    Raises:
        as `evidence`.
    """
    return heatmap.draw(classifier, data, attribution.explain(classifier, data))


def layers(classifier: Classifier, data: bytes) -> dict[str, Any]:
    """The strip of each step of the network, with the members of `StripBody`.

    Raises:
        as `evidence`.
    """
    strips = []
    for strip in feature_maps.strips(classifier, data):
        png = "data:image/png;base64," + base64.b64encode(strip.png).decode()
        strips.append(vars(strip) | {"png": png})
    return {"strips": strips}


JOBS: dict[str, Callable[[Classifier, bytes], dict[str, Any] | bytes]] = {
    "evidence": evidence,
    "drawn": drawn,
    "layers": layers,
}
"""By name, for the workers."""
