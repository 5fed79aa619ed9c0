"""From a prediction to a decision."""

import io

import numpy as np
import pytest

from app.model.card import CALIBRATION, Card, ModelError, Thresholds
from app.model.decision import Decision, Decisions, Strictness
from app.model.prediction import Prediction
from app.model.version_folder import load_card
from tests.versions import DIGITS

THRESHOLDS = Thresholds(
    error=0.2, min_familiarity=0.05, photos={"cat": 9, "dog": 19}, cross_validated=False
)


@pytest.fixture
def card() -> Card:
    changes = {"labels": ("cat", "dog"), "activation": "sigmoid", "thresholds": THRESHOLDS}
    return load_card(DIGITS).model_copy(update=changes)


def calibration() -> bytes:
    """Cats got 0.1 to 0.9 for "cat", dogs 0.05 to 0.95 for "dog"."""
    probabilities = np.concatenate([np.arange(1, 10) / 10, np.arange(1, 20) / 20])
    content = io.BytesIO()
    labels = np.repeat([0, 1], [9, 19]).astype(np.uint16)
    np.savez(content, probabilities=probabilities.astype(np.float32), labels=labels)
    return content.getvalue()


def answer(dog: float, familiarity: float | None) -> Prediction:
    label = "dog" if dog > 0.5 else "cat"
    return Prediction(label, max(dog, 1 - dog), {"cat": 1 - dog, "dog": dog}, familiarity)


@pytest.mark.parametrize(
    ("dog", "familiarity", "expected"),
    [
        # A cat with 0.15 has a p-value of 0.2, which is not above the error rate; with 0.25, 0.3.
        (0.85, 0.05, Decision("accept", True, ["dog"])),
        (0.75, 0.05, Decision("unsure", True, ["dog", "cat"])),
        (0.25, 0.9, Decision("unsure", True, ["cat", "dog"])),
        (0.12, 0.9, Decision("accept", True, ["cat"])),
        (0.85, 0.049, Decision("unknown", False, ["dog"])),
        (0.75, 0.0, Decision("unknown", False, ["dog", "cat"])),
    ],
)
def test_the_verdict(card: Card, dog: float, familiarity: float, expected: Decision) -> None:
    found = Decisions(card, calibration()).decide(answer(dog, familiarity), Strictness())
    assert found == expected


def test_a_request_comes_before_the_setting_and_the_setting_before_the_card(card: Card) -> None:
    photo = answer(0.75, 0.05)

    def verdict(decisions: Decisions, strictness: Strictness) -> str:
        found = decisions.decide(photo, strictness)
        assert found is not None
        return found.verdict

    own = Decisions(card, calibration())
    assert own.defaults == Strictness(0.2, 0.05)
    assert verdict(own, Strictness()) == "unsure"
    assert verdict(own, Strictness(error=0.4)) == "accept"
    assert verdict(own, Strictness(min_familiarity=0.06)) == "unknown"
    strict = Decisions(card, calibration(), Strictness(min_familiarity=0.06))
    assert strict.defaults == Strictness(0.2, 0.06)
    assert verdict(strict, Strictness()) == "unknown"
    assert verdict(strict, Strictness(min_familiarity=0.0)) == "unsure"
    careless = Decisions(card, calibration(), Strictness(error=0.4))
    assert verdict(careless, Strictness()) == "accept"
    assert verdict(careless, Strictness(error=0.1)) == "unsure"


def test_a_version_without_thresholds_decides_nothing() -> None:
    card = load_card(DIGITS)
    decisions = Decisions(card, None, Strictness(error=0.01))
    assert decisions.smallest_error is None
    assert decisions.decide(answer(0.9, None), Strictness()) is None


def test_an_error_rate_that_cannot_be_promised_is_refused(card: Card) -> None:
    assert Decisions(card, calibration(), Strictness(error=0.1)).smallest_error == 0.1
    with pytest.raises(ModelError, match=rf"^{CALIBRATION} can promise .* of 0\.1 at least"):
        Decisions(card, calibration(), Strictness(error=0.099))
