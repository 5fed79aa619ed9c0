"""The weights that an ImageNet backbone starts from: Keras's own copy, or a file."""

from pathlib import Path

import keras

from training.cli import CommandError

IMAGENET = "imagenet"


def load_pretrained(network: keras.Model, weights: str) -> None:
    """Give the backbone of `training.networks.architectures.finetune` its first weights.

    Args:
        network: its last layers, after the backbone's "top_activation", stay as they are.
        weights: "imagenet" for the copy that Keras keeps (cached under ~/.keras/models, else
            downloaded and checked), or the path of a file of weights without the top, as
            `keras.applications` publishes them or `save_weights` writes them.

    Raises:
        CommandError: there is no such file, it does not fit, or nothing can be downloaded.
    """
    backbone = keras.Model(network.input, network.get_layer("top_activation").output)
    if weights == IMAGENET:
        backbone.set_weights(_keras_copy(network.input_shape[1:]).get_weights())
        return
    if not Path(weights).is_file():
        raise CommandError(f"--weights {weights}: no such file.")
    try:
        backbone.load_weights(weights)
    except Exception as error:  # whatever h5py and Keras make of a file that is something else
        raise CommandError(
            f"--weights {weights}: not weights of EfficientNetV2B0 without its top ({error}). "
            "Expected a .h5 or .weights.h5 file."
        ) from error


def _keras_copy(shape: tuple[int, int, int]) -> keras.Model:
    try:
        return keras.applications.EfficientNetV2B0(
            include_top=False, weights=IMAGENET, input_shape=shape
        )
    except Exception as error:  # Keras wraps every failed download in a bare Exception
        raise CommandError(
            f"Keras's ImageNet weights are not cached and cannot be downloaded ({error}). "
            "Fetch the file on another machine and give it with --weights FILE."
        ) from error
