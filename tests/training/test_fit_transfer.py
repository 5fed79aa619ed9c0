"""The default recipe as a user runs it, on a small data set and on one that can hold photos out."""

from pathlib import Path

import pytest

from app.model.card import Thresholds
from app.model.classifier import Classifier
from app.model.version_folder import load_card
from tests import pictures
from tests.conftest import ROOT, Command, write_classes


def write_noise(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    for number in range(count):
        photo = pictures.encode(pictures.noise(number, 30 + number, 28))
        (folder / f"{number}.png").write_bytes(photo)
    return folder


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
    assert card.thresholds == Thresholds(
        error=1 / 11,  # ten photos cannot promise less
        min_familiarity=0.01,
        photos={"down": 10, "level": 10, "slope": 10},
        cross_validated=True,
    )
    assert "Calibrated on 30 answers of cross-validation, 10 of each label" in text
    found = Classifier.load(folder).predict((data / "level" / "3.png").read_bytes())
    assert found.nearest is not None
    assert (found.nearest.label, found.nearest.similarity > 0.99) == ("level", True)
    assert found.familiarity is not None


@pytest.mark.usefixtures("converting_here")
def test_a_class_of_a_hundred_is_added_to_known_features(tmp_path: Path, run_here: Command) -> None:
    data = write_classes(tmp_path / "d", 45, ("down", "level"))
    assert run_here(*words(data, tmp_path)).returncode == 0
    write_classes(tmp_path / "more", 45, ("down", "level", "slope"))
    (tmp_path / "more" / "slope").rename(data / "slope")
    write_noise(data / "_other", 20)
    done = run_here(*words(data, tmp_path))
    assert done.returncode == 0, done.stderr
    # 45 photos less 7 for each of validation and test: only those of the new class.
    assert "features of train: 100%" in done.stderr
    assert "/31 [" in done.stderr
    card = load_card(tmp_path / "models" / "stripes" / "2")
    assert card.labels == ("down", "level", "slope")
    assert card.metrics["test_accuracy"].samples == 21
    assert "balanced accuracy" in done.stdout
    assert card.thresholds is not None
    assert card.thresholds.photos == {"down": 31, "level": 31, "slope": 31}
    assert [each.known.samples for each in card.thresholds.accepted] == [21] * 3
    # Every fourth of the other pictures was kept for the test.
    refused = [each.other_refused for each in card.thresholds.accepted]
    assert [(each.value, each.samples) for each in refused if each] == [(1, 5)] * 3
    assert [each.error for each in card.thresholds.sets] == [0.05, 0.1]


@pytest.mark.usefixtures("converting_here")
def test_foreign_pictures_are_measured(tmp_path: Path, run_here: Command) -> None:
    version, data = ROOT / "models" / "digits" / "2", write_noise(tmp_path / "foreign" / "a", 30)
    digits = tmp_path / "digits" / "7"
    digits.mkdir(parents=True)
    digits.joinpath("1.png").write_bytes((data / "3.png").read_bytes())
    words = ("training.evaluate", version, digits.parent, "--foreign")
    done = run_here(*words, data.parent)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    table = lines[lines.index("familiarity at least  known photos kept  others refused") + 1 :]
    assert [line.split() for line in table[:3]] == [
        [least, "0.0%", "100.0%"] for least in ("0.5%", "1.0%", "2.0%")
    ]
    assert table[3].startswith("error rate  true label in the set")
    for folder, message in (
        (tmp_path / "nothing", "nothing: no such folder. Expected a folder of pictures."),
        (digits.parents[1] / "empty", "empty: no picture in it."),
    ):
        (tmp_path / "empty").mkdir(exist_ok=True)
        done = run_here(*words, folder)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr
    old = run_here(words[0], ROOT / "models" / "digits" / "1", *words[2:], data.parent)
    assert old.returncode == 2
    assert old.stderr.endswith("digits/1 does not measure familiarity; train it again.\n")


@pytest.mark.usefixtures("converting_here")
def test_wrong_labels_are_named(tmp_path: Path, run_here: Command) -> None:
    data = write_classes(tmp_path / "d", 20, ("down", "level"))
    (data / "down" / "5.png").rename(data / "level" / "wrong.png")
    done = run_here(*words(data, tmp_path))
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if "look like another class" in line)
    assert "level/wrong.png" in line
