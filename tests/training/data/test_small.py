"""A small data set keeps its photos; folders that the user made are never changed."""

from pathlib import Path

import pytest

from tests.conftest import write_classes
from training.data.class_folders import open_dataset
from training.data.small import SMALL_CLASS, merge_small


@pytest.mark.parametrize("count", [10, SMALL_CLASS - 1, SMALL_CLASS])
def test_all_photos_of_a_small_set_are_trained_on(tmp_path: Path, count: int) -> None:
    dataset = open_dataset(write_classes(tmp_path / "d", count, ("down", "level")))
    assert dataset.split_off == {"validation", "test"}
    merged = merge_small(dataset)
    if count == SMALL_CLASS:
        assert merged is dataset
        return
    assert len(merged.train) == 2 * count
    assert merged.validation == merged.test == []
    assert merged.fingerprint == dataset.fingerprint


def test_folders_of_the_user_stay(tmp_path: Path) -> None:
    for part, count in (("train", 8), ("test", 2)):
        write_classes(tmp_path / "d" / part, count, ("down", "level"))
    dataset = open_dataset(tmp_path / "d")
    assert dataset.split_off == {"validation"}
    assert merge_small(dataset) is dataset
    write_classes(tmp_path / "e" / "train", 8, ("down", "level"))
    write_classes(tmp_path / "e" / "validation", 2, ("down", "level"))
    merged = merge_small(open_dataset(tmp_path / "e"))
    assert len(merged.validation) == 4
    assert len(merged.train) == 16
