"""Folders as file systems, programs and people leave them: skipped and named, or refused."""

import os
import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from app.cli import CommandError
from tests import pictures
from tests.conftest import write_classes
from training.data.archives import open_archive
from training.data.class_folders import open_dataset, open_subset
from training.data.samples import SUBSETS
from training.data.subset_folders import subset_of

Form = Literal["NFC", "NFD"]
PHOTO = pictures.encode(pictures.gradient())
SYSTEM_FOLDERS = [
    ".ipynb_checkpoints", ".Trash-1000", ".git", ".thumbnails", "@eaDir", "@Recycle", "#recycle",
    "#snapshot", "$RECYCLE.BIN", "__MACOSX", "lost+found", "LOST+FOUND",
]  # fmt: skip


def sizes(path: Path) -> list[int]:
    dataset = open_dataset(path)
    return [len(getattr(dataset, subset)) for subset in SUBSETS]


def write(path: Path, data: bytes = PHOTO) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.mark.parametrize("name", SYSTEM_FOLDERS)
@pytest.mark.parametrize("place", ["", "train", "train/x", "train/x/deeper", "test"])
def test_a_system_folder_has_no_photos_and_is_no_class(
    tmp_path: Path, name: str, place: str
) -> None:
    folder = tmp_path / "d"
    for subset in ("train", "validation", "test"):
        write_classes(folder / subset, 4, ("x", "y"))
    before = open_dataset(folder).fingerprint
    write(folder / place / name / "a.png")
    write(folder / place / name / "x" / "a.png")
    dataset = open_dataset(folder)
    assert (dataset.labels, dataset.fingerprint) == (("x", "y"), before)


@pytest.mark.parametrize("name", SYSTEM_FOLDERS)
def test_a_system_folder_has_no_numbered_photos(tmp_path: Path, name: str) -> None:
    for place in (f"{name}/cat", "cat", f"cat/{name}/cat", f"{name}/deeper/cat"):
        write(tmp_path / "d" / place / "1.jpg", place.encode())
    with open_archive(tmp_path / "d") as archive:
        assert archive.read(("cat", 1)) == b"cat"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("Thumbs.db", b"\xd0\xcf\x11\xe0"),
        ("desktop.ini", b"[.ShellClassInfo]"),
        ("1.txt", b"0 0.5 0.5 1 1"),
        ("labels.csv", b""),
        ("film.mp4", b"\0\0\0\x20ftypisom\0\0\0\0isomiso2"),
    ],
)
def test_a_file_that_is_no_photo_is_left_out_before_the_split(
    tmp_path: Path, name: str, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_classes(tmp_path / "d", 5, ("x", "y"))
    before = open_dataset(folder)
    for label in ("x", "y"):
        write(folder / label / name, data)
    write(folder / "y" / "more" / name, data)
    dataset = open_dataset(folder)
    assert dataset.fingerprint == before.fingerprint
    expected = (
        f"files left out because they are no photos (3): x 1 ({name}), y 2 ({name}, {name})\n"
    )
    assert capsys.readouterr().err.endswith(expected)


@pytest.mark.parametrize("name", ["photo", "photo.dat", "photo.png", "PHOTO.JPG"])
def test_a_photo_needs_its_first_bytes_or_its_extension(tmp_path: Path, name: str) -> None:
    folder = write_classes(tmp_path / "d", 5, ("x", "y"))
    write(folder / "x" / name)
    assert sum(sizes(folder)) == 11
    write(folder / "x" / name, b"broken")
    assert sum(sizes(folder)) == (11 if "." in name and "dat" not in name else 10)


def test_unreadable_files_and_folders_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_classes(tmp_path / "d", 5, ("x", "y"))
    write(folder / "y" / "locked" / "1.png")
    (folder / "x" / "gone.png").symlink_to(tmp_path / "nowhere")
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert sum(sizes(folder)) == 10
    assert (
        "files or folders that cannot be read (2): x/gone.png, y/locked\n"
        in capsys.readouterr().err
    )


def test_a_class_folder_that_cannot_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_classes(tmp_path / "d", 5, ("x", "y", "z"))
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("/y"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(CommandError, match="class folders that cannot be read: y"):
        open_dataset(folder)


def test_folders_that_systems_name_so_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_classes(tmp_path / "d", 5, ("x", "y", "#1", "@home", ".cache"))
    assert open_dataset(folder).labels == ("x", "y")
    expected = "folders skipped because systems use such names (2): #1, @home\n"
    assert capsys.readouterr().err.endswith(expected)


def test_folders_without_a_photo_are_skipped_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_classes(tmp_path / "d", 5, ("x", "y"))
    (folder / "empty" / "deeper").mkdir(parents=True)
    write(folder / "notes" / "a.txt", b"text")
    assert open_dataset(folder).labels == ("x", "y")
    assert (
        "folders skipped because they have no photo (2): empty, notes\n" in capsys.readouterr().err
    )
    assert len(open_subset(folder, ("x", "y"))) == 10


def test_exact_copies_within_a_class_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_classes(tmp_path / "d", 5, ("x", "y"))
    for name in ("copy", "copy2"):
        write(folder / "x" / f"{name}.png", (folder / "x" / "0.png").read_bytes())
    open_dataset(folder)
    assert "exact copies of another photo of their class (2): x 2\n" in (capsys.readouterr().err)


SUBSET_NAMES = {
    "train": [
        "train", "Train", "TRAIN", "training", "Training", "training_set", "Training Set",
        "train-set", "trainset", "seg_train", "train_images", "train_data", "train.split",
    ],
    "validation": [
        "val", "Val", "VALID", "valid", "validation", "Validation_Set", "valset", "seg_val", "dev",
    ],
    "test": ["test", "Test", "TEST", "testing", "test_set", "Test Set", "seg_test", "testset"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("subset", "name"), [(s, n) for s in SUBSET_NAMES for n in SUBSET_NAMES[s]]
)
def test_usual_names_of_subset_folders(tmp_path: Path, subset: str, name: str) -> None:
    counts = {"train": 5, "validation": 3, "test": 2}
    for other, count in counts.items():
        write_classes(tmp_path / "d" / (name if other == subset else other), count, ("x", "y"))
    assert open_dataset(tmp_path / "d").labels == ("x", "y")
    assert sizes(tmp_path / "d") == [10, 6, 4]


@pytest.mark.parametrize(
    "name", ["seg_pred", "trains", "contest", "cat", "devkit", "train_test", "test2", "values"]
)
def test_other_names_are_no_subsets(name: str) -> None:
    assert subset_of(name) is None


def test_a_subset_folder_inside_itself(tmp_path: Path) -> None:
    for name, count in (("seg_train", 5), ("seg_test", 2)):
        write_classes(tmp_path / "d" / name / name, count, ("x", "y"))
    assert sizes(tmp_path / "d") == [8, 2, 4]


def test_ignored_siblings_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_classes(tmp_path / "d" / "Train", 9, ("x", "y"))
    write(tmp_path / "d" / "Test" / "1.png")
    write_classes(tmp_path / "d" / "seg_pred", 1, ("a", "b"))
    assert open_dataset(tmp_path / "d").labels == ("x", "y")
    assert "ignored beside Train/: Test/, seg_pred/\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("x/train", "x/test", "y/train", "y/test"), r"same folders \(test, train\)"),
        (("first/a", "first/b", "second/a", "second/b"), r"same folders \(a, b\)"),
        (("train/x/a", "train/x/b", "train/y/a", "train/y/b"), r"same folders \(a, b\)"),
        (("test/x", "test/y", "val/x", "val/y"), "has test/, val/ and no train/"),
    ],
)
def test_folders_that_are_no_classes_are_refused(
    tmp_path: Path, folders: tuple[str, ...], words: str
) -> None:
    for place in folders:
        write_classes(tmp_path / "d" / place, 5, ("photos",))
    with pytest.raises(CommandError, match=words):
        open_dataset(tmp_path / "d")


def test_classes_with_one_common_folder_each_are_classes(tmp_path: Path) -> None:
    for label in ("x", "y"):
        write_classes(tmp_path / "d" / label, 5, ("images", "@eaDir"))
    assert open_dataset(tmp_path / "d").labels == ("x", "y")


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\tb", "a\x7f", "a\u2028b", "caf\udce9"])
def test_a_name_that_cannot_be_a_label_is_refused(tmp_path: Path, name: str) -> None:
    folder = write_classes(tmp_path / "d", 5, ("x", "y"))
    write(folder / name / "a.png")
    with pytest.raises(CommandError) as caught:
        open_dataset(folder)
    assert repr(name).strip("'") in str(caught.value) or ascii(name) in str(caught.value)
    str(caught.value).encode("ascii", "strict")


@pytest.mark.parametrize("name", ["a|b", "a b", "ä", "犬", "a'b", 'a"b', "<b>", "a,b", "`a`", "%s"])
def test_any_other_name_is_a_label(tmp_path: Path, name: str) -> None:
    folder = write_classes(tmp_path / "d", 5, ("x", name))
    assert open_dataset(folder).labels == tuple(sorted(("x", name)))


@pytest.mark.parametrize("name", ["a\nb.png", "caf\udce9.png", "\x1b[31m.png", "a|b.png"])
def test_any_name_of_a_file_works(tmp_path: Path, name: str) -> None:
    folder = write_classes(tmp_path / "d", 5, ("x", "y"))
    write(folder / "x" / name)
    dataset = open_dataset(folder)
    names = [sample.display_name for subset in SUBSETS for sample in getattr(dataset, subset)]
    assert len(names) == 11
    assert "\n" not in "".join(names).encode().decode()


def test_two_unicode_forms_of_a_class_are_refused(tmp_path: Path) -> None:
    forms = [unicodedata.normalize("NFC", "Käse"), unicodedata.normalize("NFD", "Käse")]
    folder = write_classes(tmp_path / "d", 5, ("x", *forms))
    with pytest.raises(CommandError, match=r"'Ka\\u0308se' and 'K\\xe4se' are the same word"):
        open_dataset(folder)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("label", ["NFC", "NFD"])
def test_a_class_is_found_in_each_unicode_form(tmp_path: Path, form: Form, label: Form) -> None:
    name = unicodedata.normalize(form, "Käse")
    folder = write_classes(tmp_path / "d", 5, ("x", name))
    assert open_dataset(folder).labels == (unicodedata.normalize("NFC", "Käse"), "x")
    assert len(open_subset(folder, (unicodedata.normalize(label, "Käse"), "x"))) == 10


def test_some_of_the_models_classes_are_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_classes(tmp_path / "d", 3, ("b", "d"))
    assert {sample.label for sample in open_subset(folder, ("a", "b", "c", "d"))} == {1, 3}
    assert "no photo of 2 of 4 labels: a, c\n" in capsys.readouterr().err
    with pytest.raises(CommandError, match="does not know the classes d; expected some of a, b"):
        open_subset(folder, ("a", "b"))
