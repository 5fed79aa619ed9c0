"""Photos in two subsets at once: found, and dropped from training only."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.cli import CommandError
from tests import pictures
from tests.conftest import Command, write_classes
from training.data.class_folders import open_dataset
from training.data.duplicates import find_duplicates
from training.data.filtering import filter_dataset, find_label_conflicts
from training.data.samples import Dataset


def scene(seed: int, side: int = 120) -> Image.Image:
    """A smooth colour picture, unlike every other."""
    random = np.random.default_rng(seed)
    rows, columns = np.indices((side, side)) / side
    waves = [
        np.sin(
            random.uniform(2, 12) * rows + random.uniform(2, 12) * columns + random.uniform(0, 6)
        )
        for _ in range(3)
    ]
    return Image.fromarray((127 + 100 * np.stack(waves, axis=2)).astype(np.uint8))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    for start, subset in ((0, "train"), (100, "validation"), (200, "test")):
        for offset, label in ((0, "cat"), (50, "dog")):
            folder = tmp_path / "data" / subset / label
            folder.mkdir(parents=True)
            for number in range(10):
                seed = start + offset + number
                data = pictures.encode(scene(seed))
                (folder / f"{label}.{seed}.png").write_bytes(data)
    return open_dataset(tmp_path / "data")


def again(tmp_path: Path) -> Dataset:
    return open_dataset(tmp_path / "data")


def test_different_photos_are_no_duplicates(tmp_path: Path, dataset: Dataset) -> None:
    assert find_duplicates(dataset, tmp_path / "cache") == []


@pytest.mark.usefixtures("dataset")
def test_the_same_file_and_a_smaller_jpeg_of_it_are_found(tmp_path: Path) -> None:
    train = tmp_path / "data" / "train" / "dog"
    (train / "copy.png").write_bytes(pictures.encode(scene(203)))
    small = pictures.encode(scene(151, 80), "JPEG", quality=60)
    (train / "small.jpg").write_bytes(small)
    found = {f.train.name: f for f in find_duplicates(again(tmp_path), tmp_path / "cache")}
    assert set(found) == {"copy.png", "small.jpg"}
    assert (found["copy.png"].held_out.name, found["copy.png"].distance) == ("cat.203.png", -1)
    assert found["small.jpg"].held_out.name == "dog.151.png"
    assert found["small.jpg"].distance >= 0


@pytest.mark.usefixtures("dataset")
def test_broken_and_plain_photos_have_no_duplicates(tmp_path: Path) -> None:
    for subset in ("train", "test"):
        folder = tmp_path / "data" / subset / "cat"
        (folder / f"{subset}.png").write_bytes(b"broken " + subset.encode())
        flat = Image.new("RGB", (30 + len(subset), 30), "grey")
        (folder / f"flat-{subset}.png").write_bytes(pictures.encode(flat))
    assert find_duplicates(again(tmp_path), tmp_path / "cache") == []


@pytest.mark.usefixtures("dataset")
def test_only_training_shrinks_and_each_drop_is_explained(tmp_path: Path) -> None:
    train = tmp_path / "data" / "train"
    (train / "dog" / "copy.png").write_bytes(pictures.encode(scene(203)))
    (train / "cat" / "cat.92.jpg").write_bytes(pictures.encode(scene(92), "JPEG"))
    found = again(tmp_path)
    kept, dropped = filter_dataset(
        found, tmp_path / "cache", exclude=["cat.92.jpg"], deduplicate=True
    )
    assert dropped == {
        "dog/copy.png": "the same file as cat/cat.203.png of validation or test",
        "cat/cat.92.jpg": "known to be a bad example",
    }
    assert len(found.train) - len(kept.train) == 2
    assert (kept.validation, kept.test) == (found.validation, found.test)
    untouched, nothing = filter_dataset(found, tmp_path / "cache", exclude=(), deduplicate=False)
    assert (untouched, nothing) == (found, {})


@pytest.mark.usefixtures("dataset")
def test_a_training_photo_of_two_classes_is_dropped(tmp_path: Path) -> None:
    train = tmp_path / "data" / "train"
    for label in ("cat", "dog"):
        (train / label / "both.png").write_bytes(pictures.encode(scene(7_000)))
    (train / "dog" / "again.png").write_bytes(pictures.encode(scene(50)))  # twice in one class
    kept, dropped = filter_dataset(
        again(tmp_path), tmp_path / "cache", exclude=(), deduplicate=True
    )
    why = "the same file is in cat and dog"
    assert dropped == {"cat/both.png": why, "dog/both.png": why}
    assert len(kept.train) == 21


@pytest.mark.usefixtures("dataset")
def test_a_held_out_photo_of_two_classes_is_reported_and_kept(tmp_path: Path) -> None:
    assert find_label_conflicts(again(tmp_path)) == []
    data = tmp_path / "data"
    (data / "test" / "cat" / "both.png").write_bytes(pictures.encode(scene(7_000)))
    (data / "validation" / "dog" / "also.png").write_bytes(pictures.encode(scene(7_000)))
    (data / "test" / "cat" / "again.png").write_bytes(pictures.encode(scene(7_000)))
    found = again(tmp_path)
    assert find_label_conflicts(found) == [
        "dog/also.png and cat/again.png of validation or test are the same file: at most one of "
        "them can be answered right"
    ]
    kept, _ = filter_dataset(found, tmp_path / "cache", exclude=["cat.92.jpg"], deduplicate=True)
    assert (kept.validation, kept.test) == (found.validation, found.test)


def test_a_class_of_copies_is_refused(tmp_path: Path, command: Command) -> None:
    data = write_classes(tmp_path / "d" / "train", 5, ("a", "b"), side=80)
    for subset in ("validation", "test"):
        write_classes(data.parent / subset, 5, ("a", "b"), side=80)
    with pytest.raises(CommandError, match="every photo of class 'a' to train on is in"):
        filter_dataset(open_dataset(data.parent), tmp_path / "cache", exclude=(), deduplicate=True)
    done = command(
        "training.fit", "--recipe", "residual", "--data", data.parent, "--name", "x",
        "--runs", tmp_path / "r", "--models", tmp_path / "m", "--cache", tmp_path / "c",
    )  # fmt: skip
    assert done.returncode == 2
    assert "--keep-duplicates" in done.stderr.splitlines()[-1]
