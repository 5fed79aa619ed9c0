"""EfficientNet-Lite in Keras, so that any backend builds it.

EfficientNet-Lite is EfficientNet without squeeze-and-excitation and with ReLU6. Sources: M. Tan and
Q. Le, EfficientNet: rethinking model scaling for convolutional neural networks (2019); R. Liu,
Higher accuracy on vision models with EfficientNet-Lite (2020).

The original has a batch normalisation after each convolution. Here the convolution has a bias, and
`training.networks.backbones` folds the normalisation's statistics into it. The outputs are the
same, and fine-tuning takes less time, as the statistics stay fixed anyway.
"""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from training.networks.head import add_head

FEATURES = "pool"  # the layer whose output is the photo's features
_STEM, _HEAD = 32, 1280  # channels; the same for every variant


@dataclass(frozen=True)
class Stage:
    """Consecutive blocks; the first one has the stride, the others have stride 1."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


@dataclass(frozen=True)
class Variant:
    """A size of the network; `side` is that of the photos it was trained on, in pixels."""

    side: int
    stages: tuple[Stage, ...]


VARIANTS = {
    "lite0": Variant(
        224,
        (
            Stage(1, 3, 1, 1, 16),
            Stage(2, 3, 2, 6, 24),
            Stage(2, 5, 2, 6, 40),
            Stage(3, 3, 2, 6, 80),
            Stage(3, 5, 1, 6, 112),
            Stage(4, 5, 2, 6, 192),
            Stage(1, 3, 1, 6, 320),
        ),
    ),
    "lite2": Variant(
        260,
        (
            Stage(1, 3, 1, 1, 16),
            Stage(3, 3, 2, 6, 24),
            Stage(3, 5, 2, 6, 48),
            Stage(4, 3, 2, 6, 88),
            Stage(4, 5, 1, 6, 120),
            Stage(5, 5, 2, 6, 208),
            Stage(1, 3, 1, 6, 352),
        ),
    ),
}


def efficientnet_lite(
    classes: int = 2, variant: str = "lite0", side: int | None = 224, dropout: float = 0.0
) -> keras.Model:
    """Build EfficientNet-Lite for RGB photos, with a new last layer and random weights.

    `training.networks.backbones` loads the ImageNet weights.

    Args:
        classes: the number of classes.
        variant: a key of `VARIANTS`.
        side: height and width of a photo in pixels; None allows any.
        dropout: the dropout rate before the last layer.

    Returns:
        An uncompiled network: (photos, side, side, 3) in 0..255 -> (photos, 1 or classes).
    """
    inputs = keras.Input((side, side, 3), name="pixels")
    x = layers.Rescaling(1 / 128, -127 / 128, name="rescaling")(inputs)
    x = layers.Conv2D(_STEM, 3, strides=2, padding="same", name="stem")(x)
    x = _relu6(x, "stem")
    number = 0
    for stage in VARIANTS[variant].stages:
        for block in range(stage.blocks):
            x = _block(x, stage, stage.stride if block == 0 else 1, f"block_{number:02}")
            number += 1
    x = _relu6(layers.Conv2D(_HEAD, 1, name="head")(x), "head")
    x = layers.GlobalAveragePooling2D(name=FEATURES)(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, add_head(x, classes), name=f"efficientnet_{variant}")


def _block(x: Any, stage: Stage, stride: int, name: str) -> Any:
    """Add an inverted residual block. Source: M. Sandler et al., MobileNetV2 (2018)."""
    inputs, channels = x, x.shape[-1]
    if stage.expansion > 1:
        expanded = f"{name}_expand"
        x = _relu6(layers.Conv2D(channels * stage.expansion, 1, name=expanded)(x), expanded)
    depthwise = f"{name}_depthwise"
    x = layers.DepthwiseConv2D(stage.kernel, strides=stride, padding="same", name=depthwise)(x)
    x = layers.Conv2D(stage.channels, 1, name=f"{name}_project")(_relu6(x, depthwise))
    if stride == 1 and channels == stage.channels:
        x = layers.Add(name=f"{name}_add")([inputs, x])
    return x


def _relu6(x: Any, name: str) -> Any:
    return layers.ReLU(6.0, name=f"{name}_relu")(x)
