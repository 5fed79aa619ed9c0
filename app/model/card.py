"""A saved model's folder: its card, its checksums, and loading it safely.

`models/<name>/<version>/` holds `card.json` and the files that the card lists with their SHA-256.
If a file is missing or changed, the folder is refused before any of its files is parsed, with one
line that names the file.
"""

import hashlib
import math
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

CARD = "card.json"
KERAS = "model.keras"
LITERT = "model.tflite"
EXPLAIN = "explain.tflite"  # old versions lack it

# Bytes. The confusion matrix of a thousand labels takes a few megabytes.
_LONGEST_CARD = 16 * 1024 * 1024

MODEL_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]*$")

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


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
    files: dict[FileName, Sha256]

    @model_validator(mode="after")
    def _is_consistent(self) -> "Card":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: a label stands there twice")
        if self.activation == "sigmoid" and len(self.labels) != 2:
            raise ValueError("labels: a sigmoid network has exactly two")
        for needed in (KERAS, LITERT):
            if needed not in self.files:
                raise ValueError(f"files: {needed} is not listed")
        for golden in self.golden:
            self._require_probabilities(golden)
        return self

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


def find_version(path: Path, version: int | None = None) -> Path:
    """The version folder at `path`, or the newest one below it.

    Args:
        path: a version folder (`models/digits/1`), or the folder of all versions
            (`models/digits`), of which the highest number is taken.
        version: take this version instead of the highest.

    Raises:
        ModelNotFound: there is none.
    """
    if path.is_file():
        raise ModelNotFound(
            f"{path}: expected a model folder with {CARD} in it, found a file. "
            "Only folders written by training.fit are served."
        )
    if (path / CARD).is_file():
        if version is not None and path.name != str(version):
            raise ModelNotFound(f"{path} is a version folder, and not that of version {version}.")
        return path
    found = versions(path)
    if version is not None:
        found = [number for number in found if number == version]
    if not found:
        wanted = "version" if version is None else f"version {version}"
        raise ModelNotFound(
            f"{path}: no {wanted} of a model there (expected {path}/<number>/{CARD}). "
            "Name a folder that training.fit published, e.g. models/cats-vs-dogs."
        )
    return path / str(max(found))


def versions(path: Path) -> list[int]:
    """The version numbers under a model's folder, ascending; complete ones only."""
    if not path.is_dir():
        return []
    names = (entry.name for entry in path.iterdir() if (entry / CARD).is_file())
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def load_card(folder: Path, *, unchecked: Collection[str] = ()) -> Card:
    """Read a version folder's card and check every file that it lists.

    Args:
        folder: the version folder.
        unchecked: names of files that may be missing or changed, because they are about to be
            made again.

    Raises:
        ModelError: the card is missing or malformed, or a file is missing or changed.
    """
    try:
        with _opened(folder / CARD) as file:
            text = file.read(_LONGEST_CARD + 1)
        if len(text) > _LONGEST_CARD:
            raise ModelError(
                f"{folder / CARD}: not a valid card: longer than {_LONGEST_CARD:,} bytes."
            )
        card = Card.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ModelError(f"{folder / CARD}: not a valid card: {where}: {first['msg']}.") from error
    # A renamed or copied folder: who asks for a version by number would get another version.
    if folder.name.isdecimal() and folder.name != str(card.version):
        raise ModelError(
            f"{folder}: its card is that of version {card.version}. Publish the version with "
            "training.fit, or give the folder the number on its card."
        )
    for name, expected in card.files.items():
        if name not in unchecked:
            check_file(folder / name, expected)
    return card


def check_file(path: Path, expected: Sha256) -> None:
    """Check a file against the SHA-256 on the card.

    Raises:
        ModelError: it is missing or changed, or no regular file inside its folder.
    """
    with _opened(path) as file:
        _compare(path, hashlib.file_digest(file, "sha256").hexdigest(), expected)


def read_file(path: Path, expected: Sha256) -> bytes:
    """The bytes of a file whose SHA-256 is that on the card.

    Raises:
        ModelError: as `check_file`.
    """
    with _opened(path) as file:
        content = file.read()
    _compare(path, hashlib.sha256(content).hexdigest(), expected)
    return content


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file. A named pipe would block, and a link could lead to any other file."""
    try:
        inside = path.resolve(strict=True).is_relative_to(path.parent.resolve())
        if not inside or not path.is_file():
            raise ModelError(
                f"{path}: not a regular file inside its folder. Copy the whole version folder "
                "again, with the files themselves."
            )
        with path.open("rb") as file:
            yield file
    except (OSError, RuntimeError) as error:  # the latter for links that go round in a circle
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(
            f"{path}: cannot be read ({reason}). Copy the whole version folder again."
        ) from error


def _compare(path: Path, actual: Sha256, expected: Sha256) -> None:
    if actual != expected:
        raise ModelError(
            f"{path}: its SHA-256 is {actual[:12]}..., the card says {expected[:12]}...: the file "
            "was changed after publishing. Copy the whole version folder again, or retrain."
        )


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def golden_pixels(seed: int, shape: Input) -> np.ndarray:
    """A test picture made by a formula in whole numbers, the same on every machine.

    It shows waves whose length and direction depend on `seed`. Different networks answer it
    differently, and no photo has to be stored.

    Returns:
        uint8 array of shape (height, width, channels).
    """
    rows, columns, channels = np.indices(shape.shape)
    steps = (rows * (3 + seed) + columns * (7 - 2 * seed) + channels * (40 + 11 * seed)) % 256
    blocks = ((rows // (4 + seed)) % 2) ^ ((columns // (6 + seed)) % 2)
    return np.asarray(np.where(blocks == 1, steps, 255 - steps), np.uint8)


def matches(expected: tuple[float, ...], outputs: np.ndarray, tolerance: float) -> bool:
    """Whether a network's outputs equal the golden ones, each within `tolerance`."""
    return len(expected) == len(outputs) and all(
        math.isclose(a, float(b), abs_tol=tolerance, rel_tol=0.0)
        for a, b in zip(expected, outputs, strict=True)
    )
