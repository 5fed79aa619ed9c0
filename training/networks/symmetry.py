"""Networks that answer a photo and its mirror image alike, by their weights alone.

The channels of every layer come in pairs: the second half of them sees in a photo what the first
half sees in its mirror image, as its kernels are theirs mirrored. Averaged over all places, the
halves of a pair change places with the photo's sides, and a last layer that weighs them alike
cannot tell them apart. What training would have to find out from mirrored photos, the network
knows, at no cost: it is an ordinary one, half of whose weights follow from the others.

Source: T. Cohen and M. Welling, Group equivariant convolutional networks (2016), for the group
of two elements. Convolutions have to see as much of either side: a stride of 2 over an even
number of places needs an even kernel.
"""

from typing import Any

import keras
from keras import layers, ops

_COLOURS = (1, 3)


@keras.saving.register_keras_serializable(package="training")
class MirrorSymmetric(keras.constraints.Constraint):  # type: ignore[misc]  # Keras has no types
    """Keeps a kernel, or a vector over channels, as the mirrored photo would have it."""

    def __call__(self, weights: Any) -> Any:
        """The nearest symmetric weights, of the same shape; symmetric ones stay as they are."""
        return (weights + mirrored(weights)) / 2


def mirrored(weights: Any) -> Any:
    """The weights that do on mirrored photos what these do on photos.

    Args:
        weights: (height, width, inputs, outputs) of a convolution, (inputs, outputs) of the last
            layer, or (channels,), all with an even number of channels, and channel i paired with
            i + half. 1 or 3 inputs of a convolution are a photo's colours, which have no pairs.

    Raises:
        ValueError: the number of channels is odd.
    """
    if len(weights.shape) < 4:
        return _swapped(weights, 0)
    turned = _swapped(ops.flip(weights, axis=1), 3)
    return turned if weights.shape[2] in _COLOURS else _swapped(turned, 2)


def symmetrise(network: keras.Model) -> None:
    """Make a network's weights symmetric in place, batch-normalisation statistics included.

    Training measures these on photos that lie one way or the other, so that the halves of a
    pair have slightly different ones.
    """
    exact = MirrorSymmetric()
    for layer in network.layers:
        if isinstance(layer, (layers.Conv2D, layers.Dense)):
            layer.kernel.assign(exact(layer.kernel.value))
        elif isinstance(layer, layers.BatchNormalization):
            for weights in layer.weights:
                weights.assign(exact(weights.value))


def _swapped(weights: Any, axis: int) -> Any:
    channels = weights.shape[axis]
    if channels % 2:
        raise ValueError(f"{channels} channels are not pairs; symmetry needs an even number.")
    return ops.roll(weights, channels // 2, axis=axis)
