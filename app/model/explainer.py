"""The network's inner values for one photo: evidence and feature maps.

A version folder's `explain.tflite` is the served network with more outputs. The first request
that needs them opens the file; `/predict` neither loads nor runs it.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.model.card import EXPLAIN, Card, ModelError
from app.model.forward import PROBABILITIES
from app.model.litert import one_line

# The outputs that are not named after a layer, beside the probabilities.
LOGITS, EVIDENCE, BIAS = "logits", "evidence", "bias"


def linear(layer: str) -> str:
    """The name of the output that is a layer's map before its built-in activation."""
    return f"{layer}.linear"


class NotExplainable(ValueError):
    """The served model cannot be explained. The message is for a client."""


@dataclass(frozen=True)
class Terms:
    """The terms that the last, linear step adds up, with one column for each output.

    `maps` float32 (h, w, outputs), the others float32 (outputs,); for each output the sum
    of its map and its bias is its logit.
    """

    probabilities: np.ndarray
    logits: np.ndarray
    maps: np.ndarray
    bias: np.ndarray


class Explainer:
    """Runs `explain.tflite`. For one thread at a time; the first call loads the file.

    Args:
        card: the version's card.
        read: returns the bytes of the version's `explain.tflite`; None if it has none.
        threads: cores to use.
    """

    def __init__(self, card: Card, read: Callable[[], bytes] | None, threads: int = 1) -> None:
        self._card = card
        self._read = read
        self._threads = threads

    def terms(self, pixels: np.ndarray) -> Terms:
        """The evidence for each output: uint8 (height, width, channels) -> `Terms`.

        Raises:
            NotExplainable: the version has no such file, or its network is not linear in
                the last feature map.
            ModelError: LiteRT cannot load the file.
        """
        interpreter = self._interpreter
        if EVIDENCE not in interpreter.outputs:
            raise NotExplainable(
                f"{self._name()} does not end in one linear step over a feature map, so its "
                "answer is not a sum over places of the photo."
            )
        interpreter.run(pixels)
        return Terms(*map(interpreter.read, (PROBABILITIES, LOGITS, EVIDENCE, BIAS)))

    def feature_maps(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Each layer's map by the layer's name, float32 (h, w, channels); `linear` ones too.

        Raises:
            NotExplainable: the version has no such file.
            ModelError: as above.
        """
        own = (PROBABILITIES, LOGITS, EVIDENCE, BIAS)
        interpreter = self._interpreter
        interpreter.run(pixels)
        maps = {name: interpreter.read(name) for name in interpreter.outputs if name not in own}
        # A layer behind the last Flatten has no map.
        return {name: values for name, values in maps.items() if values.ndim == 3}

    @functools.cached_property
    def _interpreter(self) -> "_Interpreter":
        if self._read is None:
            raise NotExplainable(
                f"{self._name()} was published without {EXPLAIN}. Add it on the server with: "
                f"python -m training.export models/{self._card.name}/{self._card.version}"
            )
        return _Interpreter(self._read(), self._threads)

    def _name(self) -> str:
        return f"The model {self._card.name} {self._card.version}"


class _Interpreter:
    """One interpreter, with its outputs by name."""

    def __init__(self, content: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
            runner = self._interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{EXPLAIN}: LiteRT cannot load it ({one_line(error)}).") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        details: dict[str, Any] = runner.get_output_details()
        self.outputs = {name: detail["index"] for name, detail in details.items()}

    def run(self, pixels: np.ndarray) -> None:
        self._interpreter.set_tensor(self._input, pixels[np.newaxis].astype(np.float32))
        self._interpreter.invoke()

    def read(self, name: str) -> np.ndarray:
        return np.asarray(self._interpreter.get_tensor(self.outputs[name])[0])
