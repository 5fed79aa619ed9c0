"""A network -> the same function in fewer steps and multiplications, to be exported for a CPU."""

from math import prod
from typing import Any

import keras
import numpy as np
from keras import activations, layers

from training.publishing.winograd import Convolution, Winograd

# Below so many inputs x outputs, and places in a row, the sums that Winograd's algorithm adds
# cost what it saves.
_CHANNELS = 24 * 24
_PLACES = 6


class _Nothing(layers.Layer):
    """Stands for a layer that went into the convolution before it."""


def fused(network: keras.Model) -> keras.Model:
    """Build the network that is exported: the same outputs, but for rounding.

    A 3x3 convolution over many channels becomes one of `training.publishing.winograd`, together
    with the batch normalisation, ReLU and 2x2 max pooling that follow, where nothing else sees what
    is between. The other layers stay as they are.

    Args:
        network: a functional or sequential one with one input of a fixed size and one output.
    """
    replaced: dict[str, Any] = {}
    for layer in network.layers:
        if _is_suited(layer):
            replaced |= _with_followers(network, layer)

    def clone(layer: Any) -> Any:
        return replaced.get(layer.name) or type(layer).from_config(layer.get_config())

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        if isinstance(layer, _Nothing):
            return inputs[0]
        return layer(*inputs, **options)

    functional = keras.Model(network.inputs[0], network.outputs[0], name=network.name)
    copy = keras.models.clone_model(functional, clone_function=clone, call_function=call)
    for layer in copy.layers:
        if layer.weights and layer.name not in replaced:
            layer.set_weights(network.get_layer(layer.name).get_weights())
    return copy


def _is_suited(layer: Any) -> bool:
    return (
        type(layer) is layers.Conv2D
        and len(layer._inbound_nodes) == 1
        and layer.data_format == "channels_last"
        and (layer.kernel_size, layer.strides) == ((3, 3), (1, 1))
        and (layer.dilation_rate, layer.groups) == ((1, 1), 1)
        and prod(layer.kernel.shape[2:]) >= _CHANNELS
        and min(layer.output.shape[1:3]) >= _PLACES
        and layer.activation in (activations.linear, activations.relu)
    )


def _with_followers(network: keras.Model, layer: Any) -> dict[str, Any]:
    """What takes the place of a convolution and of the layers that go into it, by name."""
    chain = [layer]
    kernel = np.asarray(layer.kernel.value, np.float64)
    bias = np.zeros(kernel.shape[3])
    if layer.use_bias:
        bias += np.asarray(layer.bias.value)
    relu = layer.activation is activations.relu
    after = _only_follower(network, layer)
    if _is_normalisation(after) and not relu:
        scale, shift = _normalisation(after)
        kernel, bias = kernel * scale, bias * scale + shift
        chain.append(after)
        after = _only_follower(network, after)
    if _is_relu(after):
        relu = True
        chain.append(after)
        after = _only_follower(network, after)
    pooled = _is_pooling(after)
    if pooled:
        chain.append(after)
    convolution = Convolution(kernel, bias, layer.padding == "same", relu, pooled)
    nothing = {each.name: _Nothing(name=each.name) for each in chain[1:]}
    return {layer.name: Winograd(convolution, layer.name), **nothing}


def _only_follower(network: keras.Model, layer: Any) -> Any:
    """The layer that alone takes this one's output, or None."""
    nodes = layer._outbound_nodes
    is_output = any(output._keras_history.operation is layer for output in network.outputs)
    return nodes[0].operation if len(nodes) == 1 and not is_output else None


def _normalisation(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Batch normalisation as a factor and a sum for each channel, float64 (channels,)."""
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
