"""Which training photos are dropped and why, on samples without files."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.cli import CommandError
from training.data import filtering
from training.data.filtering import filter_dataset, find_label_conflicts
from training.data.samples import Dataset, Sample

LABELS = ("ant", "bee", "fly")


def sample(label: int, name: str, digest: str = "") -> Sample:
    return Sample(name, label, digest or f"{label}{name}", bytes)


def dataset(
    train: list[Sample], validation: list[Sample] | None = None, test: list[Sample] | None = None
) -> Dataset:
    return Dataset(LABELS, train, validation or [], test or [], "fingerprint")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The duplicates to find: (training photo, held-out photo, distance)."""
    pairs: list[Any] = []

    def find_duplicates(_: Dataset, cache: Path) -> list[Any]:
        assert cache == Path("hashes")
        return [
            SimpleNamespace(train=train, held_out=held_out, distance=distance)
            for train, held_out, distance in pairs
        ]

    monkeypatch.setattr(filtering, "find_duplicates", find_duplicates)
    return pairs


def test_each_drop_has_its_reason_and_the_order_stays(found: list[Any]) -> None:
    bad, kept, same, alike, both = (
        sample(2, "bad"), sample(0, "kept"), sample(1, "same"), sample(1, "alike"),
        [sample(2, "b", "copy"), sample(0, "b", "copy")],
    )  # fmt: skip
    others = [sample(1, "b"), sample(2, "f")]
    held_out = [sample(1, "v"), sample(2, "t")]
    found += [(same, held_out[0], -1), (alike, held_out[1], 0)]
    whole = dataset([bad, kept, same, *both, alike, *others], held_out[:1], held_out[1:])
    result, dropped = filter_dataset(whole, Path("hashes"), exclude={"bad"}, deduplicate=True)
    assert result == dataset([kept, *others], held_out[:1], held_out[1:])
    assert list(dropped.items()) == [
        ("fly/bad", "known to be a bad example"),
        ("bee/same", "the same file as bee/v of validation or test"),
        ("fly/b", "the same file is in ant and fly"),
        ("ant/b", "the same file is in ant and fly"),
        ("bee/alike", "looks the same as fly/t of validation or test"),
    ]


def test_without_deduplication_only_bad_examples_are_dropped(found: list[Any]) -> None:
    photos = [sample(2, "a", "x"), sample(0, "b", "x"), sample(1, "c"), sample(1, "d")]
    found.append((photos[2], photos[0], -1))
    result, dropped = filter_dataset(
        dataset(photos), Path("hashes"), exclude=["d"], deduplicate=False
    )
    assert result.train == photos[:3]
    assert list(dropped) == ["bee/d"]


@pytest.mark.parametrize("label", range(3))
def test_a_class_without_a_photo_left_is_refused(label: int) -> None:
    photos = [sample(number, str(number)) for number in range(3)]
    with pytest.raises(CommandError) as caught:
        filter_dataset(dataset(photos), Path(), exclude=[str(label)], deduplicate=False)
    assert str(caught.value) == (
        f"every photo of class '{LABELS[label]}' to train on is in validation, test or another "
        "class too. Give each its own photos, or allow copies with --keep-duplicates."
    )


def test_held_out_photos_of_two_classes_are_named_once_a_class() -> None:
    validation = [sample(2, "v", "one"), sample(0, "w", "two"), sample(2, "again", "one")]
    test = [sample(1, "t", "one"), sample(1, "u", "three"), sample(1, "x", "three")]
    train = [sample(1, "train", "two")]
    assert find_label_conflicts(dataset(train, validation, test)) == [
        "fly/v and bee/t of validation or test are the same file: at most one of them can be "
        "answered right"
    ]
