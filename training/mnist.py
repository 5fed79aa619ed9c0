"""Keras's own copy of the MNIST digits: from its cache, or downloaded into it."""

from pathlib import Path

from training.command import CommandError

# Address and checksum as in keras.datasets.mnist.
ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def keras_copy(address: str = ADDRESS, sha256: str = SHA256) -> Path:
    """The path of `mnist.npz` in Keras's cache (`~/.keras/datasets`), downloaded if needed.

    Raises:
        CommandError: it is not there and cannot be downloaded.
    """
    import keras

    try:
        return Path(keras.utils.get_file("mnist.npz", origin=address, file_hash=sha256))
    except Exception as error:  # get_file raises a bare Exception when the download fails
        raise CommandError(
            f"mnist.npz is not in Keras's cache and cannot be downloaded ({error}). "
            "Give a copy with --data mnist.npz."
        ) from error
