"""The network architectures, one function each. They use Keras only, so any backend builds them.

Every network takes pixels in 0..255 and rescales them itself. Its last layer is a dense layer with
a sigmoid for two classes and a softmax for more.
"""

from typing import Any

import keras
from keras import layers

from training.networks.efficientnet_lite import efficientnet_lite as efficientnet_lite
from training.networks.head import add_head


def cats_vs_dogs(classes: int = 2, dropout: float = 0.0) -> keras.Model:
    """Build the lecture's convnet for 180x180 RGB photos; 991,041 parameters with two classes.

    Source: François Chollet, Deep Learning with Python, chapter 8, "Training a convnet from
    scratch on a small dataset".

    Args:
        classes: the number of classes; with 2, the output is the probability of the second one.
        dropout: the dropout rate before the last layer; the lecture uses 0.5 together with its
            augmentation.

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
    return keras.Model(inputs, add_head(x, classes), name="cats_vs_dogs")


def digits(classes: int = 10) -> keras.Model:
    """Build the lecture's convnet for 28x28 grey digits; 104,202 parameters with ten classes.

    Source: François Chollet, Deep Learning with Python, chapter 8, "Introduction to convnets". The
    lecture divides the pixels by 255 outside of the network; here its first layer does.

    Args:
        classes: the number of classes.

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
    return keras.Model(inputs, add_head(x, classes), name="digits")


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
    """Build a small residual network for RGB photos.

    A convolution with stride 2 (the stem) is followed by stages of residual blocks with batch
    normalisation. A stage with a stride begins with max pooling. Global average pooling allows
    training at other photo sizes than serving. All layers treat the left and right sides alike, as
    `training.networks.symmetry` requires. Source of the block: K. He et al., Deep residual learning
    for image recognition (2016).

    Args:
        classes: the number of classes.
        side: height and width of a photo in pixels, a multiple of 2 times the product of the
            strides (else max pooling ignores the last rows and columns); None allows any.
        stem: the number of channels of the stem.
        widths: the number of channels of each stage.
        depths: the number of blocks of each stage.
        strides: the stride of each stage's first block.
        dropout: the dropout rate before the last layer.
        constraint: applied in training to all weights but the bias of the last layer.

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
    return keras.Model(inputs, add_head(x, classes, constraint), name="residual")


def finetune(classes: int = 2, side: int | None = 224, dropout: float = 0.2) -> keras.Model:
    """Build EfficientNetV2B0 for RGB photos, with a new last layer and random weights.

    `training.networks.pretrained` loads the backbone's ImageNet weights. The backbone rescales and
    normalises its pixels itself. Source: M. Tan and Q. Le, EfficientNetV2 (2021), as implemented in
    `keras.applications`.

    Args:
        classes: the number of classes.
        side: height and width of a photo in pixels; None allows any.
        dropout: the dropout rate before the last layer.

    Returns:
        An uncompiled network: (photos, side, side, 3) in 0..255 -> (photos, 1 or classes).
    """
    inputs = keras.Input((side, side, 3), name="pixels")
    backbone = keras.applications.EfficientNetV2B0(
        include_top=False, weights=None, input_tensor=inputs
    )
    x = layers.GlobalAveragePooling2D(name="pool")(backbone.output)
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(inputs, add_head(x, classes), name="finetune")


def _block(x: Any, width: int, stride: int, name: str, constraint: Any) -> Any:
    if stride > 1:
        x = layers.MaxPooling2D(stride, name=f"{name}_pool")(x)
    y = _convolution(x, width, 3, f"{name}_a", constraint=constraint)
    y = layers.ReLU(name=f"{name}_a_relu")(y)
    # The last scale is initially zero, so that each block initially equals its shortcut.
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
