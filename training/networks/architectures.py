"""The network definitions, a function each; Keras alone, so any backend builds them.

Every network takes pixels in 0..255 and rescales them itself: nobody else divides by 255.
Each ends in one dense layer, a sigmoid for two classes and a softmax for more.
"""

from typing import Any

import keras
from keras import layers


def cats_vs_dogs(classes: int = 2, dropout: float = 0.0) -> keras.Model:
    """The lecture's convnet for 180x180 RGB photos; 991,041 parameters with two classes.

    Source: François Chollet, Deep Learning with Python, chapter 8, "Training a convnet from
    scratch on a small dataset".

    Args:
        classes: 2 ends in one sigmoid unit (the probability of the second class), more in a
            softmax.
        dropout: the share of the last feature map that is left out in training; the lecture
            adds 0.5 together with its augmentation.

    Returns:
        An uncompiled network: (photos, 180, 180, 3) in 0..255 -> (photos, 1 or classes).
    """
    inputs = keras.Input((180, 180, 3), name="pixels")
    x = layers.Rescaling(1 / 255, name="rescaling")(inputs)
    x = layers.Conv2D(32, 3, activation="relu", name="conv_1")(x)
    for index, filters in enumerate((64, 128, 256, 256), start=2):
        x = layers.MaxPooling2D(2, name=f"pool_{index - 1}")(x)
        x = layers.Conv2D(filters, 3, activation="relu", name=f"conv_{index}")(x)
    x = layers.Flatten(name="flatten")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, _head(x, classes), name="cats_vs_dogs")


def digits(classes: int = 10) -> keras.Model:
    """The lecture's convnet for 28x28 grey digits; 104,202 parameters with ten classes.

    Source: as above, section "Introduction to convnets". The lecture divides by 255 before
    the network; here the division is its first layer, which has no parameters.

    Args:
        classes: as in `cats_vs_dogs`.

    Returns:
        An uncompiled network: (photos, 28, 28, 1) in 0..255 -> (photos, 1 or classes).
    """
    inputs = keras.Input((28, 28, 1), name="pixels")
    x = layers.Rescaling(1 / 255, name="rescaling")(inputs)
    x = layers.Conv2D(32, 3, activation="relu", name="conv_1")(x)
    for index, filters in enumerate((64, 128), start=2):
        x = layers.MaxPooling2D(2, name=f"pool_{index - 1}")(x)
        x = layers.Conv2D(filters, 3, activation="relu", name=f"conv_{index}")(x)
    x = layers.Flatten(name="flatten")(x)
    return keras.Model(inputs, _head(x, classes), name="digits")


def residual(
    classes: int = 2,
    side: int | None = 112,
    stem: int = 16,
    widths: tuple[int, ...] = (24, 48, 96, 192),
    depths: tuple[int, ...] = (1, 2, 2, 1),
    strides: tuple[int, ...] = (1, 2, 2, 2),
    dropout: float = 0.2,
    constraint: keras.constraints.Constraint | None = None,
) -> keras.Model:
    """A small residual network for RGB photos: most accuracy for a multiply-add.

    A stride-2 stem, then stages that widen and, but for the first, halve the side by max pooling,
    each of residual blocks with batch normalisation; global average pooling, so that it can be
    trained at other sides than it is served at. Source of the block: K. He et al., Deep residual
    learning for image recognition (2016). No layer favours a side of the photo, as
    `training.networks.symmetry` asks.

    Args:
        classes: as in `cats_vs_dogs`.
        side: height and width of a photo, a multiple of the product of the strides and
            of the stem's 2 (else a pooling leaves out a side's last places); None takes any.
        stem: channels of the first convolution.
        widths: channels of each stage.
        depths: blocks of each stage.
        strides: of each stage's first block.
        dropout: the share of the pooled features that is left out in training.
        constraint: on all weights but the last layer's bias, while they are trained.

    Returns:
        An uncompiled network: (photos, side, side, 3) in 0..255 -> (photos, 1 or classes).
    """
    inputs = keras.Input((side, side, 3), name="pixels")
    x = layers.Rescaling(1 / 127.5, -1, name="rescaling")(inputs)
    x = _convolution(x, stem, 4, "stem", strides=2, constraint=constraint)
    x = layers.ReLU(name="stem_relu")(x)
    for stage, (width, depth, stride) in enumerate(zip(widths, depths, strides, strict=True), 1):
        for block in range(1, depth + 1):
            x = _block(x, width, stride if block == 1 else 1, f"stage_{stage}_{block}", constraint)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, _head(x, classes, constraint), name="residual")


def finetune(classes: int = 2, dropout: float = 0.2) -> keras.Model:
    """EfficientNetV2B0 for 224x224 RGB photos, with a new last layer and random weights.

    `training.networks.pretrained` gives the backbone the weights that it learnt on ImageNet.
    Source: M. Tan and Q. Le, EfficientNetV2 (2021), as `keras.applications` has it; it rescales and
    normalises its pixels itself.

    Args:
        classes: as in `cats_vs_dogs`.
        dropout: the share of the pooled features that is left out in training.

    Returns:
        An uncompiled network: (photos, 224, 224, 3) in 0..255 -> (photos, 1 or classes).
    """
    inputs = keras.Input((224, 224, 3), name="pixels")
    backbone = keras.applications.EfficientNetV2B0(
        include_top=False, weights=None, input_tensor=inputs
    )
    x = layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, _head(x, classes), name="finetune")


def _block(x: Any, width: int, stride: int, name: str, constraint: Any) -> Any:
    if stride > 1:
        x = layers.MaxPooling2D(stride, name=f"{name}_pool")(x)
    y = _convolution(x, width, 3, f"{name}_a", constraint=constraint)
    y = layers.ReLU(name=f"{name}_a_relu")(y)
    # Its last scale starts at zero, so that each block starts as its shortcut.
    y = _convolution(y, width, 3, f"{name}_b", scale="zeros", constraint=constraint)
    if x.shape[-1] != width:
        x = _convolution(x, width, 1, f"{name}_shortcut", constraint=constraint)
    x = layers.Add(name=f"{name}_add")([x, y])
    return layers.ReLU(name=f"{name}_relu")(x)


def _convolution(
    x: Any,
    filters: int,
    kernel: int,
    name: str,
    *,
    strides: int = 1,
    scale: str = "ones",
    constraint: Any = None,
) -> Any:
    x = layers.Conv2D(
        filters, kernel, strides=strides, padding="same", use_bias=False,
        kernel_initializer="he_normal", kernel_constraint=constraint, name=name,
    )(x)  # fmt: skip
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=scale,
        gamma_constraint=constraint, beta_constraint=constraint, name=f"{name}_norm",
    )(x)  # fmt: skip


def _head(features: Any, classes: int, constraint: Any = None) -> Any:
    # In float32 also under mixed precision: a probability near 1 needs its last bits.
    if classes == 2:
        outputs, activation, name = 1, "sigmoid", "probability"
    else:
        outputs, activation, name = classes, "softmax", "probabilities"
    return layers.Dense(
        outputs, activation=activation, dtype="float32", kernel_constraint=constraint, name=name
    )(features)
