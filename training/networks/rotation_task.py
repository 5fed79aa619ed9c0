"""A second task that makes a network look at shapes: by how many quarters was the photo turned?

Half a batch more photos, turned by 0 to 3 quarters, go through the network with the batch. They
do not count for the label, as no user's photo lies on its side; another last layer has to tell
from the same features how they were turned. It is in the network only while that is trained.

Source: S. Gidaris et al., Unsupervised representation learning by predicting image rotations
(2018); as a second task beside the label, D. Hendrycks et al., Using self-supervised learning can
improve model robustness and uncertainty (2019).
"""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

TURNS = 4
_BOTH = "label_and_turns"


def add_turns(network: keras.Model) -> keras.Model:
    """The network with a second last layer, on what its own last layer gets.

    Returns:
        An uncompiled network whose output is that of `network`, and in `TURNS` columns
        more the probabilities of the turns. The two share their layers and weights.
    """
    features = network.layers[-1].input
    turns = layers.Dense(TURNS, activation="softmax", dtype="float32", name="turns")(features)
    both = layers.Concatenate(dtype="float32", name=_BOTH)([network.output, turns])
    return keras.Model(network.input, both, name=network.name)


def without_turns(network: keras.Model) -> keras.Model:
    """The network that `add_turns` was given; one that has no second task is returned as it is."""
    if network.layers[-1].name != _BOTH:
        return network
    return keras.Model(network.input, network.layers[-1].input[0], name=network.name)


def not_turned(targets: np.ndarray) -> np.ndarray:
    """Targets (photos, outputs), for photos that have a label and no turn to tell: zeros more."""
    return np.pad(targets, ((0, 0), (0, TURNS)))


def append_turned(
    photos: np.ndarray, targets: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Half as many photos more, drawn from the batch and turned.

    Args:
        photos: uint8 (photos, side, side, channels).
        targets: float32 (photos, outputs + TURNS), as `not_turned` makes them.
        random: decides; the same state gives the same photos.

    Returns:
        Photos and targets, those of `photos` first. For a turned photo, the turn is one-hot.
    """
    chosen = random.permutation(len(photos))[: len(photos) // 2]
    turns = random.integers(TURNS, size=len(chosen))
    turned = [np.rot90(photos[row], turn) for row, turn in zip(chosen, turns, strict=True)]
    appended = targets[chosen].copy()
    appended[:, -TURNS:] = np.eye(TURNS)[turns]
    return np.concatenate([photos, *(photo[np.newaxis] for photo in turned)]), np.concatenate(
        [targets, appended]
    )


@keras.saving.register_keras_serializable(package="training")
class LabelAndTurns(keras.losses.Loss):  # type: ignore[misc]  # Keras has no types
    """The label's cross-entropy, and a share of the turns', each over the photos that have one.

    Args:
        share: of the turns' cross-entropy.
    """

    def __init__(self, share: float, name: str = "label_and_turns", **settings: Any) -> None:
        super().__init__(name=name, **settings)
        self._share = share

    def call(self, targets: Any, outputs: Any) -> Any:
        """Targets and outputs (photos, outputs + TURNS) -> a number."""
        labelled = has_label(targets, targets.shape[-1] - TURNS)
        label = _cross_entropy(targets[:, :-TURNS], outputs[:, :-TURNS])
        # Zero for photos whose turn is not asked for: so are all their targets.
        turn = keras.losses.categorical_crossentropy(targets[:, -TURNS:], outputs[:, -TURNS:])
        turned = ops.maximum(ops.sum(1 - labelled), 1)
        return ops.sum(labelled * label) / ops.sum(labelled) + self._share * ops.sum(turn) / turned

    def get_config(self) -> dict[str, Any]:
        """The settings, by which Keras saves and restores the loss."""
        return {**super().get_config(), "share": self._share}


def has_label(targets: Any, columns: int) -> Any:
    """1 for photos with a label, 0 for those with a turn; (photos,), from `columns` on."""
    return 1 - ops.sum(targets[:, columns:], axis=-1)


def _cross_entropy(targets: Any, outputs: Any) -> Any:
    if targets.shape[-1] == 1:
        return keras.losses.binary_crossentropy(targets, outputs)
    return keras.losses.categorical_crossentropy(targets, outputs)
