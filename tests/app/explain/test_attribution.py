"""The evidence of a network whose photos are not square."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.explain.attribution import by_label, explain
from app.model.card import Input
from app.model.explainer import Terms
from app.model.version_folder import load_card
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
        pixels={b"photo": "pixels"}.__getitem__,
        explainer=SimpleNamespace(terms={"pixels": terms}.__getitem__),
    )
    found = explain(classifier, b"photo")
    assert found.rows == pytest.approx([(9 + 4 * place) / 28 for place in range(3)])
    assert found.columns == pytest.approx([(9 + 4 * place) / 44 for place in range(7)])
    for number, (label, evidence) in enumerate(found.evidence.items()):
        assert label == card.labels[number]
        np.testing.assert_array_equal(evidence.map, maps[..., number])
        assert evidence.bias == bias[number]
    assert found.prediction.label == card.labels[0]


def test_the_first_label_of_a_sigmoid_has_the_opposite_evidence() -> None:
    changes = {"labels": ("cat", "dog"), "activation": "sigmoid"}
    card = load_card(DIGITS).model_copy(update=changes)
    maps = np.array([[[3], [0]], [[-1], [5]]], np.float32)
    terms = Terms(np.array([0.9]), np.array([9.5]), maps, np.array([2.5]))
    found = by_label(card, terms)
    assert list(found) == ["cat", "dog"]
    assert found["dog"].map.tolist() == [[3, 0], [-1, 5]]
    assert (found["dog"].bias, found["dog"].logit) == (2.5, 9.5)
    assert found["cat"].map.tolist() == [[-3, 0], [1, -5]]
    assert not np.signbit(found["cat"].map[0, 1])
    assert (found["cat"].bias, found["cat"].logit) == (-2.5, -9.5)


def test_evidence_for_another_number_of_labels_is_a_defect() -> None:
    card = load_card(DIGITS)
    more = card.model_copy(update={"labels": (*card.labels, "ten"), "activation": "sigmoid"})
    maps = np.zeros((1, 1, 1), np.float32)
    with pytest.raises(ValueError, match="zip"):
        by_label(more, Terms(np.zeros(1), np.zeros(1), maps, np.zeros(1)))
