"""Zip archives of every method and program: read, or refused with one line."""

import struct
import zipfile
from pathlib import Path

import pytest

from app.cli import CommandError
from tests.training.data.test_subset import RANGES, kaggle_files, microsoft_files
from training.data.archives import open_archive
from training.data.subset import split

READABLE = {
    "stored": zipfile.ZIP_STORED,
    "deflate": zipfile.ZIP_DEFLATED,
    "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}
UNREADABLE = {
    1: "shrink",
    6: "implode",
    9: "deflate64",
    93: "method 93",
    95: "method 95",
    99: "method 99",
}


def write_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def patch(path: Path, number: int, *, flags: int = 0, method: int | None = None) -> Path:
    """Change the flags or the method of all entries, in the directory and in the local headers."""
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        place = -1
        for _ in range(number):
            place = data.index(signature, place + 1)
            old_flags, old_method = struct.unpack_from("<HH", data, place + offset)
            values = (old_flags | flags, old_method if method is None else method)
            struct.pack_into("<HH", data, place + offset, *values)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("method", READABLE)
@pytest.mark.parametrize("separator", ["/", "\\"])
def test_every_method_and_separator_is_read(tmp_path: Path, method: str, separator: str) -> None:
    files = {name.replace("/", separator): data for name, data in microsoft_files(12).items()}
    source = write_zip(tmp_path / "a.zip", files, READABLE[method])
    assert split(source, tmp_path / "out", RANGES).count("train/cat") == 6


@pytest.mark.parametrize("method", READABLE)
def test_damage_in_an_entry_of_every_method_is_reported(tmp_path: Path, method: str) -> None:
    source = write_zip(tmp_path / "a.zip", kaggle_files(12), READABLE[method])
    data = bytearray(source.read_bytes())
    place = data.index(b"train/cat.3.jpg") + len(b"train/cat.3.jpg")
    data[place + 6 : place + 90] = bytes(range(84))
    source.write_bytes(data)
    report = split(source, tmp_path / "out", RANGES)
    assert list(report.unreadable) == ["cat.3.jpg"]
    assert report.count("train/cat") == 5


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize("method", UNREADABLE)
def test_a_method_that_python_lacks_is_named(tmp_path: Path, method: int, inner: bool) -> None:
    files = {"train.zip": b"PK"} if inner else kaggle_files(2)
    source = patch(write_zip(tmp_path / "a.zip", files), len(files), method=method)
    with pytest.raises(CommandError, match=f"by {UNREADABLE[method]}, which.*Unpack the zip"):
        open_archive(source).__enter__()


@pytest.mark.parametrize("inner", [False, True])
@pytest.mark.parametrize(
    ("flags", "words"), [(0x1, "encrypted"), (0x41, "encrypted"), (0x20, "patch")]
)
def test_an_encrypted_zip_is_named(tmp_path: Path, flags: int, words: str, inner: bool) -> None:
    files = {"train.zip": b"PK"} if inner else kaggle_files(2)
    source = patch(write_zip(tmp_path / "a.zip", files), len(files), flags=flags)
    with pytest.raises(CommandError, match=f"in it is .*{words}.*Unpack the zip"):
        open_archive(source).__enter__()


def test_other_files_may_be_of_any_kind(tmp_path: Path) -> None:
    source = patch(write_zip(tmp_path / "a.zip", {"readme.txt": b"x"}), 1, method=9)
    with zipfile.ZipFile(source, "a") as archive:
        for name, data in kaggle_files(12).items():
            archive.writestr(name, data)
    assert split(source, tmp_path / "out", RANGES).count("train/cat") == 6


@pytest.mark.parametrize("folder", ["__MACOSX", "@eaDir", ".Trash-1000", "#recycle"])
def test_system_folders_in_a_zip_have_no_photos(tmp_path: Path, folder: str) -> None:
    files = {"cat.1.jpg": b"good", f"{folder}/cat.1.jpg": b"x", f"a/{folder}/b/cat.1.jpg": b"y"}
    with open_archive(write_zip(tmp_path / "a.zip", files | {"._cat.1.jpg": b"z"})) as archive:
        assert archive.read(("cat", 1)) == b"good"
