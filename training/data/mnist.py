"""The MNIST digits: an `.npz` file of arrays -> samples; Keras's own copy of that file."""

import hashlib
import io
import zipfile
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from app.model.card import sha256
from training.cli import CommandError
from training.data.samples import Dataset, Sample, require_all_classes

# Address and checksum as in keras.datasets.mnist.
ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def keras_copy(address: str = ADDRESS, digest: str = SHA256, cache: Path | None = None) -> Path:
    """The path of `mnist.npz` in Keras's cache (`~/.keras/datasets`), downloaded if needed.

    Args:
        address, digest: where it comes from, and its SHA-256.
        cache: instead of Keras's own cache folder.

    Raises:
        CommandError: it is not there and cannot be downloaded.
    """
    import keras

    try:
        return Path(
            keras.utils.get_file("mnist.npz", origin=address, file_hash=digest, cache_dir=cache)
        )
    except Exception as error:  # get_file raises a bare Exception when the download fails
        raise CommandError(
            f"mnist.npz is not in Keras's cache and cannot be downloaded ({error}). "
            "Give a copy with --data mnist.npz."
        ) from error


def open_arrays(path: Path) -> Dataset:
    """The arrays x_train, y_train, x_test, y_test; the last 1/12 of train is validation."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x_train, y_train = arrays["x_train"], arrays["y_train"]
            x_test, y_test = arrays["x_test"], arrays["y_test"]
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise CommandError(
            f"{path}: not an .npz file with x_train, y_train, x_test and y_test ({error})."
        ) from error
    for name, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        if x.dtype != np.uint8 or x.ndim not in (3, 4) or len(x) != len(y) or y.ndim != 1:
            raise CommandError(
                f"{path}: x_{name} {x.dtype}{x.shape}, y_{name} {y.shape}; expected uint8 pictures "
                "(count, height, width) and one label each."
            )
    labels = tuple(str(value) for value in np.unique(y_train))
    # 5,000 of MNIST's 60,000; they are in no particular order.
    cut = len(x_train) - max(1, len(x_train) // 12)
    train, validation = (
        _pictures("train", x_train, y_train, labels, range(cut)),
        _pictures("train", x_train, y_train, labels, range(cut, len(x_train))),
    )
    test = _pictures("test", x_test, y_test, labels, range(len(x_test)))
    for subset, samples in (("train", train), ("validation", validation), ("test", test)):
        require_all_classes(path, subset, labels, samples)
    return Dataset(labels, train, validation, test, sha256(path))


def _pictures(
    part: str, x: np.ndarray, y: np.ndarray, labels: tuple[str, ...], indices: Iterable[int]
) -> list[Sample]:
    numbers = {label: number for number, label in enumerate(labels)}
    return [
        Sample(
            f"{part}/{index}",
            numbers[str(y[index])],
            hashlib.sha256(x[index].tobytes()).hexdigest(),
            partial(_png, x[index]),
        )
        for index in indices
    ]


def _png(picture: np.ndarray) -> bytes:
    """A picture as the bytes of a PNG file, which loses nothing."""
    buffer = io.BytesIO()
    Image.fromarray(picture.squeeze()).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
