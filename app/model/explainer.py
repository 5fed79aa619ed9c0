"""The network's inner values for one photo: evidence and feature maps.

A version folder's `explain.tflite` is the served network with more outputs. The first request
that needs them opens the file; `/predict` neither loads nor runs it.
"""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from app.model.card import EXPLAIN, Card, ModelError, check_file

# The outputs that are not named after a layer.
PROBABILITIES, LOGITS, EVIDENCE, BIAS = "probabilities", "logits", "evidence", "bias"


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
    """A pool of LiteRT interpreters that grows with the number of simultaneous calls.

    Safe to call from several threads at once. The first interpreter uses `threads` cores, for a
    call that is alone; the others use one.
    """

    def __init__(self, folder: Path, card: Card, threads: int = 1) -> None:
        self._folder = folder
        self._card = card
        self._threads = threads
        self._wide_lock = threading.Lock()
        self._wide: _Interpreter | None = None
        self._lock = threading.Lock()
        self._content = b""
        self._idle: queue.SimpleQueue[_Interpreter] = queue.SimpleQueue()

    def terms(self, pixels: np.ndarray) -> Terms:
        """The evidence for each output: uint8 (height, width, channels) -> `Terms`.

        Raises:
            NotExplainable: the version has no such file, or its network is not linear in
                the last feature map.
            ModelError: the file was changed or lost after the model was loaded.
        """
        with self._borrowed() as interpreter:
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
        with self._borrowed() as interpreter:
            interpreter.run(pixels)
            return {name: interpreter.read(name) for name in interpreter.outputs if name not in own}

    @contextmanager
    def _borrowed(self) -> Iterator["_Interpreter"]:
        if self._wide_lock.acquire(blocking=False):
            try:
                self._wide = self._wide or self._new(self._threads)
                yield self._wide
            finally:
                self._wide_lock.release()
            return
        try:
            interpreter = self._idle.get_nowait()
        except queue.Empty:
            interpreter = self._new(1)
        try:
            yield interpreter
        finally:
            self._idle.put(interpreter)

    def _new(self, threads: int) -> "_Interpreter":
        return _Interpreter(self._folder / EXPLAIN, self._read_file(), threads)

    def _read_file(self) -> bytes:
        if EXPLAIN not in self._card.files:
            raise NotExplainable(
                f"{self._name()} was published without {EXPLAIN}. Add it on the server with: "
                f"python -m training.export models/{self._card.name}/{self._card.version}"
            )
        with self._lock:
            if not self._content:
                path = self._folder / EXPLAIN
                check_file(path, self._card.files[EXPLAIN])
                self._content = path.read_bytes()
            return self._content

    def _name(self) -> str:
        return f"The model {self._card.name} {self._card.version}"


class _Interpreter:
    """One interpreter, with its outputs by name."""

    def __init__(self, path: Path, content: bytes, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
            runner = self._interpreter.get_signature_runner()
        except (ValueError, RuntimeError) as error:
            line = " ".join(str(error).split())[:200]
            raise ModelError(f"{path}: LiteRT cannot load it ({line}).") from error
        self._input = self._interpreter.get_input_details()[0]["index"]
        details: dict[str, Any] = runner.get_output_details()
        self.outputs = {name: detail["index"] for name, detail in details.items()}

    def run(self, pixels: np.ndarray) -> None:
        self._interpreter.set_tensor(self._input, pixels[np.newaxis].astype(np.float32))
        self._interpreter.invoke()

    def read(self, name: str) -> np.ndarray:
        return np.asarray(self._interpreter.get_tensor(self.outputs[name])[0])
