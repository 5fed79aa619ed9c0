"""Temperature scaling: calibrate a network's probabilities.

Source: C. Guo et al., On calibration of modern neural networks (2017).
"""

import keras
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_expit, log_softmax

_RANGE = (0.05, 20.0)  # of the temperature; values outside mean that the network learnt nothing
_BATCH = 64


def calibrate(network: keras.Model, pixels: np.ndarray, labels: np.ndarray) -> float:
    """Divide the network's logits by the temperature that gives the lowest log loss.

    The division is folded into the last layer's weights, so every engine returns calibrated
    probabilities. The most probable labels do not change.

    Args:
        network: a network that ends in a dense layer with a sigmoid or softmax; it is changed.
        pixels: uint8 (photos, height, width, channels) of photos that were not trained on.
        labels: int64 (photos,).

    Returns:
        The temperature; it is above 1 if the network was overconfident.
    """
    temperature = fit_temperature(compute_logits(network, pixels), labels)
    divide_logits(network, temperature)
    return temperature


def divide_logits(network: keras.Model, temperature: float) -> None:
    """Fold a temperature into the weights of the network's last layer."""
    last = network.layers[-1]
    last.set_weights([weights / temperature for weights in last.get_weights()])


def compute_logits(network: keras.Model, pixels: np.ndarray) -> np.ndarray:
    """Return the input of the last layer's activation: float32 (photos, 1 or classes)."""
    last = network.layers[-1]
    features = keras.Model(network.input, last.input)
    kernel, bias = last.get_weights()
    rows = [
        keras.ops.convert_to_numpy(features(pixels[start : start + _BATCH], training=False))
        for start in range(0, len(pixels), _BATCH)
    ]
    return np.asarray(np.concatenate(rows) @ kernel + bias, np.float32)


def fit_temperature(logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> float:
    """Return the temperature with the lowest log loss.

    Args:
        logits: float (photos, 1) before a sigmoid, or (photos, classes) before a softmax.
        labels: integers (photos,).
        smoothing: the probability that a label stands for one of the other classes, which keeps
            the temperature up if all of few photos are answered right.
    """

    def loss(scaled: np.ndarray) -> float:
        own = log_loss(scaled, labels)
        return own + smoothing * (_other_loss(scaled, labels) - own) if smoothing else own

    found = minimize_scalar(
        lambda log_t: loss(logits / np.exp(log_t)),
        bounds=tuple(np.log(_RANGE)),
        method="bounded",
    )
    return float(np.exp(found.x))


def _other_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of -log(probability) over all labels but the true one."""
    if logits.shape[1] == 1:
        return log_loss(logits, 1 - labels)
    classes = int(logits.shape[1])
    every = float(-log_softmax(logits, axis=1).mean()) * classes
    return (every - log_loss(logits, labels)) / (classes - 1)


def log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of -log(probability of the true label); arguments as `fit_temperature`."""
    if logits.shape[1] == 1:
        return float(-log_expit(logits[:, 0] * (2 * labels - 1)).mean())
    return float(-log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean())
