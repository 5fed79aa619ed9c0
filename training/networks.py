"""The network definitions, a function each; Keras alone, so any backend builds them.

Every network takes pixels in 0..255 and rescales them itself: nobody else divides by 255.
"""

from typing import Any

import keras
from keras import layers


def cats_vs_dogs(classes: int = 2) -> keras.Model:
    """The lecture's convnet for 180x180 RGB photos; 991,041 parameters with two classes.

    Source: François Chollet, Deep Learning with Python, chapter 8, "Training a convnet from
    scratch on a small dataset".

    Args:
        classes: 2 ends in one sigmoid unit (the probability of the second class), more in a
            softmax.

    Returns:
        An uncompiled network: (photos, 180, 180, 3) in 0..255 -> (photos, 1 or classes).
    """
    inputs = keras.Input((180, 180, 3), name="pixels")
    x = layers.Rescaling(1 / 255, name="rescaling")(inputs)
    x = layers.Conv2D(32, 3, activation="relu", name="conv_1")(x)
    for index, filters in enumerate((64, 128, 256, 256), start=2):
        x = layers.MaxPooling2D(2, name=f"pool_{index - 1}")(x)
        x = layers.Conv2D(filters, 3, activation="relu", name=f"conv_{index}")(x)
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
    return keras.Model(inputs, _head(x, classes), name="digits")


def _head(feature_map: Any, classes: int) -> Any:
    x = layers.Flatten(name="flatten")(feature_map)
    if classes == 2:
        return layers.Dense(1, activation="sigmoid", name="probability")(x)
    return layers.Dense(classes, activation="softmax", name="probabilities")(x)
