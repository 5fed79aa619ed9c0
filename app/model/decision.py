"""From a prediction to a decision that a program can act on: accept, unsure or unknown."""

import math
from dataclasses import dataclass
from typing import Literal

from app.model.card import CALIBRATION, Card, ModelError
from app.model.conformal import ConformalSets
from app.model.prediction import Prediction

LARGEST_ERROR = 0.5

Verdict = Literal["accept", "unsure", "unknown"]


@dataclass(frozen=True)
class Decision:
    """A decision on one photo.

    Attributes:
        verdict: "unknown" if the photo is not known, else "accept" if one label is possible, else
            "unsure".
        known: whether the photo is familiar enough.
        labels: those that are possible at the error rate, the most probable first.
    """

    verdict: Verdict
    known: bool
    labels: list[str]


@dataclass(frozen=True)
class Strictness:
    """What a decision depends on; None stands for the value on the card.

    Attributes:
        error: the share of photos whose true label may be missing in the set of labels.
        min_familiarity: the share of known photos that may be refused.
    """

    error: float | None = None
    min_familiarity: float | None = None

    def over(self, other: "Strictness") -> "Strictness":
        """These, and for what is None, those of `other`."""
        least = other.min_familiarity if self.min_familiarity is None else self.min_familiarity
        return Strictness(other.error if self.error is None else self.error, least)


class Decisions:
    """Decides, with the thresholds on a version's card.

    Args:
        card: the version's card.
        calibration: the bytes of its `calibration.npz`, if it has one.
        defaults: instead of the card's.

    Raises:
        ModelError: the file is not readable, or the version cannot promise the default error rate.
    """

    def __init__(
        self, card: Card, calibration: bytes | None, defaults: Strictness | None = None
    ) -> None:
        self._labels = card.labels
        self._sets = ConformalSets.read(calibration, card) if calibration else None
        defaults = defaults or Strictness()
        if card.thresholds:
            defaults = defaults.over(
                Strictness(card.thresholds.error, card.thresholds.min_familiarity)
            )
        self.defaults = defaults
        least = self.smallest_error
        if least is not None and defaults.error is not None and defaults.error < least:
            raise ModelError(
                f"{CALIBRATION} can promise an error rate of {math.ceil(least * 1e4) / 1e4:g} at "
                f"least, as a class has too few photos in it, and APP_ERROR is {defaults.error:g}. "
                "Raise APP_ERROR, or train with more photos."
            )

    @property
    def smallest_error(self) -> float | None:
        """The lowest error rate that the version can promise; None without thresholds."""
        return self._sets.smallest_error if self._sets else None

    def decide(self, prediction: Prediction, strictness: Strictness) -> Decision | None:
        """The decision on a prediction; None without thresholds on the card."""
        strictness = strictness.over(self.defaults)
        if not self._sets or prediction.familiarity is None:
            return None
        assert strictness.error is not None
        assert strictness.min_familiarity is not None
        places = self._sets.labels(list(prediction.probabilities.values()), strictness.error)
        known = prediction.familiarity >= strictness.min_familiarity
        verdict: Verdict = "unknown"
        if known:
            verdict = "accept" if len(places) == 1 else "unsure"
        return Decision(verdict, known, [self._labels[place] for place in places])
