"""Archives made to fill the memory, the disk or the table of files: one line each."""

import struct
import tempfile
import tracemalloc
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from app.cli import CommandError
from tests.conftest import Command
from tests.training.data.test_subset import RANGES, kaggle_files
from tests.training.data.test_zips import write_zip
from training.data import inner_zips, zip_entries
from training.data.archives import open_archive
from training.data.subset import split
from training.data.zip_entries import LARGEST_PHOTO

MIB = 1 << 20


def nested(path: Path, depth: int) -> Path:
    """A zip of photos in `depth` other zips."""
    write_zip(path, kaggle_files(12))
    for _ in range(depth):
        write_zip(path, {"a.zip": path.read_bytes()})
    return path


def claim(path: Path, name: str, size: int) -> None:
    """Write another unpacked size of an entry into the zip's directory."""
    data = bytearray(path.read_bytes())
    place = data.rindex(name.encode()) - 46
    assert data[place : place + 4] == b"PK\1\2"
    struct.pack_into("<L", data, place + 24, size)
    path.write_bytes(data)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_huge_entry_is_left_out_in_bounded_memory(tmp_path: Path, method: int) -> None:
    files = kaggle_files(12) | {"train/cat.3.jpg": bytes(LARGEST_PHOTO + 1)}
    source = write_zip(tmp_path / "a.zip", files, method)
    tracemalloc.start()
    try:
        report = split(source, tmp_path / "out", RANGES)
        assert tracemalloc.get_traced_memory()[1] < 30 * MIB
    finally:
        tracemalloc.stop()
    assert list(report.unreadable) == ["cat.3.jpg"]
    assert "67,108,865 bytes, and a photo at most 67,108,864" in report.unreadable["cat.3.jpg"]
    assert report.count("train/cat") == 5


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_entry_that_claims_to_be_small_is_left_out_in_bounded_memory(
    tmp_path: Path, method: int
) -> None:
    files = kaggle_files(12) | {"train/cat.3.jpg": bytes(200 * MIB)}
    source = write_zip(tmp_path / "a.zip", files, method)
    claim(source, "train/cat.3.jpg", 5_000)
    tracemalloc.start()
    try:
        report = split(source, tmp_path / "out", RANGES)
        assert tracemalloc.get_traced_memory()[1] < 100 * MIB
    finally:
        tracemalloc.stop()
    assert list(report.unreadable) == ["cat.3.jpg"]


def test_a_huge_file_in_a_folder_is_left_out(tmp_path: Path) -> None:
    for name, data in kaggle_files(12, "").items():
        (tmp_path / name).write_bytes(data)
    with (tmp_path / "cat.3.jpg").open("wb") as file:
        file.truncate(LARGEST_PHOTO + 1)
    report = split(tmp_path, tmp_path / "out", RANGES)
    assert list(report.unreadable) == ["cat.3.jpg"]


@pytest.mark.parametrize("depth", [1, 3])
def test_zips_in_zips_are_read(tmp_path: Path, depth: int) -> None:
    with open_archive(nested(tmp_path / "a.zip", depth)) as archive:
        assert len(archive.keys) == 24


@pytest.mark.parametrize("depth", [4, 500])
def test_zips_too_deep_are_refused(tmp_path: Path, depth: int) -> None:
    source = nested(tmp_path / "a.zip", depth)
    with pytest.raises(CommandError, match=r"zip lies more than 3 zips deep\. Unpack SOURCE"):
        open_archive(source).__enter__()


def test_too_many_inner_zips_are_refused(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "i.zip", {"cat.0.jpg": b"x"}).read_bytes()
    source = write_zip(tmp_path / "a.zip", {f"{number}.zip": inner for number in range(2000)})
    with pytest.raises(CommandError, match=r"one of more than 32 zips in SOURCE\. Unpack"):
        open_archive(source).__enter__()


def temporary_files() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("*.zip")}


def test_inner_zips_have_a_limit_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner_zips, "_LARGEST", 30 * MIB)
    inner = {f"{number}.zip": bytes(20 * MIB) for number in range(2)}
    first = write_zip(tmp_path / "i.zip", {"cat.0.jpg": bytes(20 * MIB)}, zipfile.ZIP_STORED)
    inner["0.zip"] = first.read_bytes()
    source = write_zip(tmp_path / "a.zip", inner)
    before = temporary_files()
    with pytest.raises(CommandError, match=r"1\.zip makes 41,\d+,\d+ bytes of inner zips"):
        open_archive(source).__enter__()
    assert temporary_files() <= before, "nothing is left behind"


def test_an_inner_zip_has_to_fit_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(1000))
    source = write_zip(tmp_path / "a.zip", {"train.zip": bytes(2000)})
    with pytest.raises(CommandError, match=r"train\.zip has 2,000 bytes, and .* has 1,000 free"):
        open_archive(source).__enter__()


@pytest.mark.parametrize("inside", [False, True])
def test_too_many_entries_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: bool
) -> None:
    monkeypatch.setattr(zip_entries, "_LARGEST_DIRECTORY", 50_000)
    source = write_zip(tmp_path / "a.zip", {f"{number}.txt": b"" for number in range(2000)})
    if inside:
        source = write_zip(tmp_path / "b.zip", {"a.zip": source.read_bytes()})
    with pytest.raises(CommandError, match=r"a\.zip: its list of entries has .* bytes, at most"):
        open_archive(source).__enter__()


def test_the_command_says_it_in_one_line(tmp_path: Path, run_here: Command) -> None:
    done = run_here("training.split", nested(tmp_path / "a.zip", 20), "--output", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("python -m training.split: error: ")
    assert not (tmp_path / "out").exists()
