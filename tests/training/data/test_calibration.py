"""Photos for the thresholds, and pictures of other things, are kept apart from the classes."""

from collections import Counter
from pathlib import Path

import pytest

from app.cli import CommandError
from tests.conftest import write_classes
from training.data.calibration import LEAST, hold_out_calibration
from training.data.class_folders import open_dataset, open_pictures, open_subset
from training.data.samples import Sample


def names(samples: list[Sample]) -> set[str]:
    return {sample.display_name for sample in samples}


def test_half_of_the_validation_photos_of_each_class_are_kept_apart(tmp_path: Path) -> None:
    for part, counts in (("train", (3, 4)), ("validation", (2 * LEAST + 1, 43)), ("test", (2, 3))):
        for count, label in zip(counts, ("down", "level"), strict=True):
            write_classes(tmp_path / part, count, (label,))
    dataset = open_dataset(tmp_path)
    held = hold_out_calibration(dataset)
    assert Counter(sample.label for sample in held.calibration) == {0: LEAST + 1, 1: 22}
    assert Counter(sample.label for sample in held.validation) == {0: LEAST, 1: 21}
    assert names(held.calibration).isdisjoint(names(held.validation))
    assert names(held.calibration) | names(held.validation) == names(dataset.validation)
    assert (held.train, held.test) == (dataset.train, dataset.test)
    assert names(hold_out_calibration(open_dataset(tmp_path)).calibration) == names(
        held.calibration
    )


def test_too_few_validation_photos_stay_together(tmp_path: Path) -> None:
    for part, counts in (("train", (3, 4)), ("validation", (2 * LEAST - 1, 60)), ("test", (2, 3))):
        for count, label in zip(counts, ("down", "level"), strict=True):
            write_classes(tmp_path / part, count, (label,))
    dataset = open_dataset(tmp_path)
    assert hold_out_calibration(dataset) is dataset


def test_other_pictures_are_no_class(tmp_path: Path) -> None:
    plain = open_dataset(write_classes(tmp_path / "d", 10, ("down", "level")))
    write_classes(tmp_path / "d", 9, ("_other",))
    dataset = open_dataset(tmp_path / "d")
    assert dataset.labels == ("down", "level")
    learnt, tested = dataset.others
    assert (len(learnt), len(tested)) == (7, 2)
    assert {(s.label, s.folder) for s in (*learnt, *tested)} == {(-1, "_other")}
    assert dataset.fingerprint != plain.fingerprint
    assert names(dataset.train) == names(plain.train)
    assert len(open_subset(tmp_path / "d", ("down", "level"))) == 20


def test_too_few_other_pictures_are_told(tmp_path: Path) -> None:
    write_classes(tmp_path, 10, ("down", "level"))
    write_classes(tmp_path, 7, ("_other",))
    with pytest.raises(CommandError, match=r"_other has 7 pictures to learn from; 8 are needed"):
        open_dataset(tmp_path)


def test_other_pictures_that_were_made_for_the_test_stay_there(tmp_path: Path) -> None:
    for part, count in (("train", 6), ("validation", 2), ("test", 3)):
        write_classes(tmp_path / part, count, ("down", "level", "_other"))
    learnt, tested = open_dataset(tmp_path).others
    assert (len(learnt), len(tested)) == (8, 3)


@pytest.mark.parametrize("nested", ["", "a/b"])
def test_foreign_pictures_may_lie_at_any_depth(tmp_path: Path, nested: str) -> None:
    write_classes(tmp_path / nested, 3, ("zebra",))
    (tmp_path / "text.txt").write_text("no picture")
    found = open_pictures(tmp_path)
    assert sorted(sample.name for sample in found) == [
        str(Path(nested, "zebra", f"{number}.png")) for number in range(3)
    ]
    assert found[0].read().startswith(b"\x89PNG")
