"""Read a version's `.npz` file: named arrays of numbers."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from app.model.card import ModelError


def read_arrays(file: str, content: bytes, types: Mapping[str, type]) -> dict[str, np.ndarray]:
    """The arrays of a file.

    Args:
        file: its name, for messages.
        content: its bytes.
        types: the arrays that it has to have, each with the type of its numbers.

    Raises:
        ModelError: the file is not readable, lacks an array, or has other values in it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {name: archive.open(f"{name}.npy") for name in types}
            found = {name: np.load(each, allow_pickle=False) for name, each in files.items()}
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise refused(file, f"it cannot be read ({error})") from error
    for name, array in found.items():
        if array.dtype != types[name] or not np.isfinite(array).all():
            raise refused(file, f"{name} has other values than {types[name].__name__}")
    return found


def refused(file: str, reason: str) -> ModelError:
    """The error of a file that cannot be used."""
    return ModelError(f"{file}: {reason}. Publish the version again with training.fit.")
