"""What a recipe's network is compiled with."""

import keras
import numpy as np

from training.loop.build import accuracy


def _accuracy(targets: np.ndarray, outputs: np.ndarray) -> list[float]:
    return [float(value) for value in keras.ops.convert_to_numpy(accuracy(targets, outputs))]


def test_accuracy_of_a_sigmoid_counts_smoothed_and_mixed_targets() -> None:
    targets = np.array([[0.05], [0.95], [0.4], [0.7], [0.7]], np.float32)
    outputs = np.array([[0.6], [0.8], [0.3], [0.45], [0.51]], np.float32)
    assert _accuracy(targets, outputs) == [0, 1, 1, 0, 1]


def test_accuracy_of_a_softmax_is_that_of_the_likeliest_label() -> None:
    targets = np.array([[0.1, 0.6, 0.3], [0.9, 0.05, 0.05], [0.2, 0.3, 0.5]], np.float32)
    outputs = np.array([[0.5, 0.3, 0.2], [0.4, 0.3, 0.3], [0.1, 0.45, 0.45001]], np.float32)
    assert _accuracy(targets, outputs) == [0, 1, 1]
