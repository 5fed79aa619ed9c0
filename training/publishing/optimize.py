"""Optimize a network for inference on a CPU: fuse layers and use Winograd convolutions."""

from math import prod
from typing import Any

import keras
import numpy as np
from keras import activations, layers

from training.publishing.winograd import Convolution, Winograd

# For fewer inputs x outputs, or a smaller output, the additions of Winograd's algorithm cost more
# time than it saves.
_MIN_CHANNEL_PRODUCT = 24 * 24
_MIN_SIDE = 6


class _Identity(layers.Layer):
    """Replaces a layer that was fused into the convolution before it."""


def optimize(network: keras.Model) -> keras.Model:
    """Build a faster network with the same outputs, apart from rounding.

    `training.publishing.winograd` replaces 3x3 convolutions with many channels. The batch
    normalisation, ReLU and 2x2 max pooling that follow are fused into the convolution if no other
    layer uses the values in between. All other layers are copied.

    Args:
        network: a functional or sequential network with one input of a fixed size and one output.
    """
    replaced: dict[str, Any] = {}
    for layer in network.layers:
        if _is_optimizable(layer):
            replaced |= _fuse_followers(network, layer)

    def clone(layer: Any) -> Any:
        return replaced.get(layer.name) or type(layer).from_config(layer.get_config())

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if isinstance(layer, _Identity):
            return inputs[0]
        return layer(*inputs, **options)

    functional = keras.Model(network.inputs[0], network.outputs[0], name=network.name)
    copy = keras.models.clone_model(functional, clone_function=clone, call_function=call)
    for layer in copy.layers:
        if layer.weights and layer.name not in replaced:
            layer.set_weights(network.get_layer(layer.name).get_weights())
    return copy


def _is_optimizable(layer: Any) -> bool:
    return (
        type(layer) is layers.Conv2D
        and len(layer._inbound_nodes) == 1
        and layer.data_format == "channels_last"
        and (layer.kernel_size, layer.strides) == ((3, 3), (1, 1))
        and (layer.dilation_rate, layer.groups) == ((1, 1), 1)
        and prod(layer.kernel.shape[2:]) >= _MIN_CHANNEL_PRODUCT
        and min(layer.output.shape[1:3]) >= _MIN_SIDE
        and layer.activation in (activations.linear, activations.relu)
    )


def _fuse_followers(network: keras.Model, layer: Any) -> dict[str, Any]:
    """Fuse a convolution with the layers that follow; return the replacements by layer name."""
    chain = [layer]
    kernel = np.asarray(layer.kernel.value, np.float64)
    bias = np.zeros(kernel.shape[3])
    if layer.use_bias:
        bias += np.asarray(layer.bias.value)
    relu = layer.activation is activations.relu
    after = _single_consumer(network, layer)
    if _is_normalisation(after) and not relu:
        scale, shift = _scale_and_shift(after)
        kernel, bias = kernel * scale, bias * scale + shift
        chain.append(after)
        after = _single_consumer(network, after)
    if _is_relu(after):
        relu = True
        chain.append(after)
        after = _single_consumer(network, after)
    pooled = _is_pooling(after)
    if pooled:
        chain.append(after)
    convolution = Convolution(kernel, bias, layer.padding == "same", relu, pooled)
    identities = {each.name: _Identity(name=each.name) for each in chain[1:]}
    return {layer.name: Winograd(convolution, layer.name), **identities}


def _single_consumer(network: keras.Model, layer: Any) -> Any:
    """Return the only layer that uses this layer's output, or None."""
    nodes = layer._outbound_nodes
    is_output = any(output._keras_history.operation is layer for output in network.outputs)
    return nodes[0].operation if len(nodes) == 1 and not is_output else None


def _scale_and_shift(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return batch normalisation as a factor and an offset, each float64 (channels,)."""
    mean, variance = (
        np.asarray(weights.value, np.float64)
        for weights in (layer.moving_mean, layer.moving_variance)
    )
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale *= np.asarray(layer.gamma.value)
    shift = -mean * scale
    return scale, shift + np.asarray(layer.beta.value) if layer.center else shift


def _is_normalisation(layer: Any) -> bool:
    return isinstance(layer, layers.BatchNormalization) and layer.axis in (-1, 3)


def _is_relu(layer: Any) -> bool:
    if isinstance(layer, layers.ReLU):
        return (layer.max_value, layer.negative_slope, layer.threshold) == (None, 0, 0)
    return isinstance(layer, layers.Activation) and layer.activation is activations.relu


def _is_pooling(layer: Any) -> bool:
    return (
        isinstance(layer, layers.MaxPooling2D)
        and (layer.pool_size, layer.strides, layer.padding) == ((2, 2), (2, 2), "valid")
    )  # fmt: skip
