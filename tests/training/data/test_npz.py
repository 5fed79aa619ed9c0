"""Damaged and hostile `.npz` files: one line each, in bounded memory, and no code is run."""

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from app.cli import CommandError
from tests.conftest import Command
from training.data import npz
from training.data.mnist import open_npz

X, Y = np.arange(40 * 16, dtype=np.uint8).reshape(40, 4, 4), np.arange(40) % 2
Entries = dict[str, bytes]


def encoded(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def entries(**changes: np.ndarray | bytes | None) -> Entries:
    whole: dict[str, np.ndarray | bytes | None] = {
        "x_train": X, "y_train": Y, "x_test": X[:10], "y_test": Y[:10],
    }  # fmt: skip
    return {
        f"{name}.npy": value if isinstance(value, bytes) else encoded(value)
        for name, value in (whole | changes).items()
        if value is not None
    }


def write(path: Path, files: Entries, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def header(text: str, version: bytes = b"\1\0", magic: bytes = b"\x93NUMPY") -> bytes:
    sized = struct.pack("<H" if version == b"\1\0" else "<I", len(text)) + text.encode("latin-1")
    return magic + version + sized


def described(kind: str = "|u1", shape: str = "(40, 4, 4)", order: str = "False") -> bytes:
    return header(f"{{'descr': {kind!r}, 'fortran_order': {order}, 'shape': {shape}, }}\n")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("raise SystemExit('code was run')",))


HOSTILE: dict[str, np.ndarray | bytes | None] = {
    "missing": None,
    "empty": b"",
    "text": b"hello",
    "cut off in the header": encoded(X)[:20],
    "cut off in the data": encoded(X)[:-1],
    "too long": encoded(X) + b"x",
    "objects": np.array([Evil()] * 40, object),
    "a pickle": b"\x80\x04N.",
    "a structure with objects": np.zeros(40, [("a", "O")]),
    "another magic": header("", magic=b"\x93NUMPX"),
    "another version": header("x" * 100, b"\2\0"),
    "a header that is none": header("{'descr': "),
    "a header of brackets": header("(" * 60_000),
    "a header of signs": header("-" * 9_000 + "1"),
    "a header with a call": header("__import__('os').abort()"),
    "a header without a type": header("{'shape': (40, 4, 4), 'fortran_order': False}"),
    "a header with a wrong type": described(kind="|u9"),
    "a header with a long number": described(shape=f"({'9' * 5000},)"),
    "a header with NUL": header("\0" * 100),
    "a header of unclosed text": header("{'descr': '''"),
    "a huge shape": described(shape="(1000000000000, 28, 28)"),
    "an endless shape": described(shape="(9223372036854775807, 9223372036854775807)"),
    "a negative shape": described(shape="(-40, 4, 4)"),
    "a shape with 0 and more": described(shape="(0, 9223372036854775807)"),
    "a shape of words": described(shape="('a',)"),
    "a shape of fractions": described(shape="(4.5, 4, 4)"),
    "no shape": described(shape="40"),
    "an empty type": described(kind="|V0", shape="(1000000000000,)"),
    "no dimension": np.array(5, np.uint8),
    "no picture": np.zeros((0, 4, 4), np.uint8),
    "no pixel": np.zeros((40, 0, 4), np.uint8),
    "fractions": np.zeros((40, 4, 4), np.float32),
    "text in an array": np.array(["a"] * 40),
    "dates": np.zeros(40, "M8[s]"),
    "a structure": np.zeros(40, [("a", "u1")]),
    "truth": np.zeros((40, 4, 4), bool),
    "too few": np.zeros((39, 4, 4), np.uint8),
    "two channels": np.zeros((40, 4, 4, 2), np.uint8),
    "five dimensions": np.zeros((40, 4, 4, 3, 1), np.uint8),
    "labels in rows": np.zeros((40, 10), int),
    "labels that are not numbers": np.full(40, np.nan),
    "labels of one class": np.zeros(40, int),
}


@pytest.mark.parametrize("name", ["x_train", "y_train", "x_test", "y_test"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_array_is_one_error(tmp_path: Path, kind: str, name: str) -> None:
    path = write(tmp_path / "m.npz", entries(**{name: HOSTILE[kind]}))
    with pytest.raises(CommandError) as caught:
        open_npz(path)
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value)) < 1_000


def changed(path: Path, change: Callable[[bytearray], object]) -> None:
    data = bytearray(path.read_bytes())
    change(data)
    path.write_bytes(data)


def patch_methods(data: bytearray, method: int, flags: int = 0) -> None:
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        place = -1
        while (place := data.find(signature, place + 1)) >= 0:
            struct.pack_into("<HH", data, place + offset, flags, method)


DAMAGED: dict[str, Callable[[bytearray], object]] = {
    "no zip": lambda data: data.__setitem__(slice(None), b"hello"),
    "empty": lambda data: data.clear(),
    "cut off": lambda data: data.__delitem__(slice(len(data) // 2, None)),
    "an array alone": lambda data: data.__setitem__(slice(None), encoded(X)),
    "a pickle": lambda data: data.__setitem__(slice(None), b"\x80\x04N."),
    "broken data": lambda data: data.__setitem__(slice(60, 90), bytes(30)),
    "encrypted": lambda data: patch_methods(data, 8, 1),
    "an unknown method": lambda data: patch_methods(data, 99),
    "bzip2 that is none": lambda data: patch_methods(data, 12),
    "LZMA that is none": lambda data: patch_methods(data, 14),
    "stored that is not": lambda data: patch_methods(data, 0),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_one_error(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "m.npz", entries())
    changed(path, DAMAGED[kind])
    with pytest.raises(CommandError, match=r"m\.npz"):
        open_npz(path)


def test_any_damage_is_one_error_or_none(tmp_path: Path) -> None:
    whole = write(tmp_path / "m.npz", entries()).read_bytes()
    random = np.random.default_rng(0)
    for _ in range(400):
        data = bytearray(whole)
        for place in random.integers(0, len(data), random.integers(1, 8)):
            data[place] = random.integers(0, 256)
        (tmp_path / "m.npz").write_bytes(data[: random.integers(0, 2 * len(data))])
        with suppress(CommandError):
            open_npz(tmp_path / "m.npz")


def test_a_bomb_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(npz, "_LARGEST", 1 << 20)
    bomb = described(shape="(80, 1000, 1000)") + bytes(80_000_000)
    long_header = header(" " * 80_000_000, b"\2\0")
    for name, data in (("x_train", bomb), ("x_train", long_header), ("y_test", bomb)):
        path = write(tmp_path / "m.npz", entries(**{name: data}))
        tracemalloc.start()
        try:
            with pytest.raises(CommandError, match=r"1,048,576|version"):
                open_npz(path)
            assert tracemalloc.get_traced_memory()[1] < 10 << 20
        finally:
            tracemalloc.stop()


def test_all_arrays_have_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "m.npz", entries())
    everything = X.nbytes + Y.nbytes + X[:10].nbytes + Y[:10].nbytes
    monkeypatch.setattr(npz, "_LARGEST", everything)
    assert len(open_npz(path).test) == 10
    monkeypatch.setattr(npz, "_LARGEST", everything - 1)
    with pytest.raises(CommandError, match=r"y_test\.npy has 80 bytes; all arrays may have"):
        open_npz(path)


FORMS = {
    "stored": (X, zipfile.ZIP_STORED),
    "deflated": (X, zipfile.ZIP_DEFLATED),
    "in Fortran's order": (np.asfortranarray(X), zipfile.ZIP_DEFLATED),
    "with a channel": (X[..., None], zipfile.ZIP_DEFLATED),
    "in colour": (np.stack([X] * 3, -1), zipfile.ZIP_DEFLATED),
    "of one column": (X[:, :, :1], zipfile.ZIP_DEFLATED),
    "of one row and a channel": (X[:, :1, :, None], zipfile.ZIP_DEFLATED),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["u1", ">i4", "u8"])
def test_every_usual_form_is_read(tmp_path: Path, form: str, kind: str) -> None:
    pictures_of, method = FORMS[form]
    files = entries(x_train=pictures_of, y_train=Y.astype(kind)) | {"more.npy": b"ignored"}
    dataset = open_npz(write(tmp_path / "m.npz", files, method))
    assert dataset.labels == ("0", "1")
    assert len(dataset.train) == 37
    from PIL import Image

    with Image.open(io.BytesIO(dataset.train[5].read())) as photo:
        assert (np.asarray(photo) == pictures_of[5].reshape(np.asarray(photo).shape)).all()


def test_labels_that_training_lacks_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "m.npz", entries(y_test=Y[:10] + 1))
    with pytest.raises(CommandError, match="y_test has labels that y_train lacks: 2"):
        open_npz(path)


@pytest.mark.parametrize("kind", ["an endless shape", "a pickle", "no dimension"])
def test_the_command_says_it_in_one_line(tmp_path: Path, run_here: Command, kind: str) -> None:
    path = write(tmp_path / "m.npz", entries(y_train=HOSTILE[kind]))
    done = run_here("training.fit", "--recipe", "digits", "--data", path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"python -m training.fit: error: {path}")
