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
from training.evaluation.plots import evaluation_plots
from training.evaluation.report import as_json, as_text, left_out

LABELS = ("down", "level")


def evaluation(second: list[float], truths: list[int], names: list[str]) -> Evaluation:
    probabilities = np.array([[1 - value, value] for value in second])
    return Evaluation(LABELS, tuple(names), np.array(truths), probabilities, {"x.png": "broken"})


def test_the_json_has_every_figure_and_plain_types() -> None:
    result = evaluation([0.9, 0.2, 0.7, 0.4], [1, 0, 0, 1], ["a", "b", "c", "d"])
    figures = json.loads(json.dumps(as_json(result)))
    assert figures["metrics"]["test_accuracy"]["value"] == 0.5
    assert set(figures["metrics"]) == {
        "test_accuracy", "test_balanced_accuracy", "test_log_loss", "test_brier",
        "test_calibration_error", "test_auroc",
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


def many_labels(count: int) -> Evaluation:
    labels = tuple(f"label{number:03}" for number in range(count))
    answers = np.arange(count)
    answers[: count // 2] = 0  # a recall of 0 but for the first label
    return Evaluation(
        labels, tuple(map(str, range(count))), np.arange(count), np.eye(count)[answers], {}
    )


@pytest.mark.parametrize("count", [21, 300, 1000])
def test_the_text_of_many_labels_is_short_and_shows_the_worst(count: int) -> None:
    text = as_text(many_labels(count))
    assert len(text) < 4000
    assert f"(20 of {count} labels, those with the lowest recall; figures.json of" in text
    assert "label001" in text
    table, _, confusions = text.partition("(20 of")
    assert ("label000" in table) == (count < 40)
    assert "1 photos of label001 answered label000" in confusions
    assert len(as_json(many_labels(count))["confusion"]) == count


def test_labels_without_photos_are_not_in_the_table() -> None:
    result = Evaluation(("a", "b", "c"), ("x",), np.array([1]), np.array([[0.1, 0.8, 0.1]]), {})
    assert [line[0] for line in as_text(result).splitlines()[6:8]] == ["t", "b"]
    assert "(a, b, c)" in as_text(result)
    assert "photos of" not in as_text(result), "nothing is confused"
    assert as_json(result)["by_class"]["a"]["support"] == 0


def test_of_very_many_photos_left_out_only_some_are_named() -> None:
    lines = left_out({f"{number:05}.png": "broken" for number in range(5000)})
    assert len(lines) == 201
    assert lines[-1] == "left out 4800 photos more"


@pytest.mark.parametrize(
    "labels",
    [
        ("$a$", "$b", "c$"), ("$\\frac$ $x", "y", "z"), ("_x", "y", "z"), ("a|b", "%s", "{}"),
        ("犬", "猫", "ä"), tuple(f"label{number}" for number in range(300)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("present", [1, 2, 3])
def test_the_plots_take_any_labels(tmp_path: Path, labels: tuple[str, ...], present: int) -> None:
    truths = np.arange(30) % present
    probabilities = np.random.default_rng(0).dirichlet(np.ones(len(labels)), 30)
    result = Evaluation(labels, tuple(map(str, range(30))), truths, probabilities, {})
    evaluation_plots(result, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert as_text(result).startswith("accuracy")
