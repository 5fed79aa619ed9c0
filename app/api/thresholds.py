"""The thresholds that a request may set for its decisions: `?error=0.01&min_familiarity=0.02`."""

import math
from typing import Any

from fastapi import Request

from app.api.problems import Problem
from app.model.decision import LARGEST_ERROR, Strictness
from app.serving.served_model import ServedModel

_TEXTS = {
    "error": "the share of photos whose true label may be missing in `labels`, instead of the "
    "default; below `decisions.smallest_error` of `/model` every label is possible",
    "min_familiarity": "photos that are less familiar are unknown, instead of the default; "
    "0 refuses none",
}

_LARGEST = {"error": LARGEST_ERROR, "min_familiarity": 1.0}

PARAMETERS: list[dict[str, Any]] = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": text,
        "schema": {"type": "number", "minimum": 0, "maximum": _LARGEST[name]},
    }
    for name, text in _TEXTS.items()
]


def requested(request: Request, model: ServedModel) -> Strictness:
    """The thresholds in the request's query.

    Raises:
        Problem: 422 a value is not a number within its bounds, or the model has no thresholds.
    """
    values: dict[str, float | None] = dict.fromkeys(_LARGEST)
    for name, high in _LARGEST.items():
        text = request.query_params.get(name)
        if text is None:
            continue
        if model.decisions.smallest_error is None:
            raise _problem(
                f"The model {model.card.name} {model.card.version} has no thresholds, so it "
                f"cannot decide. Leave {name} out, or serve a version that has them."
            )
        values[name] = value = _number(text)
        if not 0 <= value <= high:
            expected = f"expected a number from 0 to {high:g}"
            raise _problem(f"The value of {name} is {text[:40]!r}; {expected}.")
    return Strictness(values["error"], values["min_familiarity"])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan  # which is within no bounds


def _problem(detail: str) -> Problem:
    return Problem(422, "threshold-out-of-range", "The threshold cannot be used", detail)
