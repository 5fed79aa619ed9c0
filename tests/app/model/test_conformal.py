"""Sets of labels at an error rate: against MAPIE, and by their promise."""

import io
from typing import Any

import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

from app.model.card import CALIBRATION, Card, ModelError
from app.model.conformal import ConformalSets
from app.model.version_folder import load_card
from tests.versions import DIGITS

COUNTS = (130, 57, 300)


def answers(seed: int, counts: tuple[int, ...] = COUNTS) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three labels, of which the second is often taken for the third; labels."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(3), counts)
    logits = random.normal(size=(len(labels), 3))
    logits[np.arange(len(labels)), labels] += np.array([3.0, 1.0, 2.0])[labels]
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels


def sets(seed: int = 0, counts: tuple[int, ...] = COUNTS) -> ConformalSets:
    probabilities, labels = answers(seed, counts)
    return ConformalSets(probabilities[np.arange(len(labels)), labels], labels)


class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier for MAPIE, whose inputs are the probabilities."""

    def __init__(self) -> None:
        self.classes_ = np.arange(3)
        self.is_fitted_ = True

    def fit(self, *_: Any) -> "Given":
        return self

    def predict(self, values: np.ndarray) -> np.ndarray:
        return np.asarray(values.argmax(axis=1))

    def predict_proba(self, values: np.ndarray) -> np.ndarray:
        return values


# MAPIE sees one class at a time, and warns of that.
@pytest.mark.filterwarnings("ignore:WARNING. your conformalization dataset:UserWarning")
@pytest.mark.parametrize("error", [0.02, 0.05, 0.1, 0.25])
def test_the_sets_are_those_of_mapie_for_each_class(error: float) -> None:
    known, labels = answers(0)
    asked = answers(1)[0]
    own = sets()
    inside = np.array([np.array(own.p_values(row)) > error for row in asked.tolist()])
    for label in range(3):
        oracle = SplitConformalClassifier(
            Given(), confidence_level=1 - error, conformity_score="lac", prefit=True
        )
        oracle.conformalize(known[labels == label], labels[labels == label])
        expected = oracle.predict_set(asked)[1][:, label, 0]
        assert (inside[:, label] == expected).all()
        assert 0 < expected.mean() < 1


@pytest.mark.parametrize("error", [0.05, 0.1, 0.2])
def test_every_class_gets_what_is_promised(error: float) -> None:
    """Over many draws, as the promise is one for calibration and test together."""
    missed = []
    for seed in range(30):
        own = sets(seed)
        probabilities, labels = answers(seed + 1000)
        found = [own.labels(row, error) for row in probabilities.tolist()]
        held = np.array([label in one for label, one in zip(labels, found, strict=True)])
        missed.append([1 - held[labels == label].mean() for label in range(3)])
    assert (np.mean(missed, axis=0) < error + 0.01).all()
    assert np.mean(missed, axis=0)[1] > error - 0.02, "the hardest class uses up what it may"


def test_the_most_probable_label_is_first_and_always_there() -> None:
    own = sets()
    assert own.labels([0.4, 0.29, 0.31], 0.5) == [0]
    assert own.labels([0.3, 0.3, 0.4], 0.02) == [2, 0, 1]


def test_the_smallest_error_is_that_of_the_smallest_class() -> None:
    own = sets()
    assert own.smallest_error == 1 / 58
    assert own.labels([1.0, 0.0, 0.0], own.smallest_error - 1e-9) == [0, 1]
    assert own.labels([1.0, 0.0, 0.0], own.smallest_error) == [0]


def packed(**arrays: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def stored(probabilities: Any, labels: Any) -> bytes:
    return packed(
        probabilities=np.array(probabilities, np.float32), labels=np.array(labels, np.uint16)
    )


@pytest.fixture
def card() -> Card:
    return load_card(DIGITS).model_copy(update={"labels": ("a", "b", "c")})


def test_a_file_is_read_as_it_was_written(card: Card) -> None:
    probabilities, labels = answers(0)
    of_truth = probabilities[np.arange(len(labels)), labels]
    read = ConformalSets.read(stored(of_truth, labels), card)
    for row in answers(1)[0].tolist():
        assert read.p_values(row) == sets().p_values(row)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no zip",
        packed(probabilities=np.ones(3, np.float32)),
        stored([1, 1, 1], [0, 1, 1]),
        stored([1, 1, 1, 1], [0, 1, 2, 3]),
        stored([1, 1], [0, 1, 2]),
        stored([[1], [1], [1]], [[0], [1], [2]]),
        stored([1, np.nan, 1], [0, 1, 2]),
        stored(1, 0),
        packed(probabilities=np.ones(3), labels=np.arange(3).astype(np.uint16)),
        packed(probabilities=np.ones(3, object), labels=np.arange(3).astype(np.uint16)),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused(card: Card, content: bytes) -> None:
    with pytest.raises(ModelError, match=f"^{CALIBRATION}: "):
        ConformalSets.read(content, card)
