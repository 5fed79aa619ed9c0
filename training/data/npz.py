"""Read arrays of an `.npz` file in bounded memory, without running code of it."""

import math
import zipfile
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from app.cli import CommandError, printable
from training.data.zip_entries import DAMAGE, open_zip

_LARGEST = 1024**3  # bytes of all arrays
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # as NumPy writes them


def read_npz(path: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """Read the arrays of these names; others are left alone.

    Raises:
        CommandError: the file is damaged or lacks one, or an array is too large, cut off, or of
            Python objects.
    """
    try:
        with ExitStack() as stack:
            archive = open_zip(path, "the file", stack)
            arrays: dict[str, np.ndarray] = {}
            for name in names:
                left = _LARGEST - sum(array.nbytes for array in arrays.values())
                arrays[name] = _read(archive, f"{name}.npy", left)
            return arrays
    # NumPy and `ast` raise the last five for a header that is none.
    except (
        *DAMAGE, KeyError, OSError, MemoryError, OverflowError, SyntaxError, TokenError, TypeError,
    ) as error:  # fmt: skip
        reason = printable(str(error))[:200] or type(error).__name__
        raise CommandError(
            f"{path}: not an .npz file with {', '.join(names)} ({reason})."
        ) from error


def _read(archive: zipfile.ZipFile, name: str, most: int) -> np.ndarray:
    entry = archive.getinfo(name)
    if entry.compress_type not in _METHODS:
        raise ValueError(f"{name} is compressed in a way that NumPy does not use")
    with archive.open(entry) as file:
        shape, in_fortran_order, kind = _header(file, name)
        size = math.prod(shape) * kind.itemsize
        if size > most:
            raise ValueError(f"{name} has {size:,} bytes; all arrays may have {_LARGEST:,}")
        data = file.read(size)
        if len(data) != size or file.read(1):
            raise ValueError(f"{name} has another length than {kind}{shape}")
    return np.frombuffer(data, kind).reshape(shape, order="F" if in_fortran_order else "C")


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):  # the others are for headers of more than 64 KiB, or with other letters
        raise ValueError(f"{name} is of the version {version}")
    shape, in_fortran_order, kind = np.lib.format.read_array_header_1_0(file)
    if kind.hasobject or not kind.itemsize:
        raise ValueError(f"{name} has elements of the type {kind}")
    if any(length < 0 for length in shape):
        raise ValueError(f"{name} has the shape {shape}")
    return shape, in_fortran_order, kind
