"""The report of an evaluation: JSON, plots, and the worst mistakes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Command, write_classes
from training.data.class_folders import open_subset
from training.evaluation.contact_sheet import contact_sheet, worst_mistakes
from training.evaluation.metrics import Evaluation
from training.evaluation.report import as_json, as_text

LABELS = ("down", "level")


def evaluation(second: list[float], truths: list[int], names: list[str]) -> Evaluation:
    probabilities = np.array([[1 - value, value] for value in second])
    return Evaluation(LABELS, tuple(names), np.array(truths), probabilities, {"x.png": "broken"})


def test_the_json_has_every_figure_and_plain_types() -> None:
    result = evaluation([0.9, 0.2, 0.7, 0.4], [1, 0, 0, 1], ["a", "b", "c", "d"])
    figures = json.loads(json.dumps(as_json(result)))
    assert figures["metrics"]["test_accuracy"]["value"] == 0.5
    assert set(figures["metrics"]) == {
        "test_accuracy", "test_log_loss", "test_brier", "test_calibration_error", "test_auroc",
    }  # fmt: skip
    assert figures["by_class"]["level"] == {"precision": 0.5, "recall": 0.5, "support": 2}
    assert figures["coverage"][2] == {"confidence": 0.9, "coverage": 0.25, "accuracy": 1.0}
    assert figures["unreadable"] == {"x.png": "broken"}


def test_the_text_shows_confidences_without_answers() -> None:
    text = as_text(evaluation([0.6, 0.4], [1, 0], ["a", "b"]))
    assert "99%    0.0%                 -" in text
    assert "left out x.png: broken" in text


def test_the_most_confident_mistake_comes_first() -> None:
    result = evaluation([0.9, 0.99, 0.8, 0.3], [1, 0, 0, 1], ["a", "b", "c", "d"])
    assert [result.names[row] for row in worst_mistakes(result)] == ["b", "c", "d"]


def test_the_sheet_shows_the_photos_of_the_mistakes(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "d", 2, LABELS)
    samples = open_subset(folder, LABELS)
    names = [sample.name for sample in samples]
    result = evaluation([0.95, 0.1, 0.9, 0.9], [0, 0, 1, 1], names)  # the first is wrong
    contact_sheet(result, samples, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet, Image.open(folder / "down" / "0.png") as one:
        place = np.asarray(sheet.convert("L").crop((0, 0, 160, 160)).resize((28, 28)), float)
        assert np.corrcoef(place.ravel(), np.asarray(one, float).ravel())[0, 1] > 0.9
        assert np.asarray(sheet.crop((160, 0, 320, 160))).min() == 255


@pytest.mark.parametrize("again", [False, True])
def test_the_command_does_not_overwrite_a_report(
    tmp_path: Path, stripes_model: Path, stripes: Path, command: Command, again: bool
) -> None:
    report = tmp_path / "report"
    if again:
        report.mkdir()
    done = command("training.evaluate", stripes_model, stripes, "--report", report)
    if again:
        assert done.returncode == 2
        assert "exists already; name a new folder" in done.stderr
        assert not list(report.iterdir())
        return
    assert done.returncode == 0, done.stderr
    found = {entry.name for entry in report.iterdir()}
    assert found == {"figures.json", "evaluation.png", "mistakes.jpg"}
    assert f"wrote {report}" in done.stdout
