"""Add a network's evidence and feature maps to its outputs, for explanations.

If a network ends in Flatten or GlobalAveragePooling2D and a Dense layer, each logit is a sum over
the positions of the last feature map plus a bias. The evidence consists of the terms of this sum.
Source, for networks with pooling: B. Zhou et al., Learning deep features for discriminative
localization (2016).
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from app.model.explainer import BIAS, EVIDENCE, LOGITS, linear
from app.model.forward import FEATURES, PROBABILITIES

_FEATURE_MAP_LAYERS = (
    layers.Conv2D, layers.DepthwiseConv2D, layers.BatchNormalization, layers.ReLU,
    layers.Activation, layers.MaxPooling2D, layers.AveragePooling2D,
)  # fmt: skip


def add_explain_outputs(network: keras.Model) -> keras.Model:
    """Build the network from which `explain.tflite` is converted.

    Outputs, by name:
        probabilities, logits: float32 (photos, outputs).
        evidence, bias: float32 (photos, h, w, outputs) and (photos, outputs); only if the network
            ends as the module's docstring says.
        NAME: the feature map of each convolution, normalisation, ReLU and pooling layer, float32
            (photos, h, w, channels). A convolution with a built-in activation also has the map
            before the activation, as `app.model.explainer.linear(NAME)`.
    """
    tensors, inputs = _split_activations(network)
    dense = network.layers[-1]
    outputs = {
        PROBABILITIES: tensors[dense.name],
        LOGITS: tensors[linear(dense.name)],
    } | _evidence_outputs(network, tensors)
    for layer in network.layers:
        if isinstance(layer, _FEATURE_MAP_LAYERS) and not _feeds_only_normalisation(layer):
            names = (linear(layer.name), layer.name)
            outputs |= {name: tensors[name] for name in names if name in tensors}
    return keras.Model(inputs, outputs, name=network.name)


def show_features(network: keras.Model) -> keras.Model:
    """Build the network from which `model.tflite` is converted.

    Outputs, by name:
        probabilities: float32 (photos, outputs).
        features: the inputs of the last layer, float32 (photos, features), if it has one input.
    """
    last = network.layers[-1].input
    outputs = {PROBABILITIES: network.output}
    if getattr(last, "ndim", 0) == 2:
        outputs[FEATURES] = last
    return keras.Model(network.input, outputs, name=network.name)


def _split_activations(network: keras.Model) -> tuple[dict[str, Any], Any]:
    """Copy the network with separate layers for built-in activations.

    Returns the copy's tensors by name, and its input.
    """
    tensors: dict[str, Any] = {}
    activations: dict[str, str] = {}

    def clone(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, (layers.Conv2D, layers.Dense)) and config["activation"] != "linear":
            activations[layer.name] = config["activation"]
            config["activation"] = "linear"
        return type(layer).from_config(config)

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        output = layer(*inputs, **options)
        if layer.name in activations:
            tensors[linear(layer.name)] = output
            output = layers.Activation(activations[layer.name])(output)
        tensors[layer.name] = output
        return output

    copy = keras.models.clone_model(network, clone_function=clone, call_function=call)
    copy.set_weights(network.get_weights())
    return tensors, copy.input


def _evidence_outputs(network: keras.Model, tensors: dict[str, Any]) -> dict[str, Any]:
    """Return the outputs `evidence` and `bias`, or nothing if the network ends differently."""
    dense = network.layers[-1]
    before = _producer(dense)
    if isinstance(before, layers.Dropout):  # has no effect outside of training
        before = _producer(before)
    if not isinstance(before, (layers.Flatten, layers.GlobalAveragePooling2D)):
        return {}
    features = tensors[_producer(before).name]
    _, height, width, channels = features.shape
    kernel, bias = (ops.convert_to_numpy(weight) for weight in dense.get_weights())
    if isinstance(before, layers.Flatten):
        equation, kernel = "bhwc,hwck->bhwk", kernel.reshape(height, width, channels, -1)
    else:
        equation, features = "bhwc,ck->bhwk", _divide(features, height * width)
    terms = layers.EinsumDense(equation, (height, width, kernel.shape[-1]), name=EVIDENCE)
    evidence = terms(features)
    terms.set_weights([kernel])
    return {EVIDENCE: evidence, BIAS: _ConstantBias(bias)(tensors[dense.name])}


def _divide(features: Any, places: int) -> Any:
    """Divide the features by the number of places of a mean.

    The kernel stays as it is, so that half precision stores it without loss. The factor is the sum
    of two numbers of half precision, as it is stored so, too.
    """
    coarse = float(np.float16(1 / places))
    return features * coarse + features * (1 / places - coarse)


def _producer(layer: Any) -> Any:
    """Return the layer that produces this layer's input."""
    return layer.input._keras_history.operation


def _feeds_only_normalisation(layer: Any) -> bool:
    """Tell whether only a normalisation uses the output; the converter then merges the two."""
    nodes = layer._outbound_nodes
    return len(nodes) == 1 and isinstance(nodes[0].operation, layers.BatchNormalization)


class _ConstantBias(layers.Layer):
    """Outputs the same values for every photo."""

    def __init__(self, values: Any) -> None:
        super().__init__(name=BIAS)
        self._values = values

    def call(self, inputs: Any) -> Any:
        return ops.broadcast_to(self._values, ops.shape(inputs))
