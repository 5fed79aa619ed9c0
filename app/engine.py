"""A photo through the network: LiteRT on a CPU, TensorFlow on a GPU.

Both take the pixels that `app.images.decode` returns and give the network's outputs. Only
`TensorFlowEngine` imports TensorFlow, and only when it is made.
"""

import importlib.util
import logging
import os
import queue
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from app.card import KERAS, LITERT, Card, ModelError

Choice = Literal["auto", "litert", "tensorflow"]

logger = logging.getLogger(__name__)

# What an NVIDIA driver puts there, natively and under WSL 2.
_GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


def at_a_time(threads: int) -> int:
    """How many photos to work on so that `threads` cores are busy: one more than there are.

    Whoever has just been through the network waits for Python's lock, which the event loop holds
    for most of a millisecond a request; the one more uses that core meanwhile. On two cores, 8
    clients, that was 1.15 times the photos a second with cats-vs-dogs 2 and 1.07 with 1; a second
    more adds nothing.
    """
    return threads + 1 if threads > 1 else 1


class Engine(Protocol):
    """Runs a network. Safe to call from several threads at once."""

    name: str
    largest: int
    """Photos that go through it together with profit: 1 where a batch is no faster."""

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        """uint8 (photos, height, width, channels) -> float32 (photos, outputs).

        `alone` says that nothing else is to be done, so that all cores may help.
        """

    def warm(self) -> None:
        """Run everything once that a request may need, so that none is the slow first."""


def load_engine(folder: Path, card: Card, choice: Choice = "auto", threads: int = 1) -> Engine:
    """The engine for a checked version folder.

    Args:
        folder: the version folder whose card `app.card.load_card` has checked.
        card: that card.
        choice: "auto" takes TensorFlow where it is installed and sees a GPU, else LiteRT.
        threads: cores for LiteRT; it works on `at_a_time` of them photos.

    Raises:
        ModelError: the engine is not installed, or cannot load the file.
    """
    if choice == "tensorflow" or (choice == "auto" and _tensorflow_has_gpu()):
        return TensorFlowEngine(folder / KERAS, card)
    return LiteRTEngine(folder / LITERT, card, threads)


class LiteRTEngine:
    """A pool of single-threaded LiteRT interpreters over one model file, for CPUs.

    One photo a core scales better than all cores on one photo; an interpreter may be used
    by one thread at a time, so each is lent out through a queue (`at_a_time` says how many).
    One more interpreter has a thread a core, for a photo that is alone: it answers in little
    more than half the time.
    """

    name = "litert"
    largest = 1

    def __init__(self, path: Path, card: Card, threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._shape = (1, card.input.height, card.input.width, card.input.channels)
        self._outputs = card.outputs
        self._pool: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._wide: queue.SimpleQueue[Any] = queue.SimpleQueue()
        pools = [self._pool] * at_a_time(threads) + [self._wide] * (threads > 1)
        try:
            content = path.read_bytes()
            for pool in pools:
                cores = threads if pool is self._wide else 1
                interpreter = Interpreter(model_content=content, num_threads=cores)
                interpreter.allocate_tensors()
                pool.put(interpreter)
        except (ValueError, RuntimeError, OSError) as error:
            raise ModelError(f"{path}: LiteRT cannot load it ({_line(error)}).") from error
        self._input = interpreter.get_input_details()[0]["index"]
        self._output = interpreter.get_output_details()[0]["index"]

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        """See `Engine.run`. Waits while every interpreter is busy."""
        outputs = np.empty((len(batch), self._outputs), np.float32)
        pool = self._wide if alone and not self._wide.empty() else self._pool
        interpreter = pool.get()
        try:
            for row, pixels in zip(outputs, batch, strict=True):
                interpreter.set_tensor(self._input, pixels[np.newaxis].astype(np.float32))
                interpreter.invoke()
                row[:] = interpreter.get_tensor(self._output)[0]
        finally:
            pool.put(interpreter)
        return outputs

    def warm(self) -> None:
        """See `Engine.warm`. A pool lends the one that was used longest ago."""
        pixels = np.zeros(self._shape, np.uint8)
        for _ in range(self._pool.qsize()):
            self.run(pixels)
        self.run(pixels, alone=True)


class TensorFlowEngine:
    """The `.keras` file as one compiled TensorFlow graph, for GPUs (and, slower, CPUs).

    A batch is padded to the next of `SIZES`: for each new shape a GPU's libraries choose
    their kernels anew, which takes longer than a thousand photos.
    """

    name = "tensorflow"
    SIZES = (1, 4, 16, 32)
    largest = SIZES[-1]

    def __init__(self, path: Path, card: Card) -> None:
        os.environ["KERAS_BACKEND"] = "tensorflow"  # read once, by the first import of Keras
        try:
            import keras
            import tensorflow as tf
        except ImportError as error:
            raise ModelError(
                "APP_ENGINE=tensorflow needs TensorFlow, which is not installed. "
                "Install the extra 'gpu' (or 'train'), or set APP_ENGINE=litert."
            ) from error
        for device in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(device, True)
        try:
            network = keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, TypeError, OSError) as error:
            raise ModelError(f"{path}: Keras cannot load it ({_line(error)}).") from error
        self._shape = (card.input.height, card.input.width, card.input.channels)
        # A traced graph: `predict` builds a data pipeline a call, about ten times slower.
        self._forward = tf.function(
            lambda pixels: network(tf.cast(pixels, tf.float32), training=False),
            input_signature=[tf.TensorSpec((None, *self._shape), tf.uint8)],
        )

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:  # noqa: ARG002 - Engine.run
        """See `Engine.run`. Larger batches go in parts."""
        parts = [
            self._run_padded(batch[start : start + self.largest])
            for start in range(0, len(batch), self.largest)
        ]
        return np.concatenate(parts)

    def warm(self) -> None:
        """See `Engine.warm`."""
        for size in self.SIZES:
            self._run_padded(np.zeros((size, *self._shape), np.uint8))

    def _run_padded(self, batch: np.ndarray) -> np.ndarray:
        size = next(size for size in self.SIZES if size >= len(batch))
        padded = np.zeros((size, *self._shape), np.uint8)
        padded[: len(batch)] = batch
        outputs: np.ndarray = self._forward(padded).numpy()
        return outputs[: len(batch)]


def _tensorflow_has_gpu() -> bool:
    """Whether TensorFlow is installed and sees a GPU; does not import it without a driver."""
    if not any(device.exists() for device in _GPU_DEVICES):
        return False
    if importlib.util.find_spec("tensorflow") is None:
        logger.warning("a GPU is here, but TensorFlow is not installed: serving on the CPU")
        return False
    import tensorflow as tf

    if tf.config.list_physical_devices("GPU"):
        return True
    logger.warning("TensorFlow sees no GPU, though a driver is here: serving on the CPU")
    return False


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
