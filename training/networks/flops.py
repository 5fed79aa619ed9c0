"""Count the multiply-adds of a network."""

from math import prod

import keras


def multiply_adds(network: keras.Model) -> int:
    """Return the number of multiplications with a weight (each with an addition) for one photo.

    Convolutions, depthwise convolutions and dense layers are counted. Activations, pooling and
    normalisation are not, as they cost little in comparison.

    Args:
        network: a network with a fixed input size.
    """
    return sum(_layer_multiply_adds(layer) for layer in network._flatten_layers())


def _layer_multiply_adds(layer: keras.Layer) -> int:
    if isinstance(layer, keras.layers.Dense):
        return int(prod(layer.kernel.shape))
    kernels = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    if isinstance(layer, kernels):
        # Each position of the output uses each weight once, for any number of groups.
        _, height, width, _ = layer.output.shape
        return int(height * width * prod(layer.kernel.shape))
    return 0
