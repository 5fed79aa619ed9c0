"""Read the MNIST digits from an `.npz` file, which Keras can download."""

import hashlib
import io
import os
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from app.cli import CommandError, shortened
from app.model.version_folder import sha256
from training.data.download import download
from training.data.npz import read_npz
from training.data.samples import SUBSETS, Dataset, Sample, require_all_classes

# keras.datasets.mnist uses the same address and checksum.
ADDRESS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz"
SHA256 = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
SIZE = 11_490_434


def fetch_mnist(
    address: str = ADDRESS,
    digest: str = SHA256,
    size: int = SIZE,
    cache: Path | None = None,
    pause: float = 1.0,
) -> Path:
    """Return the path of `mnist.npz` in Keras's cache, `~/.keras`; download the file if needed.

    Args:
        address, digest, size, pause: see `training.data.download.download`.
        cache: instead of Keras's.

    Raises:
        CommandError: the file is not in the cache and cannot be downloaded.
    """
    cache = cache or Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return download(address, cache / "datasets" / "mnist.npz", size, digest, pause)
    except (CommandError, OSError) as error:
        raise CommandError(
            f"mnist.npz is not in Keras's cache and cannot be downloaded ({error}). "
            "Give a copy with --data mnist.npz."
        ) from error


def open_npz(path: Path) -> Dataset:
    """Read the arrays x_train, y_train, x_test and y_test; the last 1/12 of train is validation.

    Raises:
        CommandError: the file is damaged, or its arrays have other shapes or dtypes.
    """
    arrays = read_npz(path, ("x_train", "y_train", "x_test", "y_test"))
    x_train, y_train, x_test, y_test = arrays.values()
    for name, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        if not _are_pictures(x) or y.dtype.kind not in "iu" or y.shape != x.shape[:1]:
            raise CommandError(
                f"{path}: x_{name} {x.dtype}{x.shape}, y_{name} {y.dtype}{y.shape}; expected uint8 "
                "pictures (count, height, width), or with 1 or 3 channels, and one whole number "
                "each."
            )
    unknown = set(np.unique(y_test).tolist()) - set(np.unique(y_train).tolist())
    if unknown:
        raise CommandError(
            f"{path}: y_test has labels that y_train lacks: {shortened(map(str, sorted(unknown)))}."
        )
    labels = tuple(str(value) for value in np.unique(y_train))
    if len(labels) < 2:
        raise CommandError(f"{path}: y_train has {len(labels)} label, at least 2 are needed.")
    # The pictures are in no particular order, so the last ones are a random sample.
    train_count = len(x_train) - max(1, len(x_train) // 12)
    train = _samples("train", x_train, y_train, labels)
    test = _samples("test", x_test, y_test, labels)
    dataset = Dataset(labels, train[:train_count], train[train_count:], test, sha256(path))
    for subset in SUBSETS:
        require_all_classes(path, subset, labels, getattr(dataset, subset))
    return dataset


def _are_pictures(x: np.ndarray) -> bool:
    channels = x.shape[3:] in ((), (1,), (3,))
    return x.dtype == np.uint8 and x.ndim in (3, 4) and x.size > 0 and channels


def _samples(part: str, x: np.ndarray, y: np.ndarray, labels: tuple[str, ...]) -> list[Sample]:
    number = {label: index for index, label in enumerate(labels)}
    return [
        Sample(
            f"{part}/{index}",
            number[str(label)],
            hashlib.sha256(picture.tobytes()).hexdigest(),
            partial(_encode_png, picture),
        )
        for index, (picture, label) in enumerate(zip(x, y, strict=True))
    ]


def _encode_png(picture: np.ndarray) -> bytes:
    """Return the picture as the bytes of a PNG file, which is lossless."""
    buffer = io.BytesIO()
    grey = picture[..., 0] if picture.shape[2:] == (1,) else picture
    Image.fromarray(grey).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
