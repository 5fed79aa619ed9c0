"""Weights in PyTorch's old format: read right, and no code of the file runs."""

import io
import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.networks.torch_weights import BadWeights, read_torch_weights

MAGIC = 0x1950A86A20F9469CFC6C


class Named:
    """Pickles as a call of MODULE.NAME, of which no such module need exist."""

    def __init__(self, module: str, name: str, *arguments: Any) -> None:
        self.module, self.name, self.arguments = module, name, arguments


_PurePython: Any = pickle._Pickler


class Pickler(_PurePython):  # type: ignore[misc]
    """Writes what torch.save wrote, without PyTorch."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        if isinstance(obj, Named) and obj.name.endswith("Storage"):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
            return None
        if isinstance(obj, Named):
            self.write(f"c{obj.module}\n{obj.name}\n".encode())
            self.save(obj.arguments)
            self.write(pickle.REDUCE)
            return None
        return super().save(obj, save_persistent_id)

    def persistent_id(self, obj: Any) -> Any:
        return obj.pid if isinstance(obj, Storage) else None


class Storage:
    def __init__(self, key: str, count: int, kind: str = "FloatStorage") -> None:
        self.pid = ("storage", Named("torch", kind), key, "cpu", count, None)


def dumped(*objects: Any) -> bytes:
    file = io.BytesIO()
    for each in objects:
        Pickler(file, 2).dump(each)
    return file.getvalue()


def tensor(storage: Storage, offset: int, shape: Any, strides: Any) -> Named:
    return Named("torch._utils", "_rebuild_tensor_v2", storage, offset, shape, strides, False, None)


def saved(tensors: dict[str, Any], content: dict[str, np.ndarray]) -> bytes:
    head = dumped(MAGIC, 1001, {"little_endian": True}, OrderedDict(tensors), list(content))
    return head + b"".join(
        struct.pack("<q", numbers.size) + numbers.tobytes() for numbers in content.values()
    )


def test_tensors_of_both_types_and_any_order_of_axes_are_read() -> None:
    numbers = np.arange(6, dtype="<f4")
    steps = np.array([7], "<i8")
    data = saved(
        {
            "rows": tensor(Storage("a", 6), 0, (2, 3), (3, 1)),
            "columns": tensor(Storage("a", 6), 0, (3, 2), (1, 3)),
            "part": tensor(Storage("a", 6), 4, (2,), (1,)),
            "steps": tensor(Storage("b", 1, "LongStorage"), 0, (), ()),
        },
        {"a": numbers, "b": steps},
    )
    found = read_torch_weights(data)
    assert found["rows"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["columns"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["part"].tolist() == [4, 5]
    assert found["steps"].dtype == np.int64
    assert (found["steps"].shape, int(found["steps"])) == ((), 7)


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("posix", "system"), ("numpy", "fromfile"),
     ("torch", "load"), ("torch._utils", "_rebuild_parameter"), ("collections", "Counter")],
)  # fmt: skip
@pytest.mark.parametrize("place", range(5))
def test_a_hostile_file_runs_nothing(tmp_path: Path, module: str, name: str, place: int) -> None:
    hostile = Named(module, name, f"touch {tmp_path / 'ran'}")
    objects: list[Any] = [MAGIC, 1001, {}, OrderedDict(), []]
    objects[place] = hostile
    with pytest.raises(BadWeights, match=f"it names {module}.{name}"):
        read_torch_weights(dumped(*objects))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "wrong",
    [
        tensor(Storage("a", 6), 0, (7,), (1,)),
        tensor(Storage("a", 6), -1, (2,), (1,)),
        tensor(Storage("a", 6), 0, (2, 3), (3, -1)),
        tensor(Storage("a", 6), 5, (2,), (1,)),
        tensor(Storage("a", 60), 0, (2,), (1,)),
        tensor(Storage("b", 6), 0, (2,), (1,)),
        "no tensor",
    ],
)
def test_a_tensor_outside_of_its_storage_is_refused(wrong: Any) -> None:
    with pytest.raises(BadWeights):
        read_torch_weights(saved({"x": wrong}, {"a": np.zeros(6, "<f4")}))


def test_a_cut_or_damaged_file_is_refused() -> None:
    data = saved({"x": tensor(Storage("a", 6), 0, (6,), (1,))}, {"a": np.ones(6, "<f4")})
    assert read_torch_weights(data)["x"].sum() == 6
    for length in range(len(data)):
        with pytest.raises(BadWeights):
            read_torch_weights(data[:length])
    for other in (b"", b"PK\x03\x04", dumped(MAGIC + 1, 1001), dumped(MAGIC, 1002)):
        with pytest.raises(BadWeights):
            read_torch_weights(other)
