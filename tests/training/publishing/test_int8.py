"""Networks in int8 are made from photos, compared on validation, and left out if they are worse."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.model.card import CARD, EXPLAIN, INT8, LITERT, Metric
from app.model.version_folder import load_card
from tests.conftest import Command
from tests.versions import edit_card
from training.publishing import int8
from training.publishing.int8 import _lost


def without_int8(folder: Path, beside: Path) -> Path:
    """A copy of a version as releases before int8 left it."""
    copy = Path(shutil.copytree(folder, beside / folder.name))

    def edit(card: dict[str, Any]) -> None:
        del card["files"][INT8], card["int8"]

    edit_card(copy, edit)
    (copy / INT8).unlink()
    return copy


def test_training_measures_both_networks_on_the_same_photos(stripes_model: Path) -> None:
    card = load_card(stripes_model)
    assert card.int8
    figures = card.int8.metrics
    for name in ("validation_accuracy", "validation_log_loss", "test_accuracy", "test_log_loss"):
        assert figures[f"float_{name}"].value == card.metrics[name].value
        assert figures[f"float_{name}"].samples == figures[name].samples
    assert 0 < figures["test_mean_difference"].value < figures["test_largest_difference"].value
    assert figures["test_log_loss"].value != figures["float_test_log_loss"].value
    text = (stripes_model / "README.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| test log loss |"))
    assert "## In int8" in text
    assert f"{card.metrics['test_log_loss'].value:.4f}" in row


@pytest.mark.usefixtures("converting_here")
def test_the_command_adds_it_to_an_old_version(
    stripes_model: Path, stripes: Path, tmp_path: Path, run_here: Command
) -> None:
    folder = without_int8(stripes_model, tmp_path)
    done = run_here("training.export", folder)
    assert (done.returncode, INT8 in load_card(folder).files) == (0, False), done.stderr
    done = run_here("training.export", folder, "--data", stripes)
    assert done.returncode == 0, done.stderr
    assert f"{folder / INT8}: up to date" in done.stdout
    made, trained = load_card(folder).int8, load_card(stripes_model).int8
    assert made
    assert trained
    assert made.golden == trained.golden, "the same photos give the same ranges"
    done = run_here("training.export", folder)
    assert load_card(folder).int8 == made, "without photos it stays"


def test_photos_of_other_classes_are_refused(
    stripes_model: Path, stripes: Path, tmp_path: Path, run_here: Command
) -> None:
    folder = without_int8(stripes_model, tmp_path)
    edit_card(folder, lambda card: card.update(labels=["down", "level", "up"], reference=None))
    before = (folder / CARD).read_bytes()
    done = run_here("training.export", folder, "--data", stripes)
    assert done.returncode == 2
    assert "its classes are down, level, slope, those of" in done.stderr
    assert (folder / CARD).read_bytes() == before


@pytest.mark.usefixtures("converting_here")
@pytest.mark.parametrize("has_one", [False, True])
def test_a_worse_network_is_left_out(
    stripes_model: Path,
    stripes: Path,
    tmp_path: Path,
    run_here: Command,
    monkeypatch: pytest.MonkeyPatch,
    has_one: bool,
) -> None:
    quantize = int8.quantize

    def from_darkness(plain: Path, destination: Path, photos: np.ndarray) -> None:
        quantize(plain, destination, photos // 64)

    monkeypatch.setattr(int8, "quantize", from_darkness)
    folder = without_int8(stripes_model, tmp_path)
    if has_one:
        shutil.rmtree(folder)
        shutil.copytree(stripes_model, folder)
    done = run_here("training.export", folder, "--data", stripes)
    assert done.returncode == 0, done.stderr
    assert "there is no network in int8, as it would lose too much: " in done.stdout
    assert " instead of " in done.stdout
    assert not (folder / INT8).exists()
    assert json.loads((folder / CARD).read_text())["int8"] is None
    load_card(folder)


@pytest.mark.usefixtures("converting_here")
@pytest.mark.parametrize("name", [LITERT, EXPLAIN, INT8])
def test_a_missing_file_is_made_again_with_the_others(
    stripes_model: Path, stripes: Path, tmp_path: Path, run_here: Command, name: str
) -> None:
    folder = Path(shutil.copytree(stripes_model, tmp_path / "1"))
    (folder / name).unlink()
    done = run_here("training.export", folder, "--data", stripes)
    assert done.returncode == 0, done.stderr
    assert (folder / name).stat().st_mode & 0o777 == 0o644
    assert load_card(folder).int8 == load_card(stripes_model).int8


def test_training_photos_stand_for_missing_validation_under_their_own_name() -> None:
    worse = {
        name.replace("validation", "training"): metric
        for name, metric in figures(300, accuracy=(0.5, 0.9)).items()
    }
    assert _lost(worse) == "accuracy 0.5000 instead of 0.9000"


def figures(samples: int, **values: tuple[float, float]) -> dict[str, Metric]:
    found = {}
    for name, (now, before) in values.items():
        found[f"validation_{name}"] = Metric(value=now, samples=samples)
        found[f"float_validation_{name}"] = Metric(value=before, samples=samples)
    return found


def test_little_may_be_lost_and_anything_gained() -> None:
    assert not _lost(figures(1000, accuracy=(0.968, 0.97), log_loss=(0.103, 0.1)))
    assert not _lost(figures(1000, accuracy=(0.99, 0.9), log_loss=(0.05, 0.1), known=(1, 0.9)))
    assert not _lost(figures(50, accuracy=(0.94, 0.96))), "one photo"
    assert not _lost({})


@pytest.mark.parametrize(
    ("name", "now", "before", "words"),
    [
        ("accuracy", 0.967, 0.97, "accuracy 0.9670 instead of 0.9700"),
        ("log_loss", 0.1035, 0.1, "log loss 0.1035 instead of 0.1000"),
        ("known", 0.975, 0.99, "known 0.9750 instead of 0.9900"),
    ],
)
def test_more_is_too_much(name: str, now: float, before: float, words: str) -> None:
    assert _lost(figures(1000, **{name: (now, before)})) == words


def test_what_was_lost_on_the_test_set_does_not_choose() -> None:
    found = figures(1000, accuracy=(0.97, 0.97))
    found["test_accuracy"] = Metric(value=0.5, samples=1000)
    found["float_test_accuracy"] = Metric(value=0.9, samples=1000)
    assert not _lost(found)
