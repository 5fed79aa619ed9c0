"""The engines for CPUs: LiteRT interpreters over one model file, in float32 or in int8."""

from pathlib import Path
from typing import Any, Literal

import numpy as np

from app.model.card import INT8, LITERT, Card, ModelError
from app.model.forward import FEATURES, PROBABILITIES, Forward, joined

LiteRTName = Literal["litert-float", "litert-int8"]
FILES: dict[LiteRTName, str] = {"litert-float": LITERT, "litert-int8": INT8}


class LiteRTEngine:
    """Runs the network on one core, or a single photo on several. For one thread at a time.

    One core for each worker gives more photos a second than all cores for one photo. A second
    interpreter uses several cores, for a photo that is alone in the service. Two photos in a batch
    share the reading of the weights; a third one adds nothing.

    Args:
        model: the bytes of the network's file, or where to open it. An opened file is not copied.
        card: the version's card; the network has to fit it.
        threads: cores for a photo that is alone.
        name: which of the version's networks it is.

    Raises:
        ModelError: LiteRT cannot load the file, or the network has another input or other outputs
            than the card says.
    """

    max_batch = 2

    def __init__(
        self,
        model: bytes | Path,
        card: Card,
        threads: int = 1,
        name: LiteRTName = "litert-float",
    ) -> None:
        self.name: str = name
        self._file = FILES[name]
        try:
            self._narrow = _Interpreter(model, 1)
            self._wide = _Interpreter(model, threads) if threads > 1 else self._narrow
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self._file}: LiteRT cannot load it ({one_line(error)}).") from error
        card.require_shapes(self._file, *self._narrow.shapes)
        self._shape = card.input.shape
        self.features = self._narrow.features

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        """See `app.model.engine.Engine.run`."""
        return self.forward(batch, alone).outputs

    def forward(self, batch: np.ndarray, alone: bool = False) -> Forward:
        """See `app.model.engine.Engine.forward`."""
        if alone and len(batch) == 1:
            return self._wide.run(batch)
        parts = range(0, len(batch), self.max_batch)
        return joined([self._narrow.run(batch[at : at + self.max_batch]) for at in parts])

    def warm(self) -> None:
        """See `app.model.engine.Engine.warm`."""
        try:
            for photos in range(self.max_batch, 0, -1):
                self.run(np.zeros((photos, *self._shape), np.uint8))
            self.run(np.zeros((1, *self._shape), np.uint8), alone=True)
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{self._file}: LiteRT cannot run it ({one_line(error)}).") from error


class _Interpreter:
    """One LiteRT interpreter. A change of the batch size takes time."""

    def __init__(self, model: bytes | Path, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        if isinstance(model, Path):
            self._interpreter = Interpreter(str(model), num_threads=threads)
        else:
            self._interpreter = Interpreter(model_content=model, num_threads=threads)
        self._interpreter.allocate_tensors()
        taken = self._interpreter.get_input_details()[0]
        given: dict[str, Any] = self._interpreter.get_signature_runner().get_output_details()
        self._input: int = taken["index"]
        shown = given.get(FEATURES)
        # A network that does not show its features has one output, whatever its name is.
        outputs = given[PROBABILITIES] if shown else next(iter(given.values()))
        self._output: int = outputs["index"]
        self._features: int | None = shown["index"] if shown else None
        self.features = int(shown["shape"][-1]) if shown else 0
        self.shapes = [tuple(map(int, each["shape"][1:])) for each in (taken, outputs)]
        self._photos = 1

    def run(self, batch: np.ndarray) -> Forward:
        """The batch is uint8 (photos, height, width, channels)."""
        if len(batch) != self._photos:
            self._photos = 0  # after a failure the next call resizes again
            self._interpreter.resize_tensor_input(self._input, batch.shape)
            self._interpreter.allocate_tensors()
            self._photos = len(batch)
        self._interpreter.set_tensor(self._input, batch.astype(np.float32))
        self._interpreter.invoke()
        read = self._interpreter.get_tensor
        features = None if self._features is None else read(self._features)
        return Forward(read(self._output), features)


def one_line(error: Exception) -> str:
    """The message of a library's error in one line of at most 200 characters."""
    return " ".join(str(error).split())[:200]
