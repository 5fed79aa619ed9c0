"""Read a file of weights that `torch.save` wrote, without PyTorch and without running its code.

Files of PyTorch 1.5 and before are pickles of a magic number, a protocol number, a description of
the system, the tensors by name, and a list of storage keys, followed by the raw numbers of each
storage. A pickle can name any Python function to call. The reader here knows four names and
replaces each by code of its own, so a hostile file raises an error.
"""

import io
import pickle
import struct
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class BadWeights(ValueError):
    """The file is not one of this format."""


@dataclass(frozen=True)
class _Storage:
    """The numbers of one or more tensors; they follow after the pickles."""

    key: str
    dtype: np.dtype[Any]
    count: int


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch_weights(data: bytes) -> dict[str, np.ndarray]:
    """Return the tensors by name, float32 or int64, in PyTorch's order of axes.

    Args:
        data: the content of the file.

    Raises:
        BadWeights: the file has another format, names unknown code, or is damaged.
    """
    file = io.BytesIO(data)
    try:
        if _load(file) != _MAGIC or _load(file) != _PROTOCOL:
            raise BadWeights("not a file of torch.save from before its zip format")
        _load(file)
        tensors = _load(file)
        content = _read_storages(file, _load(file), tensors.values())
        return {str(name): _to_array(tensor, content) for name, tensor in tensors.items()}
    except BadWeights:
        raise
    except Exception as error:  # unpickling a damaged file can raise any type
        raise BadWeights(f"damaged: {error}") from error


def _load(file: io.BytesIO) -> Any:
    return _Unpickler(file).load()


class _Unpickler(pickle.Unpickler):
    """An unpickler that calls nothing but the functions of this module."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _TYPES:
            return _TYPES[name]
        raise BadWeights(f"it names {module}.{name}, which no file of weights needs")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, count, view = pid
        if kind != "storage" or view is not None or not isinstance(dtype, np.dtype):
            raise BadWeights("it has a storage of an unknown kind")
        return _Storage(str(key), dtype, int(count))


def _rebuild_tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(shape), tuple(strides))


def _read_storages(file: io.BytesIO, keys: list[str], tensors: Any) -> dict[str, np.ndarray]:
    """Return the numbers of each storage by key, in the order in which the file has them."""
    kinds = {tensor.storage.key: tensor.storage for tensor in tensors}
    content = {}
    for key in map(str, keys):
        (count,) = struct.unpack("<q", file.read(8))
        storage = kinds[key]
        raw = file.read(count * storage.dtype.itemsize)
        if count != storage.count or len(raw) != count * storage.dtype.itemsize:
            raise BadWeights(f"the storage {key} has not the {storage.count} numbers it should")
        content[key] = np.frombuffer(raw, storage.dtype)
    return content


def _to_array(tensor: _Tensor, content: dict[str, np.ndarray]) -> np.ndarray:
    """Return a tensor's numbers in the order of its axes; the file may have another order."""
    flat = content[tensor.storage.key]
    steps = list(zip(tensor.shape, tensor.strides, strict=True))
    last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
    wrong = tensor.offset < 0 or any(size < 1 or stride < 0 for size, stride in steps)
    if wrong or last >= len(flat):
        raise BadWeights("it has a tensor that goes beyond its storage")
    strides = [stride * flat.itemsize for stride in tensor.strides]
    view = np.lib.stride_tricks.as_strided(flat[tensor.offset :], tensor.shape, strides)
    return view.copy()
