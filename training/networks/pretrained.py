"""Load ImageNet weights into a network's backbone, from Keras's copy or from a file."""

from pathlib import Path

import keras

from app.cli import CommandError

IMAGENET = "imagenet"


def load_pretrained(network: keras.Model, weights: str) -> None:
    """Load pretrained weights into the backbone of `training.networks.architectures.finetune`.

    Args:
        network: the network; the layers after the backbone's "top_activation" are not changed.
        weights: "imagenet" for Keras's copy (cached in ~/.keras/models, or downloaded and
            verified), or the path of a file with the backbone's weights, as published by
            `keras.applications` or written by `save_weights`.

    Raises:
        CommandError: the file is missing, does not fit, or cannot be downloaded.
    """
    backbone = keras.Model(network.input, network.get_layer("top_activation").output)
    if weights == IMAGENET:
        backbone.set_weights(_load_imagenet_backbone(network.input_shape[1:]).get_weights())
        return
    if not Path(weights).is_file():
        raise CommandError(f"--weights {weights}: no such file.")
    try:
        backbone.load_weights(weights)
    except Exception as error:  # h5py and Keras raise many types for an unsuitable file
        raise CommandError(
            f"--weights {weights}: not weights of EfficientNetV2B0 without its top ({error}). "
            "Expected a .h5 or .weights.h5 file."
        ) from error


def _load_imagenet_backbone(shape: tuple[int, int, int]) -> keras.Model:
    try:
        return keras.applications.EfficientNetV2B0(
            include_top=False, weights=IMAGENET, input_shape=shape
        )
    except Exception as error:  # Keras raises a bare Exception when a download fails
        raise CommandError(
            f"Keras's ImageNet weights are not cached and cannot be downloaded ({error}). "
            "Fetch the file on another machine and give it with --weights FILE."
        ) from error
