"""The engine for GPUs. TensorFlow is imported when the engine is made, not with this module."""

import os
from pathlib import Path

import numpy as np

from app.model.card import KERAS, Card, ModelError
from app.model.forward import Forward, joined
from app.model.litert import one_line


class TensorFlowEngine:
    """The `.keras` file as one compiled TensorFlow graph, for GPUs (and, slower, CPUs).

    A batch is padded to the next of `SIZES`: for each new shape a GPU's libraries choose their
    kernels again, which takes seconds.
    """

    name = "tensorflow"
    SIZES = (1, 4, 16, 32)
    max_batch = SIZES[-1]

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
        devices = tf.config.list_physical_devices("GPU")
        self.gpus = len(devices)
        for device in devices:
            tf.config.experimental.set_memory_growth(device, True)
        try:
            network = keras.saving.load_model(path, compile=False, safe_mode=True)
        except (ValueError, TypeError, OSError) as error:
            raise ModelError(f"{path}: Keras cannot load it ({one_line(error)}).") from error
        card.require_shapes(KERAS, network.input_shape[1:], network.output_shape[1:])
        self._shape = card.input.shape
        last = network.layers[-1].input
        self.features = int(last.shape[-1]) if len(last.shape) == 2 else 0
        shown = keras.Model(network.input, [network.output, last])
        # A traced graph, because Keras's `predict` builds a data pipeline for every call.
        self._forward = tf.function(
            lambda pixels: shown(tf.cast(pixels, tf.float32), training=False),
            input_signature=[tf.TensorSpec((None, *self._shape), tf.uint8)],
        )

    def run(self, batch: np.ndarray, alone: bool = False) -> np.ndarray:
        """See `app.model.engine.Engine.run`."""
        return self.forward(batch, alone).outputs

    def forward(self, batch: np.ndarray, alone: bool = False) -> Forward:  # noqa: ARG002 - Engine.run
        """See `app.model.engine.Engine.forward`. Larger batches go in parts."""
        parts = [
            self._run_padded(batch[start : start + self.max_batch])
            for start in range(0, len(batch), self.max_batch)
        ]
        return joined(parts)

    def warm(self) -> None:
        """See `app.model.engine.Engine.warm`."""
        for size in self.SIZES:
            self._run_padded(np.zeros((size, *self._shape), np.uint8))

    def _run_padded(self, batch: np.ndarray) -> Forward:
        size = next(size for size in self.SIZES if size >= len(batch))
        padded = np.zeros((size, *self._shape), np.uint8)
        padded[: len(batch)] = batch
        outputs, features = (each.numpy()[: len(batch)] for each in self._forward(padded))
        return Forward(outputs, features if self.features else None)
