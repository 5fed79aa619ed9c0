"""Constrain a network's weights so that a photo and its mirror image get the same answer.

The channels of every layer form pairs (i, i + half). The kernels of the second half are the
mirrored kernels of the first half, so mirroring the photo mirrors the feature maps and swaps the
channels of each pair. The last layer has the same weights for both channels of a pair and works on
averages over all positions, so its output does not change. Half of the weights follow from the
other half; otherwise the network is an ordinary one.

Every convolution must cover the left and right sides equally: a stride of 2 over an even number of
positions needs an even kernel. Source: T. Cohen and M. Welling, Group equivariant convolutional
networks (2016), for the group of two elements.
"""

from typing import Any

import keras
from keras import layers, ops

_COLOUR_CHANNELS = (1, 3)


@keras.saving.register_keras_serializable(package="training")
class MirrorSymmetric(keras.constraints.Constraint):  # type: ignore[misc]  # Keras has no types
    """Keep a kernel, or a vector over channels, equal to its mirrored version."""

    def __call__(self, weights: Any) -> Any:
        """Return the nearest symmetric weights, of the same shape and dtype."""
        return (weights + mirror_weights(weights)) / 2


def mirror_weights(weights: Any) -> Any:
    """Return the weights that give the same result on mirrored photos as `weights` on photos.

    Args:
        weights: (height, width, inputs, outputs) of a convolution, (inputs, outputs) of the last
            layer, or (channels,). The number of channels is even. 1 or 3 inputs of a convolution
            are the photo's colours, which form no pairs.

    Returns:
        Weights of the same shape and dtype.

    Raises:
        ValueError: the number of channels is odd.
    """
    if len(weights.shape) < 4:
        return _swap_halves(weights, 0)
    turned = _swap_halves(ops.flip(weights, axis=1), 3)
    return turned if weights.shape[2] in _COLOUR_CHANNELS else _swap_halves(turned, 2)


def symmetrise(network: keras.Model) -> None:
    """Make a network's weights symmetric in place, including batch normalisation statistics.

    The statistics of the two channels of a pair differ slightly after training, as they are
    measured on photos in one orientation.
    """
    exact = MirrorSymmetric()
    for layer in network.layers:
        if isinstance(layer, (layers.Conv2D, layers.Dense)):
            layer.kernel.assign(exact(layer.kernel.value))
        elif isinstance(layer, layers.BatchNormalization):
            for weights in layer.weights:
                weights.assign(exact(weights.value))


def _swap_halves(weights: Any, axis: int) -> Any:
    channels = weights.shape[axis]
    if channels % 2:
        raise ValueError(f"{channels} channels are not pairs; symmetry needs an even number.")
    return ops.roll(weights, channels // 2, axis=axis)
