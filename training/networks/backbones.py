"""Build the pretrained backbones with their weights."""

from collections.abc import Iterator, Mapping

import keras
import numpy as np

from training.networks import architectures
from training.networks.backbone_weights import BACKBONES, read_weights
from training.networks.efficientnet_lite import FEATURES
from training.networks.pretrained import load_pretrained

_EPSILON = 1e-3  # of the normalisation that is folded


def build_backbone(
    name: str, classes: int, side: int | None, weights: str | None = None, dropout: float = 0.0
) -> keras.Model:
    """Build a network with pretrained weights and a new last layer.

    Args:
        name: a key of `BACKBONES`.
        classes: the number of classes.
        side: height and width of a photo in pixels; None allows any.
        weights: for EfficientNetV2B0, see `training.networks.pretrained.load_pretrained`.
        dropout: the dropout rate before the last layer.

    Returns:
        An uncompiled network: (photos, side, side, 3) in 0..255 -> (photos, 1 or classes).

    Raises:
        CommandError: the weights are missing or changed.
    """
    backbone = BACKBONES[name]
    build = getattr(architectures, backbone.network)
    network: keras.Model = build(classes, side=side, dropout=dropout, **backbone.options)
    if backbone.package is None:
        load_pretrained(network, weights or "imagenet")
    else:
        load_lite_weights(network, read_weights(name))
    return network


def build_features(network: keras.Model) -> keras.Model:
    """Return the part of a network from the pixels to the features: float32 (photos, features)."""
    return keras.Model(network.input, network.get_layer(FEATURES).output)


def load_lite_weights(network: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Set the weights of `efficientnet_lite`, all but those of its last layer.

    The file has a batch normalisation after each convolution, which is folded into the convolution.
    """
    for name, convolution, norm in _layer_names(network):
        layer = network.get_layer(name)
        scale, shift, mean, variance = (
            tensors[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(variance + _EPSILON)
        kernel = tensors[f"{convolution}.weight"] * factor[:, None, None, None]
        # (outputs, inputs, height, width) to Keras's order; a depthwise kernel has one input.
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        layer.set_weights([kernel.transpose(axes), shift - mean * factor])


def _layer_names(network: keras.Model) -> Iterator[tuple[str, str, str]]:
    """Yield each convolution's name, and those of it and its normalisation in the file."""
    yield "stem", "_conv_stem", "_bn0"
    yield "head", "_conv_head", "_bn1"
    parts = {"expand": "_bn0", "depthwise": "_bn1", "project": "_bn2"}
    for layer in network.layers:
        pieces = layer.name.split("_")
        if len(pieces) == 3 and pieces[0] == "block" and pieces[2] in parts:
            block = f"_blocks.{int(pieces[1])}"
            yield layer.name, f"{block}._{pieces[2]}_conv", f"{block}.{parts[pieces[2]]}"
