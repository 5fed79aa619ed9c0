"""Read the MNIST digits from an `.npz` file, which Keras can download."""

import hashlib
import io
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from app.model.card import sha256
from training.cli import CommandError
from training.data.samples import SUBSETS, Dataset, Sample, require_all_classes

# keras.datasets.mnist uses the same address and checksum.
ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"


def fetch_mnist(address: str = ADDRESS, digest: str = SHA256, cache: Path | None = None) -> Path:
    """Return the path of `mnist.npz` in Keras's cache, `~/.keras`; download the file if needed.

    Raises:
        CommandError: the file is not in the cache and cannot be downloaded.
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


def open_npz(path: Path) -> Dataset:
    """Read the arrays x_train, y_train, x_test and y_test; the last 1/12 of train is validation.

    Raises:
        CommandError: the file is damaged, or its arrays have other shapes or dtypes.
    """
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
    # The pictures are in no particular order, so the last ones are a random sample.
    train_count = len(x_train) - max(1, len(x_train) // 12)
    train = _samples("train", x_train, y_train, labels)
    test = _samples("test", x_test, y_test, labels)
    dataset = Dataset(labels, train[:train_count], train[train_count:], test, sha256(path))
    for subset in SUBSETS:
        require_all_classes(path, subset, labels, getattr(dataset, subset))
    return dataset


def _samples(part: str, x: np.ndarray, y: np.ndarray, labels: tuple[str, ...]) -> list[Sample]:
    return [
        Sample(
            f"{part}/{index}",
            labels.index(str(label)),
            hashlib.sha256(picture.tobytes()).hexdigest(),
            partial(_encode_png, picture),
        )
        for index, (picture, label) in enumerate(zip(x, y, strict=True))
    ]


def _encode_png(picture: np.ndarray) -> bytes:
    """Return the picture as the bytes of a PNG file, which is lossless."""
    buffer = io.BytesIO()
    Image.fromarray(picture.squeeze()).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
