"""Class folders and digit arrays as datasets."""

import hashlib
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from app.cli import CommandError
from app.model.card import Input
from tests import pictures
from tests.conftest import striped, write_classes
from training.data.cache import decode_samples
from training.data.class_folders import open_dataset, open_subset
from training.data.samples import SUBSETS, Sample, fingerprint_of

GREY = Input(height=28, width=28, channels=1)


def names(samples: list[Sample]) -> set[tuple[int, str]]:
    return {(sample.label, sample.sha256) for sample in samples}


def test_class_folders_are_split_the_same_way_every_time(tmp_path: Path) -> None:
    one = open_dataset(write_classes(tmp_path / "one", 40, ("a", "b")))
    assert one.labels == ("a", "b")
    assert [len(getattr(one, subset)) for subset in SUBSETS] == [56, 12, 12]
    sets = [names(getattr(one, subset)) for subset in SUBSETS]
    assert len(set.union(*sets)) == 80
    # Other names, another order on disk: the same photos in the same subsets.
    folder = tmp_path / "two"
    for number, path in enumerate(sorted((tmp_path / "one").rglob("*.png"), reverse=True)):
        (folder / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.parent.name / f"{number}.png")
    two = open_dataset(folder)
    assert [names(getattr(two, subset)) for subset in SUBSETS] == sets
    assert two.fingerprint != one.fingerprint  # the names are part of it


def test_given_subsets_are_kept(tmp_path: Path) -> None:
    for subset, count in (("train", 5), ("val", 3), ("test", 2)):
        write_classes(tmp_path / "d" / subset, count, ("x", "y", "z"))
    dataset = open_dataset(tmp_path / "d")
    assert [len(getattr(dataset, subset)) for subset in SUBSETS] == [15, 9, 6]


def test_a_missing_subset_is_held_out_of_train(tmp_path: Path) -> None:
    write_classes(tmp_path / "d" / "train", 20, ("x", "y"))
    write_classes(tmp_path / "d" / "test", 4, ("x", "y"))
    dataset = open_dataset(tmp_path / "d")
    assert [len(getattr(dataset, subset)) for subset in SUBSETS] == [34, 6, 8]


def test_a_class_called_train_is_a_class(tmp_path: Path) -> None:
    assert open_dataset(write_classes(tmp_path / "d", 4, ("bus", "train"))).labels == (
        "bus",
        "train",
    )


def test_the_fingerprint_changes_with_any_byte(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "d", 4, ("x", "y"))
    before = open_dataset(folder).fingerprint
    assert open_dataset(folder).fingerprint == before
    with (folder / "x" / "0.png").open("ab") as file:
        file.write(b"!")
    assert open_dataset(folder).fingerprint != before


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda d: d.mkdir(), "0 class folders found, at least 2"),
        (lambda d: write_classes(d, 9, ("only",)), "1 class folders found, at least 2"),
        (lambda d: write_classes(d, 2, ("x", "y")), "no photo of class"),
        (lambda d: write_classes(d, 0, ("x", "y")), "0 class folders found, at least 2"),
        (lambda d: d.write_text("x"), "no such folder or .npz file"),
        (
            lambda d: (
                write_classes(d / "train", 5, ("x", "y")),
                write_classes(d / "test", 5, ("x", "z")),
            ),
            "class folders are x, z, expected x, y",
        ),
        (
            lambda d: (
                write_classes(d / "train", 5, ("x", "y")),
                write_classes(d / "val", 5, ("x", "y")),
                write_classes(d / "validation", 5, ("x", "y")),
            ),
            "both val/ and validation/",
        ),
    ],
)
def test_an_unusable_folder_is_refused(tmp_path: Path, make: object, words: str) -> None:
    assert callable(make)
    make(tmp_path / "d")
    with pytest.raises(CommandError, match=words):
        open_dataset(tmp_path / "d")


def digits(path: Path, **changes: np.ndarray | None) -> Path:
    pictures_of = np.stack([striped(number % 3, number) for number in range(240)])
    labels = np.arange(240) % 3
    arrays: dict[str, np.ndarray | None] = {
        "x_train": pictures_of, "y_train": labels,
        "x_test": pictures_of[:30], "y_test": labels[:30],
    }  # fmt: skip
    kept = {name: array for name, array in (arrays | changes).items() if array is not None}
    np.savez(path, allow_pickle=True, **kept)
    return path


def test_digits_are_decoded_losslessly(tmp_path: Path) -> None:
    dataset = open_dataset(digits(tmp_path / "m.npz"))
    assert dataset.labels == ("0", "1", "2")
    assert [len(getattr(dataset, subset)) for subset in SUBSETS] == [220, 20, 30]
    decoded = decode_samples(dataset.train, GREY, "train", tmp_path / "cache")
    assert all(
        (decoded.pixels[number, ..., 0] == striped(number % 3, number)).all()
        for number in range(220)
    )
    assert [sample.name for sample in dataset.validation[:2]] == ["train/220", "train/221"]
    assert open_subset(tmp_path / "m.npz", ("0", "1", "2"))[0].name == "test/0"


@pytest.mark.parametrize(
    "changes",
    [
        {"x_train": np.zeros((4, 28, 28), np.float32)},
        {"x_train": np.zeros((4, 28), np.uint8)},
        {"y_train": np.zeros(3, int)},
        {"y_test": np.zeros((30, 10), int)},
        {"x_test": None},
    ],
)
def test_arrays_of_another_kind_are_refused(
    tmp_path: Path, changes: dict[str, np.ndarray | None]
) -> None:
    with pytest.raises(CommandError, match=r"m\.npz"):
        open_dataset(digits(tmp_path / "m.npz", **changes))


def test_a_file_that_is_no_npz_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.npz").write_bytes(b"PK no zip")
    with pytest.raises(CommandError, match=r"not an \.npz file"):
        open_dataset(tmp_path / "m.npz")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.mkdir, (str(tmp_path / "pwned"),))

    with pytest.raises(CommandError, match=r"not an \.npz file"):
        open_dataset(digits(tmp_path / "m.npz", x_train=np.array([Evil()], object)))
    assert not (tmp_path / "pwned").exists()


def test_open_subset_requires_the_models_labels(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "d", 2, ("x", "y"))
    with pytest.raises(CommandError, match="not know the classes x, y; expected some of cat, dog"):
        open_subset(folder, ("cat", "dog"))
    with pytest.raises(CommandError, match="no such folder"):
        open_subset(tmp_path / "none", ("cat", "dog"))
    with pytest.raises(CommandError, match="no photo"):
        open_subset(write_classes(tmp_path / "e", 0, ("x", "y")), ("x", "y"))
    (folder / "y" / "more.png").write_bytes(pictures.encode(pictures.gradient()))
    found = [sample.label for sample in open_subset(folder, ("x", "y"))]
    assert [found.count(0), found.count(1)] == [2, 3]


def test_a_sample_is_a_file_of_its_class_folder(tmp_path: Path) -> None:
    """Below it as well; hidden files and folders are none."""
    for name in ("y/b.png", "y/deep/a.png", "y/.hidden.png", "x/c.png", ".git/d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "readme.txt").write_text("no folder")
    found = open_subset(tmp_path, ("x", "y"))
    assert [(one.label, one.name, one.folder) for one in found] == [
        (0, "c.png", "x"), (1, "b.png", "y"), (1, "deep/a.png", "y"),
    ]  # fmt: skip
    assert [one.read() for one in found] == [b"x/c.png", b"y/b.png", b"y/deep/a.png"]
    assert [one.sha256 for one in found] == [
        hashlib.sha256(one.read()).hexdigest() for one in found
    ]


def test_the_fingerprint_is_that_of_every_file_with_its_subset(tmp_path: Path) -> None:
    for subset, count in (("train", 2), ("valid", 1), ("testing", 3)):
        write_classes(tmp_path / subset, count, ("x", "y"))
    dataset = open_dataset(tmp_path)
    assert dataset.fingerprint == fingerprint_of(
        (f"{subset}/{sample.display_name}", sample.sha256)
        for subset in SUBSETS
        for sample in getattr(dataset, subset)
    )
    assert [len(getattr(dataset, subset)) for subset in SUBSETS] == [4, 2, 6]


def test_the_photos_with_the_lowest_digests_are_held_out_class_by_class(tmp_path: Path) -> None:
    """First for the test, then for validation: 15 % of each class, and one at least."""
    write_classes(tmp_path / "d", 17, ("x", "y"))
    for number in range(3, 17):
        (tmp_path / "d" / "x" / f"{number}.png").unlink()
    found = open_dataset(tmp_path / "d")
    photos = open_subset(tmp_path / "d", ("x", "y"))
    for label, held_out in ((0, 1), (1, 3)):
        digests = sorted(one.sha256 for one in photos if one.label == label)
        split = (
            [one.sha256 for one in getattr(found, subset) if one.label == label]
            for subset in ("test", "validation", "train")
        )
        assert tuple(split) == (
            digests[:held_out], digests[held_out : 2 * held_out], digests[2 * held_out :],
        )  # fmt: skip


def test_a_missing_test_set_leaves_validation_as_it_is(tmp_path: Path) -> None:
    write_classes(tmp_path / "training", 20, ("x", "y"))
    write_classes(tmp_path / "validation", 2, ("x", "y"))
    write_classes(tmp_path / "other", 2, ("x", "y"))
    dataset = open_dataset(tmp_path)
    assert [len(getattr(dataset, subset)) for subset in SUBSETS] == [34, 4, 6]


def test_the_messages_say_what_was_found_and_what_is_expected(tmp_path: Path) -> None:
    def message(call: Callable[[], object]) -> str:
        with pytest.raises(CommandError) as caught:
            call()
        return str(caught.value)

    (tmp_path / "empty").mkdir()
    file = digits(tmp_path / "m.npz")
    for path in (tmp_path / "none", tmp_path / "none.npz"):
        expected = f"{path}: no such folder or .npz file. Expected {path}/CLASS/PHOTO."
        assert message(partial(open_dataset, path)) == expected
        assert message(partial(open_subset, path, ("x", "y"))) == expected
    one = write_classes(tmp_path / "one", 1, ("x",))
    assert message(lambda: open_dataset(one)) == (
        f"{one}: 1 class folders found, at least 2 are needed. "
        "Expected FOLDER/CLASS/PHOTO or FOLDER/train/CLASS/PHOTO."
    )
    assert message(lambda: open_subset(tmp_path / "empty", ("x", "y"))) == (
        f"{tmp_path / 'empty'}: no photo in its class folders."
    )
    write_classes(tmp_path / "two", 0, ("x", "y"))
    assert message(lambda: open_subset(tmp_path / "two", ("x", "y"))) == (
        f"{tmp_path / 'two'}: no photo in its class folders."
    )
    labels = open_dataset(file).labels
    assert message(lambda: open_subset(file, ("x", "y"))) == (
        f"{file}: has the labels {labels}, the model ('x', 'y')."
    )
    assert len(open_subset(file, labels)) == 30
    for subset, count in (("train", 2), ("validation", 1), ("test", 0)):
        write_classes(tmp_path / "three" / subset, count, ("x", "y"))
    assert message(lambda: open_dataset(tmp_path / "three")) == (
        f"{tmp_path / 'three'}: no photo of class 'x' for test. Each class needs one at least in "
        "train, validation and test (3 if they are to be split here)."
    )
    (tmp_path / "folder.npz").mkdir()
    write_classes(tmp_path / "folder.npz", 4, ("x", "y"))
    assert len(open_subset(tmp_path / "folder.npz", ("x", "y"))) == 8
    assert len(open_dataset(tmp_path / "folder.npz").labels) == 2
