"""What scoring says of one photo: a row of the table."""

from typing import NamedTuple

from app.api.problems import Problem
from app.model.decision import Decision
from app.model.prediction import Prediction


class Row(NamedTuple):
    """The answer for a photo, or its problem; what does not apply is None.

    Attributes:
        path: the photo's path within the source.
        label: the most probable label.
        probability: its probability, 0 to 1.
        decision: accept, unsure or unknown, if the model has thresholds.
        problem: why there is no answer, a name for programs as in the service's problems.
        detail: the same for people.
    """

    path: str
    label: str | None = None
    probability: float | None = None
    decision: str | None = None
    problem: str | None = None
    detail: str | None = None


def answered(path: str, prediction: Prediction, decision: Decision | None) -> Row:
    """The row of a photo that was classified."""
    verdict = decision.verdict if decision else None
    return Row(path, prediction.label, prediction.probability, verdict)


def refused(path: str, problem: Problem) -> Row:
    """The row of a photo that cannot be used."""
    return Row(path, problem=problem.kind, detail=problem.detail)


def unreadable(path: str, reason: str) -> Row:
    """The row of a photo whose bytes cannot be had."""
    return Row(path, problem="unreadable", detail=f"The file cannot be read ({reason}).")
