"""A network -> the same network whose outputs are also its evidence and its feature maps.

Where the last step is linear over a feature map (Flatten or GlobalAveragePooling2D, then
Dense), a logit is a sum over the map's places plus a bias: the evidence is that sum's
terms. Source of the idea, for pooled networks: B. Zhou et al., Learning deep features for
discriminative localization (2016).
"""

from typing import Any

import keras
from keras import layers, ops

from app.model.explainer import BIAS, EVIDENCE, LOGITS, PROBABILITIES, linear

_MAPS = (
    layers.Conv2D, layers.BatchNormalization, layers.ReLU, layers.Activation,
    layers.MaxPooling2D, layers.AveragePooling2D,
)  # fmt: skip


def show_inside(network: keras.Model) -> keras.Model:
    """Build the network that `explain.tflite` is made of.

    Outputs, by name:
        probabilities, logits: float32 (photos, outputs).
        evidence, bias: float32 (photos, h, w, outputs) and (photos, outputs); only where the
            last step is linear over the last feature map.
        NAME: the feature map of each convolution, normalisation, ReLU and pooling layer,
            float32 (photos, h, w, channels); of a convolution with a built-in activation
            also the map before it, as `app.model.explainer.linear(NAME)`.
    """
    tensors, inputs = _taken_apart(network)
    dense = network.layers[-1]
    outputs = {
        PROBABILITIES: tensors[dense.name],
        LOGITS: tensors[linear(dense.name)],
    } | _evidence(network, tensors)
    for layer in network.layers:
        if isinstance(layer, _MAPS) and not _is_normalised_next(layer):
            names = (linear(layer.name), layer.name)
            outputs |= {name: tensors[name] for name in names if name in tensors}
    return keras.Model(inputs, outputs, name=network.name)


def _taken_apart(network: keras.Model) -> tuple[dict[str, Any], Any]:
    """A copy whose built-in activations are layers of their own; its tensors by name."""
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


def _evidence(network: keras.Model, tensors: dict[str, Any]) -> dict[str, Any]:
    """The terms of the last linear step, or nothing where it is not over a feature map."""
    dense = network.layers[-1]
    before = _source(dense)
    if isinstance(before, layers.Dropout):  # does nothing but in training
        before = _source(before)
    if not isinstance(before, (layers.Flatten, layers.GlobalAveragePooling2D)):
        return {}
    features = tensors[_source(before).name]
    _, height, width, channels = features.shape
    kernel, bias = (ops.convert_to_numpy(weight) for weight in dense.get_weights())
    if isinstance(before, layers.Flatten):
        equation, kernel = "bhwc,hwck->bhwk", kernel.reshape(height, width, channels, -1)
    else:
        equation, kernel = "bhwc,ck->bhwk", kernel / (height * width)
    terms = layers.EinsumDense(equation, (height, width, kernel.shape[-1]), name=EVIDENCE)
    evidence = terms(features)
    terms.set_weights([kernel])
    return {EVIDENCE: evidence, BIAS: _Bias(bias)(tensors[dense.name])}


def _source(layer: Any) -> Any:
    """The layer whose output this one takes."""
    return layer.input._keras_history.operation


def _is_normalised_next(layer: Any) -> bool:
    """Whether only a normalisation sees the output: the converter folds it into the layer."""
    nodes = layer._outbound_nodes
    return len(nodes) == 1 and isinstance(nodes[0].operation, layers.BatchNormalization)


class _Bias(layers.Layer):
    """The same values for every photo."""

    def __init__(self, values: Any) -> None:
        super().__init__(name=BIAS)
        self._values = values

    def call(self, inputs: Any) -> Any:
        return ops.broadcast_to(self._values, ops.shape(inputs))
