"""`make_subset` and the split command, on archives as they are shipped."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from app.cli import CommandError
from tests import pictures
from tests.conftest import Command
from training.data import subset as subset_module
from training.data.archives import open_archive, parse_key
from training.data.samples import fingerprint_of
from training.data.subset import LECTURE_RANGES, SplitReport, make_subset, split

RANGES = {"train": [range(0, 6)], "validation": [range(6, 8)], "test": [range(8, 12)]}


def photo(name: str, number: int) -> bytes:
    colour = (number * 9 % 256, 200 if name == "cat" else 30, 77)
    return pictures.encode(Image.new("RGB", (12, 9), colour), "JPEG")


def kaggle_files(count: int, prefix: str = "train/") -> dict[str, bytes]:
    return {
        f"{prefix}{name}.{number}.jpg": photo(name, number)
        for name in ("cat", "dog")
        for number in range(count)
    }


def microsoft_files(count: int) -> dict[str, bytes]:
    files = {
        f"PetImages/{name.title()}/{number}.jpg": photo(name, number)
        for name in ("cat", "dog")
        for number in range(count)
    }
    return files | {"PetImages/Cat/Thumbs.db": b"db", "readme[1].txt": b"text", "MSR-LA.docx": b"x"}


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def make_source(kind: str, tmp_path: Path) -> Path:
    match kind:
        case "kaggle zip":
            return write_zip(tmp_path / "train.zip", kaggle_files(12))
        case "kaggle zip in a zip":
            inner = write_zip(tmp_path / "inner.zip", kaggle_files(12))
            unlabelled = {f"test1/{number}.jpg": photo("cat", number) for number in range(5)}
            test = write_zip(tmp_path / "test.zip", unlabelled)
            files = {"train.zip": inner.read_bytes(), "test1.zip": test.read_bytes()}
            return write_zip(tmp_path / "dogs-vs-cats.zip", files | {"sampleSubmission.csv": b"a"})
        case "kaggle folder":
            return write_folder(tmp_path / "dogs-vs-cats", kaggle_files(12))
        case "deep folder":
            return write_folder(tmp_path / "deep", kaggle_files(12, "a/b/c/train/"))
        case "flat folder":
            return write_folder(tmp_path / "flat", kaggle_files(12, ""))
        case "microsoft zip":
            return write_zip(tmp_path / "pets.zip", microsoft_files(12))
        case "microsoft folder":
            return write_folder(tmp_path / "pets", microsoft_files(12))
        case _:
            return write_folder(tmp_path / "pets", microsoft_files(12)) / "PetImages"


@pytest.mark.parametrize(
    "kind",
    [
        "kaggle zip",
        "kaggle zip in a zip",
        "kaggle folder",
        "deep folder",
        "flat folder",
        "microsoft zip",
        "microsoft folder",
        "PetImages itself",
    ],
)
def test_every_archive_layout_gives_the_same_split(kind: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = split(make_source(kind, tmp_path), out, RANGES)
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.jpg"))
    expected = sorted(
        f"{subset}/{name}/{name}.{number}.jpg"
        for subset, parts in RANGES.items()
        for part in parts
        for number in part
        for name in ("cat", "dog")
    )
    assert found == expected == sorted(report.files)
    for path in found:
        _, name, file = path.split("/")
        assert (out / path).read_bytes() == photo(name, int(file.split(".")[1]))


def test_the_lectures_ranges() -> None:
    assert {
        subset: [(r.start, r.stop) for r in parts] for subset, parts in LECTURE_RANGES.items()
    } == {
        "train": [(0, 1000)],
        "validation": [(1000, 1500)],
        "test": [(1500, 2500)],
    }


def test_make_subset_copies_a_half_open_range(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "train.zip", kaggle_files(12))
    report = SplitReport()
    with open_archive(source) as archive:
        make_subset("some", 3, 5, archive=archive, destination=tmp_path / "o", report=report)
    assert sorted(report.files) == [
        f"some/{name}/{name}.{number}.jpg" for name in ("cat", "dog") for number in (3, 4)
    ]


def test_the_manifest_has_every_files_checksum(tmp_path: Path) -> None:
    out = tmp_path / "out"
    split(write_zip(tmp_path / "train.zip", kaggle_files(12)), out, RANGES)
    manifest = json.loads((out / "manifest.json").read_text())
    assert len(manifest["files"]) == 24
    for path, digest in manifest["files"].items():
        assert hashlib.sha256((out / path).read_bytes()).hexdigest() == digest
    again = tmp_path / "again"
    split(write_folder(tmp_path / "pets", microsoft_files(12)), again, RANGES)
    other = json.loads((again / "manifest.json").read_text())
    assert other["fingerprint"] == manifest["fingerprint"]


def test_missing_and_unreadable_photos_are_counted_named_and_left_out(
    tmp_path: Path, command: Command
) -> None:
    files = kaggle_files(12)
    del files["train/cat.3.jpg"]
    files["train/dog.1.jpg"] = b"\xff\xd8\xff\xe0 cut"
    files["train/dog.7.jpg"] = b""
    source = write_zip(tmp_path / "train.zip", files)
    done = command(
        "training.split", source, "--output", tmp_path / "out",
        "--train", "0:6", "--validation", "6:8", "--test", "8:12",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "missing in the source: 1: cat.3.jpg" in done.stdout
    assert "left out dog.1.jpg: The JPEG file is broken" in done.stdout
    assert "left out dog.7.jpg: The file is empty" in done.stdout
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["missing"] == ["cat.3.jpg"]
    assert set(manifest["unreadable"]) == {"dog.1.jpg", "dog.7.jpg"}
    assert len(manifest["files"]) == 21


def test_the_manifest_says_what_was_left_out(tmp_path: Path) -> None:
    """The first photo of a range is unreadable and the second is missing; the rest is copied."""
    files = kaggle_files(12)
    files["train/cat.0.jpg"] = b""
    del files["train/cat.1.jpg"], files["train/dog.9.jpg"]
    source = write_zip(tmp_path / "train.zip", files)
    ranges = RANGES | {"validation": [range(6, 7), range(7, 8)]}
    report = split(source, tmp_path / "out", ranges)
    assert report.missing == ["cat.1.jpg", "dog.9.jpg"]
    assert report.unreadable == {"cat.0.jpg": "The file is empty (0 bytes)."}
    text = (tmp_path / "out" / "manifest.json").read_text()
    assert text.startswith('{\n "source"')
    assert text.endswith("}\n")
    assert json.loads(text) == {
        "source": "train.zip",
        "ranges": {"train": "0:6", "validation": "6:7, 7:8", "test": "8:12"},
        "fingerprint": fingerprint_of(report.files.items()),
        "missing": report.missing,
        "unreadable": report.unreadable,
        "files": report.files,
    }
    assert list(report.files) == [
        f"{subset}/{name}/{name}.{number}.jpg"
        for subset, start, stop in (
            ("train", 0, 6), ("validation", 6, 7), ("validation", 7, 8), ("test", 8, 12),
        )
        for name in ("cat", "dog")
        for number in range(start, stop)
        if f"{name}.{number}" not in ("cat.0", "cat.1", "dog.9")
    ]  # fmt: skip


def test_the_progress_of_each_class_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[object, ...]] = []

    def progress(*arguments: object) -> object:
        shown.append(arguments)
        return arguments[0]

    monkeypatch.setattr(subset_module, "progress", progress)
    with open_archive(write_zip(tmp_path / "train.zip", kaggle_files(4))) as archive:
        make_subset("all", 1, 3, archive=archive, destination=tmp_path, report=SplitReport())
    assert shown == [(range(1, 3), f"all/{name}", "photo") for name in ("cat", "dog")]


def test_a_damaged_zip_entry_is_left_out(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "train.zip", kaggle_files(12))
    data = bytearray(source.read_bytes())
    with zipfile.ZipFile(source) as archive:
        entry = archive.getinfo("train/cat.4.jpg")
    start = entry.header_offset + 30 + len(entry.filename)
    data[start + 20 : start + 40] = bytes(20)
    source.write_bytes(data)
    report = split(source, tmp_path / "out", RANGES)
    assert list(report.unreadable) == ["cat.4.jpg"]


def test_several_ranges_for_one_subset(tmp_path: Path, command: Command) -> None:
    source = write_zip(tmp_path / "train.zip", kaggle_files(12))
    done = command(
        "training.split", source, "--output", tmp_path / "out",
        "--train", "0:2", "--train", "9:12", "--validation", "2:3", "--test", "3:4",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "out" / "train" / "cat").iterdir()}
    assert names == {f"cat.{number}.jpg" for number in (0, 1, 9, 10, 11)}


def test_an_empty_subset_is_fatal_and_leaves_nothing(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "train.zip", kaggle_files(10))
    ranges = RANGES | {"test": [range(10, 12)]}
    with pytest.raises(CommandError) as caught:
        split(source, tmp_path / "out", ranges)
    assert str(caught.value) == (
        f"{source}: no usable cat for test (10:12); 4 missing, 0 unreadable so far. "
        "Nothing was written."
    )
    assert [entry.name for entry in tmp_path.iterdir()] == ["train.zip"]


def test_an_existing_split_is_left_alone_unless_forced(tmp_path: Path) -> None:
    source = write_zip(tmp_path / "train.zip", kaggle_files(12))
    out = tmp_path / "out"
    split(source, out, RANGES)
    (out / "mine.txt").write_text("keep")
    with pytest.raises(CommandError, match="exists and is left alone"):
        split(source, out, RANGES)
    assert (out / "mine.txt").read_text() == "keep"
    with pytest.raises(CommandError, match="no usable"):
        split(source, out, RANGES | {"test": [range(50, 60)]}, force=True)
    assert (out / "mine.txt").exists()  # a forced split that fails changes nothing either
    split(source, out, RANGES, force=True)
    assert not (out / "mine.txt").exists()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out", "train.zip"]


@pytest.mark.parametrize(
    "ranges",
    [
        {"train": [range(0, 6)], "validation": [range(5, 8)], "test": [range(8, 9)]},
        {"train": [range(0, 6), range(2, 3)], "validation": [range(6, 8)], "test": [range(8, 9)]},
        {"train": [range(0, 2), range(7, 9)], "validation": [range(2, 8)], "test": [range(9, 10)]},
        # The first with the last, and with a part of it: not only neighbours are compared.
        {"train": [range(0, 6)], "validation": [range(6, 8)], "test": [range(3, 4)]},
        {"train": [range(0, 6)], "validation": [range(9, 12)], "test": [range(8, 9), range(0, 1)]},
    ],
)
def test_overlapping_ranges_are_refused(tmp_path: Path, ranges: dict[str, list[range]]) -> None:
    source = write_zip(tmp_path / "train.zip", kaggle_files(12))
    with pytest.raises(CommandError, match="overlap"):
        split(source, tmp_path / "out", ranges)


def test_two_photos_with_one_number_are_refused(tmp_path: Path) -> None:
    files = kaggle_files(12) | kaggle_files(12, "copy/")
    folder = write_folder(tmp_path / "twice", files)
    split(folder, tmp_path / "same", RANGES)  # the same bytes twice are no contradiction
    (folder / "copy" / "dog.2.jpg").write_bytes(photo("cat", 2))
    with pytest.raises(CommandError, match=r"different photos with the same number"):
        split(folder, tmp_path / "out", RANGES)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("cat.0.jpg", ("cat", 0)),
        ("x/y/dog.12499.jpg", ("dog", 12499)),
        ("train/CAT.5.JPG", ("cat", 5)),
        ("PetImages/Dog/7.jpg", ("dog", 7)),
        ("test1/1.jpg", None),
        ("cats/1.jpg", None),
        ("cat.jpg", None),
        ("cat.1.jpg.txt", None),
        ("cat.-1.jpg", None),
        ("cat.1.png", None),
    ],
)
def test_which_paths_are_numbered_photos(path: str, key: tuple[str, int] | None) -> None:
    assert parse_key(path) == key


@pytest.mark.photos
def test_the_real_photos(photos_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    split(photos_data / "train.zip", out, LECTURE_RANGES)
    ends = {"train": (0, 999), "validation": (1000, 1499), "test": (1500, 2499)}
    for subset, (first, last) in ends.items():
        for name in ("cat", "dog"):
            names = {path.name for path in (out / subset / name).iterdir()}
            assert names == {f"{name}.{number}.jpg" for number in range(first, last + 1)}
