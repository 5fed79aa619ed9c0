"""The last layer of every network."""

from typing import Any

from keras import layers


def add_head(features: Any, classes: int, constraint: Any = None) -> Any:
    """Add a dense layer: one sigmoid for two classes, a softmax for more.

    Args:
        features: a tensor (photos, features).
        classes: the number of classes.
        constraint: of the kernel, in training.

    Returns:
        A tensor of probabilities, float32 (photos, 1) or (photos, classes).
    """
    # float32 also under mixed precision, as bfloat16 is too coarse for probabilities near 1.
    if classes == 2:
        outputs, activation, name = 1, "sigmoid", "probability"
    else:
        outputs, activation, name = classes, "softmax", "probabilities"
    return layers.Dense(
        outputs, activation=activation, dtype="float32", kernel_constraint=constraint, name=name
    )(features)
