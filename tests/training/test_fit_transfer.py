"""The default recipe as a user runs it, on a small data set and on one that can hold photos out."""

from pathlib import Path

import pytest

from app.model.classifier import Classifier
from app.model.version_folder import load_card
from tests.conftest import Command, write_classes


def words(data: Path, base: Path, *more: object) -> list[object]:
    return [
        "training.fit", "--data", data, "--name", "stripes", "--size", 96, "--minutes", 0,
        "--models", base / "models", "--runs", base / "runs", "--cache", base / "cache", *more,
    ]  # fmt: skip


@pytest.mark.usefixtures("converting_here")
def test_ten_photos_a_class_are_enough_and_the_card_says_how_they_were_tested(
    tmp_path: Path, run_here: Command
) -> None:
    data = write_classes(tmp_path / "d", 10, ("down", "level", "slope"))
    done = run_here(*words(data, tmp_path))
    assert done.returncode == 0, done.stderr
    assert "these figures are cross-validated" in done.stdout
    folder = tmp_path / "models" / "stripes" / "1"
    card = load_card(folder)
    assert card.metrics["cross_validated_accuracy"].samples == 30
    assert card.metrics["cross_validated_accuracy"].value > 0.8
    assert not any(name.startswith(("test", "validation")) for name in card.metrics)
    assert (card.data["train"], card.data["validation"], card.data["test"]) == (30, 0, 0)
    assert (card.recipe["backbone"], card.recipe["kept_epoch"]) == ("efficientnet-lite0", 0)
    text = (folder / "README.md").read_text()
    assert "A class has too few photos to hold some out for a test." in text
    assert "The test figures come from the published files" not in text
    assert "| label | recall | photos |" in text
    assert "ImageNet" in text
    assert sum(path.stat().st_size for path in folder.iterdir()) < 35_000_000
    Classifier.load(folder)


@pytest.mark.usefixtures("converting_here")
def test_a_class_of_a_hundred_is_added_to_known_features(tmp_path: Path, run_here: Command) -> None:
    data = write_classes(tmp_path / "d", 45, ("down", "level"))
    assert run_here(*words(data, tmp_path)).returncode == 0
    write_classes(tmp_path / "more", 45, ("down", "level", "slope"))
    (tmp_path / "more" / "slope").rename(data / "slope")
    done = run_here(*words(data, tmp_path))
    assert done.returncode == 0, done.stderr
    # 45 photos less 7 for each of validation and test: only those of the new class.
    assert "features of train: 100%" in done.stderr
    assert "/31 [" in done.stderr
    card = load_card(tmp_path / "models" / "stripes" / "2")
    assert card.metrics["test_accuracy"].samples == 21
    assert "balanced accuracy" in done.stdout


@pytest.mark.usefixtures("converting_here")
def test_wrong_labels_are_named(tmp_path: Path, run_here: Command) -> None:
    data = write_classes(tmp_path / "d", 20, ("down", "level"))
    (data / "down" / "5.png").rename(data / "level" / "wrong.png")
    done = run_here(*words(data, tmp_path))
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if "look like another class" in line)
    assert "level/wrong.png" in line
