"""The evidence of a network whose photos are not square."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from app.explain.attribution import explain
from app.model.card import Input, load_card
from app.model.classifier import Classifier
from app.model.explainer import Terms
from tests.versions import DIGITS


def test_rows_lie_along_the_height_and_columns_along_the_width() -> None:
    """The lecture's digits network: its places are 4 pixels apart, the first at pixel 9."""
    changes = {"input": Input(height=28, width=44, channels=1), "labels": ("one", "two", "three")}
    card = load_card(DIGITS).model_copy(update=changes)
    random = np.random.default_rng(0)
    maps = random.normal(size=(3, 7, 3)).astype(np.float32)
    bias = np.array([0.5, -2, 1], np.float32)
    probabilities = np.array([0.7, 0.1, 0.2], np.float32)
    terms = Terms(probabilities, maps.sum((0, 1)) + bias, maps, bias)
    classifier: Any = SimpleNamespace(
        card=card,
        pixels=lambda data: data,
        explainer=SimpleNamespace(terms=lambda _: terms),
        label=Classifier(card, cast(Any, None)).label,
    )
    found = explain(classifier, b"")
    assert found.rows == pytest.approx([(9 + 4 * place) / 28 for place in range(3)])
    assert found.columns == pytest.approx([(9 + 4 * place) / 44 for place in range(7)])
    for number, (label, evidence) in enumerate(found.evidence.items()):
        assert label == card.labels[number]
        np.testing.assert_array_equal(evidence.map, maps[..., number])
        assert evidence.bias == bias[number]
    assert found.prediction.label == card.labels[0]
