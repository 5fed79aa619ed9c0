"""A photo through the network: LiteRT on a CPU, TensorFlow on a GPU.

Both take the pixels that `app.imaging.decode.decode` returns and give the network's outputs. Only
`TensorFlowEngine` imports TensorFlow, and only when it is made.
"""

import importlib.util
import logging
import os
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from app.model.card import KERAS, LITERT, Card, ModelError
from app.model.litert import LiteRTEngine, one_line

Choice = Literal["auto", "litert", "tensorflow"]

logger = logging.getLogger(__name__)

# What an NVIDIA driver puts there, natively and under WSL 2.
_GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


class Engine(Protocol):
    """Runs a network. Safe to call from several threads at once."""

    name: str
    largest: int
    """Photos that go through it together with profit: 1 where a batch is no faster."""
    one_at_a_time: bool
    """Whether one batch at a time is best, so that decoded photos wait until it comes free."""

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        """uint8 (photos, height, width, channels) -> float32 (photos, outputs).

        `alone` says that nothing else is to be done, so that all cores may help.
        """

    def warm(self) -> None:
        """Run everything once that a request may need, so that none is the slow first."""


def load_engine(folder: Path, card: Card, choice: Choice = "auto", threads: int = 1) -> Engine:
    """The engine for a checked version folder.

    Args:
        folder: the version folder whose card `app.model.card.load_card` has checked.
        card: that card.
        choice: "auto" takes TensorFlow where it is installed and sees a GPU, else LiteRT.
        threads: cores for LiteRT, see `app.model.litert.at_a_time`.

    Raises:
        ModelError: the engine is not installed, or cannot load the file.
    """
    if choice == "tensorflow" or (choice == "auto" and _tensorflow_has_gpu()):
        return TensorFlowEngine(folder / KERAS, card)
    return LiteRTEngine(folder / LITERT, card, threads)


class TensorFlowEngine:
    """The `.keras` file as one compiled TensorFlow graph, for GPUs (and, slower, CPUs).

    A batch is padded to the next of `SIZES`: for each new shape a GPU's libraries choose
    their kernels anew, which takes longer than a thousand photos.
    """

    name = "tensorflow"
    one_at_a_time = True
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
            raise ModelError(f"{path}: Keras cannot load it ({one_line(error)}).") from error
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
