"""The figures of a test, against values worked out by hand and by other means."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.cli import CommandError
from app.imaging.decode import Decoded
from app.model.classifier import Classifier
from app.model.prediction import Prediction, prediction
from app.model.version_folder import load_card
from tests import pictures
from tests.conftest import Command, striped
from tests.versions import DIGITS
from training.data.samples import Sample
from training.evaluation import evaluator
from training.evaluation.evaluator import evaluate
from training.evaluation.report import as_text


class Scripted(Classifier):
    """Answers what the bytes say: b"0.9" is a probability of 0.9 for the first label."""

    def decoded(self, data: bytes) -> Decoded:
        if not data.startswith(b"0") and not data.startswith(b"1"):
            return super().decoded(data)
        return Decoded(np.array([[[float(data)]]]), round(float(data) * 1e6))

    def predict_pixels(self, batch: np.ndarray, alone: bool = False) -> list[Prediction]:
        assert alone  # one photo at a time uses all cores
        values = [(first, 1 - first, 0.0) for first in batch.ravel().tolist()]
        return [prediction(self.card, outputs) for outputs in values]


def samples(*answers: tuple[int, str]) -> list[Sample]:
    return [
        Sample(f"{number}", label, "", answer.encode)
        for number, (label, answer) in enumerate(answers)
    ]


@pytest.fixture
def scripted() -> Scripted:
    real = Classifier.load(DIGITS)
    labels = {"labels": ("down", "level", "slope")}
    return Scripted(real.card.model_copy(update=labels), real.network)


def test_accuracy_confusion_and_log_loss(scripted: Scripted) -> None:
    result = evaluate(scripted, samples((0, "0.9"), (0, "0.2"), (1, "0.4"), (1, "0.25")))
    assert result.confusion.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert result.accuracy.value == 0.75
    assert result.accuracy.samples == 4
    expected = -sum(map(math.log, (0.9, 0.2, 0.6, 0.75))) / 4
    assert result.log_loss == pytest.approx(expected)


def test_the_log_loss_of_a_certain_mistake_is_finite(scripted: Scripted) -> None:
    assert evaluate(scripted, samples((1, "1.0"))).log_loss == pytest.approx(24 * math.log(2))


def test_unreadable_photos_are_counted_apart(scripted: Scripted) -> None:
    result = evaluate(scripted, samples((0, "0.9"), (0, "no photo")))
    assert result.samples == 1
    assert list(result.unreadable) == ["1"]
    assert "left out 1: The file is not a photo" in as_text(result)
    with pytest.raises(CommandError, match="none of the 1 test photos"):
        evaluate(scripted, samples((0, "no photo")))


def test_labels_stay_with_their_photos_beside_unreadable_ones(scripted: Scripted) -> None:
    """The unreadable ones first and in the middle, the labels mixed."""
    answers = [(2, "no photo"), (1, "0.1"), (0, "0.9"), (1, "nor this"), (0, "0.8"), (1, "0.3")]
    result = evaluate(scripted, samples(*answers))
    assert result.truths.tolist() == [1, 0, 0, 1]
    assert result.names == ("1", "2", "4", "5")
    assert result.probabilities[:, 0].tolist() == [0.1, 0.9, 0.8, 0.3]
    assert [photo["megapixels"] for photo in result.statistics] == [0.1, 0.9, 0.8, 0.3]
    assert result.accuracy.value == 1
    assert list(result.unreadable) == ["0", "3"]


@pytest.mark.parametrize(("description", "expected"), [((), "testing"), (("more",), "more")])
def test_the_progress_counts_the_photos(
    scripted: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    description: tuple[str, ...],
    expected: str,
) -> None:
    shown: list[tuple[object, ...]] = []

    def progress(items: object, *arguments: object, total: int) -> object:
        shown.append((*arguments, total))
        return items

    monkeypatch.setattr(evaluator, "progress", progress)
    result = evaluate(scripted, samples((0, "no photo"), (1, "0.1"), (0, "0.9")), *description)
    assert shown == [(expected, "photo", 3)]
    assert result.labels == ("down", "level", "slope")
    assert list(result.unreadable.items()) == [
        ("0", "The file is not a photo in an accepted format: JPEG, PNG, WEBP, GIF, BMP, TIFF, "
         "AVIF, HEIC."),
    ]  # fmt: skip


def test_the_command_reproduces_the_accuracy_of_the_card(
    stripes_model: Path, tmp_path: Path, command: Command
) -> None:
    labels = load_card(stripes_model).labels
    for label, name in enumerate(labels):
        (tmp_path / name).mkdir()
        for number in range(20):
            data = pictures.encode(pictures.grey(striped(label, 900 + number)))
            (tmp_path / name / f"{number}.png").write_bytes(data)
    done = command("training.evaluate", stripes_model, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "60 photos" in done.stdout
    assert "was trained on" not in done.stderr
    classifier = Classifier.load(stripes_model)
    right = sum(
        classifier.predict(path.read_bytes()).label == path.parent.name
        for path in tmp_path.rglob("*.png")
    )
    assert f"{right / 60:.2%}  (95 %" in done.stdout


def test_the_report_is_readable(scripted: Scripted) -> None:
    text = as_text(evaluate(scripted, samples(*[(0, "0.9")] * 3 + [(1, "0.4")])))
    assert text.splitlines()[0].startswith(
        "accuracy           100.00%  (95 % interval 51.01% to 100.00%, 4"
    )
    assert np.char.count(text, "down") >= 1


def test_photos_that_the_model_was_trained_on_are_counted(
    stripes_model: Path, stripes: Path, run_here: Command, tmp_path: Path
) -> None:
    done = run_here("training.evaluate", stripes_model, stripes)
    assert "note: the model was trained on 318 of these 450 photos; " in done.stderr
    some = tmp_path / "some"
    shutil.copytree(stripes / "down", some / "down")
    done = run_here("training.evaluate", stripes_model, some)
    assert done.returncode == 0
    assert "note: the model was trained on 106 of these 150 photos; " in done.stderr


def test_an_old_version_says_nothing_of_its_photos(
    stripes_model: Path, stripes: Path, run_here: Command, tmp_path: Path
) -> None:
    old = tmp_path / "1"
    shutil.copytree(stripes_model, old)
    card = json.loads((old / "card.json").read_text())
    del card["files"]["training-photos.bin"]
    (old / "card.json").write_text(json.dumps(card))
    (old / "training-photos.bin").unlink()
    done = run_here("training.evaluate", old, stripes)
    assert done.returncode == 0
    assert "was trained on" not in done.stderr
