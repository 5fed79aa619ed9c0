"""A saved model's card: the schema of `card.json`, and the names of the files beside it."""

import math
import re
from datetime import datetime
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

CARD = "card.json"
KERAS = "model.keras"
LITERT = "model.tflite"
INT8 = "model-int8.tflite"  # versions that lose accuracy by it lack it
EXPLAIN = "explain.tflite"  # old versions lack it
# Versions without thresholds lack these two.
FAMILIARITY = "familiarity.npz"
CALIBRATION = "calibration.npz"

MODEL_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]*$")

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

Statistic = Literal["familiarity", "brightness", "sharpness", "megapixels"]
STATISTICS: tuple[Statistic, ...] = get_args(Statistic)
QUANTILES = (0.1, 0.5, 0.9)


class ModelError(ValueError):
    """A model folder that cannot be used. The message is one line: what, where, what to do."""


class ModelNotFound(ModelError):
    """There is no model at the path given. The caller knows which option the path came from."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(_Record):
    """The network's input: pixels in 0..255 of shape (height, width, channels)."""

    height: int = Field(ge=1)
    width: int = Field(ge=1)
    channels: Literal[1, 3]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return self.height, self.width, self.channels


class Layer(_Record):
    """One row of the layer table. Shapes leave out the batch dimension."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    settings: dict[str, str | int | float | bool | list[int]]


class Metric(_Record):
    """A measured figure, with the number of photos it was measured on."""

    value: float
    samples: int = Field(ge=1)
    low: float | None = None
    high: float | None = None


class Golden(_Record):
    """The network's outputs for `golden_pixels(seed)`, to check that it was loaded right."""

    seed: int
    outputs: tuple[float, ...]


class Int8(_Record):
    """What the network answers in whole numbers of 8 bits, beside what it does in float32.

    Attributes:
        golden: its own golden predictions.
        metrics: what was measured with it, and with float32 on the same photos (`float_...`).
    """

    golden: tuple[Golden, ...]
    metrics: dict[str, Metric]


class Acceptance(_Record):
    """What a threshold for the familiarity keeps and refuses.

    Attributes:
        min_familiarity: the threshold.
        known: the share of test photos that are kept.
        other_refused: the share of pictures of other things that are refused, if some were given.
    """

    min_familiarity: float = Field(ge=0, lt=1)
    known: Metric
    other_refused: Metric | None = None


class SetFigures(_Record):
    """What the sets of labels at an error rate hold, on test photos.

    Attributes:
        error: the error rate.
        coverage: for each label, the share of its photos whose set has it.
        decided: the share of photos whose set has a single label.
    """

    error: float = Field(gt=0, le=0.5)
    coverage: dict[str, Metric]
    decided: Metric


class Thresholds(_Record):
    """What turns an answer into a decision, and what that was worth on test photos.

    Attributes:
        error: the default error rate of the sets of labels.
        min_familiarity: the default share of known photos that may be refused.
        photos: how many photos of each label calibrated both.
        cross_validated: these photos were also trained on; their answers came from networks that
            were trained on the others.
        accepted, sets: measured, at several strictnesses.
    """

    error: float = Field(gt=0, le=0.5)
    min_familiarity: float = Field(ge=0, lt=1)
    photos: dict[str, int]
    cross_validated: bool
    accepted: tuple[Acceptance, ...] = ()
    sets: tuple[SetFigures, ...] = ()


class PhotoSummary(_Record):
    """What a number of photos were like, and how they were answered."""

    photos: int = Field(ge=1)
    quantiles: dict[Statistic, tuple[FiniteFloat, FiniteFloat, FiniteFloat]] = Field(
        description="the 10 %, 50 % and 90 % quantiles of each statistic"
    )
    label_shares: dict[str, FiniteFloat] = Field(description="the share of each answered label")


class Card(_Record):
    """The description of a saved model; `card.json` is this as JSON."""

    format: Literal[1] = 1
    name: str = Field(pattern=MODEL_NAME)
    version: int = Field(ge=1)
    created: datetime
    labels: tuple[str, ...] = Field(min_length=2)
    activation: Literal["sigmoid", "softmax"]
    input: Input
    parameters: int
    multiply_adds: int | None = Field(None, description="for one photo, in convolutions and dense")
    layers: tuple[Layer, ...]
    summary: str = Field(description="the table that Keras prints")
    metrics: dict[str, Metric]
    confusion: tuple[tuple[int, ...], ...] = Field(
        description="test photos by true label (rows) and answered label (columns)"
    )
    recipe: dict[str, str | int | float | None]
    data: dict[str, str | int]
    libraries: dict[str, str]
    golden: tuple[Golden, ...]
    int8: Int8 | None = Field(None, description="null: it has no network in 8 bits")
    thresholds: Thresholds | None = Field(None, description="null: it cannot tell what it knows")
    reference: PhotoSummary | None = Field(
        None, description="of the validation photos, to compare with the photos that are served"
    )
    files: dict[FileName, Sha256]

    @model_validator(mode="after")
    def _is_consistent(self) -> "Card":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: a label stands there twice")
        if self.activation == "sigmoid" and len(self.labels) != 2:
            raise ValueError("labels: a sigmoid network has exactly two")
        if self.reference is not None and set(self.reference.label_shares) != set(self.labels):
            raise ValueError("reference: its label_shares are not those of the labels")
        self._require_files()
        for golden in (*self.golden, *(self.int8.golden if self.int8 else ())):
            self._require_probabilities(golden)
        if self.int8 and len(self.int8.golden) != len(self.golden):
            raise ValueError("int8: it has another number of golden predictions")
        return self

    def _require_files(self) -> None:
        for needed in (KERAS, LITERT):
            if needed not in self.files:
                raise ValueError(f"files: {needed} is not listed")
        for needed in (FAMILIARITY, CALIBRATION):
            if (needed in self.files) != (self.thresholds is not None):
                raise ValueError(f"files: {needed} and thresholds belong together")
        if (INT8 in self.files) != (self.int8 is not None):
            raise ValueError(f"files: {INT8} and int8 belong together")

    def _require_probabilities(self, golden: Golden) -> None:
        """The network has to reproduce the golden outputs: so these tell its activation."""
        outputs = golden.outputs
        total = 1.0 if self.activation == "softmax" else outputs[0] if outputs else 0.0
        if (
            len(outputs) != self.outputs
            or not all(0 <= value <= 1 for value in outputs)
            or not math.isclose(sum(outputs), total, abs_tol=1e-3)
        ):
            raise ValueError(
                f"golden: prediction {golden.seed} is not that of a {self.activation} with "
                f"{self.outputs} outputs"
            )

    @property
    def outputs(self) -> int:
        """The number of the network's outputs for a photo: 1 for a sigmoid."""
        return 1 if self.activation == "sigmoid" else len(self.labels)

    def require_shapes(self, file: str, taken: tuple[int, ...], given: tuple[int, ...]) -> None:
        """Check the shapes that a network takes and gives, without the batch dimension.

        Raises:
            ModelError: they are not those of the card; `file` is the network's.
        """
        for what, actual, expected in (
            ("input", taken, self.input.shape),
            ("output", given, (self.outputs,)),
        ):
            if tuple(actual) != expected:
                raise ModelError(
                    f"{file}: the network's {what} has the shape {tuple(actual)}, its card says "
                    f"{expected}. Publish the version again with training.fit."
                )
