"""Probabilities that mean what they say: one temperature, folded into the network.

Source: C. Guo et al., On calibration of modern neural networks (2017).
"""

import keras
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

_RANGE = (0.05, 20.0)  # temperatures beyond these would say that the network has learnt nothing
_BATCH = 64


def calibrate(network: keras.Model, pixels: np.ndarray, labels: np.ndarray) -> float:
    """Divide the network's logits by the temperature that suits these photos best.

    The division goes into the last layer's weights, so that every engine gives calibrated
    probabilities and no label changes.

    Args:
        network: ends in a dense layer with a sigmoid or softmax; its last layer is changed.
        pixels: uint8 (photos, height, width, channels), not trained on.
        labels: int64 (photos,).

    Returns:
        The temperature; above 1 the network was too sure of itself.
    """
    temperature = fit_temperature(logits_of(network, pixels), labels)
    last = network.layers[-1]
    last.set_weights([weights / temperature for weights in last.get_weights()])
    return temperature


def logits_of(network: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """What the last layer's activation is applied to: float32 (photos, 1 or classes)."""
    last = network.layers[-1]
    features = keras.Model(network.input, last.input)
    kernel, bias = last.get_weights()
    rows = [
        keras.ops.convert_to_numpy(features(pixels[start : start + _BATCH], training=False))
        for start in range(0, len(pixels), _BATCH)
    ]
    return np.asarray(np.concatenate(rows) @ kernel + bias, np.float32)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with the lowest log loss.

    Args:
        logits: float (photos, 1) before a sigmoid, or (photos, classes) before a softmax.
        labels: integers (photos,).
    """
    found = minimize_scalar(
        lambda log_t: log_loss_of(logits / np.exp(log_t), labels),
        bounds=tuple(np.log(_RANGE)),
        method="bounded",
    )
    return float(np.exp(found.x))


def log_loss_of(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean of -log(probability of the true label)."""
    if logits.shape[1] == 1:
        return float(-log_expit(logits[:, 0] * (2 * labels - 1)).mean())
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
