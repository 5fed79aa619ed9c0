"""What a network costs: multiply-adds of one photo, counted from its layers."""

from math import prod

import keras


def multiply_adds(network: keras.Model) -> int:
    """Multiplications with a weight (each with its addition) for one photo.

    Counts convolutions, depthwise ones too, and dense layers; the rest (activations, pooling,
    normalisation, which the published network folds into its convolutions) is a percent or so
    of that.

    Args:
        network: with a fixed input size.
    """
    return sum(_of_layer(layer) for layer in network._flatten_layers())


def _of_layer(layer: keras.Layer) -> int:
    if isinstance(layer, keras.layers.Dense):
        return int(prod(layer.kernel.shape))
    kernels = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    if isinstance(layer, kernels):
        # Each place of the result uses each weight once, whatever the groups.
        _, height, width, _ = layer.output.shape
        return int(height * width * prod(layer.kernel.shape))
    return 0
