"""The JSON that the routes answer with."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from app.model.card import Card
from app.model.decision import Decision, Verdict
from app.model.prediction import Prediction


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: int


class ProbabilitiesBody(BaseModel):
    """`probability` belongs to `label`; `probabilities` names every label and sums to 1."""

    label: str
    probability: float
    probabilities: dict[str, float]
    model: ModelName


class NearestBody(BaseModel):
    """The most similar training photo: its label, and the cosine similarity to it."""

    label: str
    similarity: float


class PredictionBody(ProbabilitiesBody):
    """The probabilities, and what a program can act on. All are null for a model that lacks them.

    Of the photos like those that it was trained on, at most `error` have a true label that is not
    among `labels`, and at most `min_familiarity` are not known; `/model` has both values.
    """

    decision: Verdict | None = Field(
        description="unknown: it shows nothing like the training photos; "
        "accept: one label is possible; unsure: several are"
    )
    known: bool | None
    familiarity: float | None = Field(
        description="the share of known photos that are at most as familiar, 0 to 1"
    )
    nearest: NearestBody | None
    labels: list[str] | None = Field(description="the possible labels, the most probable first")


class PhotoProblem(BaseModel):
    """What is wrong with one photo of several; members as in the problem of a request."""

    type: str
    title: str
    status: int
    detail: str


class PredictionsBody(BaseModel):
    """An entry a photo, in the request's order."""

    predictions: list[PredictionBody | PhotoProblem]


class EvidenceBody(BaseModel):
    """Why one label: all numbers of `map` and `bias` add up to `logit`."""

    logit: float
    bias: float
    map: list[list[float]] = Field(description="rows from the top; above 0 is for the label")


class ExplanationBody(ProbabilitiesBody):
    """Probabilities and the evidence for every label, place by place."""

    rows: list[float] = Field(description="centres of the map's rows, as fractions of the height")
    columns: list[float] = Field(description="centres of its columns, as fractions of the width")
    evidence: dict[str, EvidenceBody]


class StripBody(BaseModel):
    """One step of a layer, drawn: zero is dark, above it is orange, below it blue."""

    layer: str = Field(description="the layer's name on the card")
    step: str = Field(description="convolution, ReLU or pooling")
    shape: tuple[int, int, int] = Field(description="height, width and channels of the whole map")
    channels: list[int] = Field(description="the channels in the picture, from left to right")
    low: float = Field(description="the map's smallest value")
    high: float
    png: str = Field(description="the picture, as a data URI")


class LayersBody(BaseModel):
    """A photo's way through the layers, in the network's order."""

    strips: list[StripBody]
    model: ModelName


class Accepts(BaseModel):
    """What an upload may be."""

    formats: tuple[str, ...]
    max_bytes: int
    max_pixels: int
    max_photos: int


class DecisionsBody(BaseModel):
    """The thresholds of a request that names none, and the lowest useful error rate."""

    error: float
    smallest_error: float
    min_familiarity: float


class ModelBody(Card):
    """The model's card, the engine that runs it, its thresholds, and what the service accepts."""

    decisions: DecisionsBody | None
    engine: str
    engine_reason: str
    accepts: Accepts


class Alive(BaseModel):
    """The answer of `/livez`."""

    status: Literal["alive"] = "alive"


class Refused(BaseModel):
    """A version on disk that is not served, and why."""

    version: str
    reason: str


class Ready(BaseModel):
    """The answer of `/readyz`."""

    status: Literal["ready"] = "ready"
    model: ModelName
    refused: list[Refused] = Field(description="newer versions that cannot be served")


def model_name(card: Card) -> dict[str, Any]:
    """The members of a `ModelName`."""
    return {"name": card.name, "version": card.version}


def prediction(card: Card, answer: Prediction) -> dict[str, Any]:
    """The members of a `PredictionBody`, unchecked: the service has just made them."""
    return {
        "label": answer.label,
        "probability": answer.probability,
        "probabilities": answer.probabilities,
        "model": model_name(card),
    }


def decided(answer: Prediction, decision: Decision | None) -> dict[str, Any]:
    """The further members of a `PredictionBody`."""
    nearest = answer.nearest
    return {
        "decision": decision and decision.verdict,
        "known": decision and decision.known,
        "familiarity": answer.familiarity,
        "nearest": nearest and {"label": nearest.label, "similarity": nearest.similarity},
        "labels": decision and decision.labels,
    }
