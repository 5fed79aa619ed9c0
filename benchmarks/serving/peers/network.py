"""The network that all peers serve: the published `.keras` file as a traced TensorFlow graph.

The peers use this project's decoder, so that the benchmark compares the serving only.
"""

import os
from pathlib import Path

import numpy as np

from app.imaging.decode import decode
from app.model.card import KERAS, Card
from app.model.version_folder import load_card

MODEL = "BENCHMARK_MODEL"  # the environment variable with the version folder
WORKERS = "BENCHMARK_WORKERS"


class Network:
    """The decoder and the network, which is loaded and traced once."""

    def __init__(self) -> None:
        os.environ["KERAS_BACKEND"] = "tensorflow"
        import keras
        import tensorflow as tf

        folder = Path(os.environ[MODEL])
        self.card: Card = load_card(folder)
        network = keras.saving.load_model(folder / KERAS, compile=False)
        shape = self.card.input
        self._forward = tf.function(
            lambda pixels: network(tf.cast(pixels, tf.float32), training=False),
            input_signature=[
                tf.TensorSpec((None, shape.height, shape.width, shape.channels), tf.uint8)
            ],
        )
        self.run(np.zeros((1, shape.height, shape.width, shape.channels), np.uint8))

    def decode(self, data: bytes) -> np.ndarray:
        """Decode a photo's file to uint8 (height, width, channels)."""
        shape = self.card.input
        return decode(data, shape.height, shape.width, shape.channels)

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Classify uint8 (photos, height, width, channels): float32 (photos, outputs)."""
        outputs: np.ndarray = self._forward(batch).numpy()
        return outputs

    def answer(self, outputs: np.ndarray) -> dict[str, float]:
        """Convert the network's outputs for one photo to label -> probability."""
        if self.card.activation == "sigmoid":
            outputs = np.array([1 - outputs[0], outputs[0]])
        return dict(zip(self.card.labels, map(float, outputs), strict=True))
