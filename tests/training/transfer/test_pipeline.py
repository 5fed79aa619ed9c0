"""From features to a network: the head, fine-tuning only if it pays, and small data sets."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conftest import write_classes
from training.data.class_folders import open_dataset
from training.data.samples import Dataset
from training.data.small import merge_small
from training.loop.checkpoint import RunFolder, TrainingState
from training.networks.half import is_half
from training.recipes.catalogue import TRANSFER
from training.recipes.recipe import Recipe
from training.transfer import pipeline
from training.transfer.finetune import fine_tune
from training.transfer.pipeline import FineTuning, Transferred, transfer

RECIPE = replace(
    TRANSFER, options={"variant": "lite0", "side": 96}, sides=((80, 1.0),), source_side=96
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(write_classes(tmp_path_factory.mktemp("d") / "d", 40, ("down", "level")))


def run(
    recipe: Recipe, dataset: Dataset, cache: Path, folder: Path, tune: FineTuning = fine_tune
) -> Transferred:
    runs = RunFolder(folder)
    state = runs.begin({}, resume=False, restart=True)
    return transfer(recipe, dataset, cache, runs, state, tune=tune)


def pretend_tuning(change: float) -> Any:
    """A fine-tuning that moves the last layer's bias."""

    def pretended(_recipe: Recipe, network: keras.Model, *_rest: Any) -> TrainingState:
        kernel, bias = network.layers[-1].get_weights()
        network.layers[-1].set_weights([kernel, bias + change])
        row = {"epoch": 1.0, "loss": 0.1, "accuracy": 1.0, "val_loss": None, "val_accuracy": None}
        return TrainingState([{**row, "seconds": 1.0}], Path())

    return pretended


def test_zero_minutes_are_the_head_alone(dataset: Dataset, cache: Path, tmp_path: Path) -> None:
    found = run(replace(RECIPE, minutes=0.0), dataset, cache, tmp_path)
    assert (found.kept_epoch, len(found.history)) == (0, 1)
    assert found.history[0]["val_accuracy"] == 1.0
    assert found.out_of_fold is not None, "too few validation photos for the thresholds"
    assert found.photos == (56, 12)
    assert found.network.input_shape == (None, 96, 96, 3)
    assert is_half(found.network)


def test_worse_fine_tuning_is_not_published(dataset: Dataset, cache: Path, tmp_path: Path) -> None:
    alone = run(replace(RECIPE, minutes=0.0), dataset, cache, tmp_path / "a")
    recipe = replace(RECIPE, minutes=1.0)
    found = run(recipe, dataset, cache, tmp_path / "b", pretend_tuning(100.0))
    assert found.kept_epoch == 0
    assert len(found.history) == 2, "its curve is shown nevertheless"
    for one, two in zip(alone.network.get_weights(), found.network.get_weights(), strict=True):
        assert np.array_equal(one, two)


def test_fine_tuning_that_is_no_worse_is_published(
    dataset: Dataset, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline._Candidate, "is_no_worse_than", lambda *_: True)
    found = run(replace(RECIPE, minutes=1.0), dataset, cache, tmp_path, pretend_tuning(0.0))
    assert found.kept_epoch == 1
    assert found.history[-1]["val_accuracy"] == 1.0


def test_no_time_for_an_epoch_is_the_head_alone(
    dataset: Dataset, cache: Path, tmp_path: Path
) -> None:
    def no_time(*arguments: Any) -> TrainingState:
        state: TrainingState = arguments[-1]
        return state

    found = run(replace(RECIPE, minutes=0.001), dataset, cache, tmp_path, no_time)
    assert (found.kept_epoch, len(found.history)) == (0, 1)


def test_a_small_set_is_cross_validated(cache: Path, tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "d", 10, ("down", "level", "slope"))
    found = run(RECIPE, merge_small(open_dataset(folder)), cache, tmp_path / "run")
    assert found.kept_epoch == 0, "nothing could judge a fine-tuning"
    assert found.photos == (30, 0)
    evaluation = found.out_of_fold
    assert evaluation is not None
    assert evaluation.samples == 30
    assert evaluation.accuracy.value > 0.8
    assert found.network.output_shape == (None, 3)


@pytest.mark.parametrize(
    ("accuracies", "losses", "expected"),
    [((0.9, 0.9), (0.2, 0.3), True), ((0.91, 0.9), (0.4, 0.3), False),
     ((0.89, 0.9), (0.2, 0.3), False), ((0.95, 0.9), (0.3, 0.3), True)],
)  # fmt: skip
def test_no_worse_means_accuracy_and_log_loss(
    accuracies: tuple[float, float],
    losses: tuple[float, float],
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    candidates = [pipeline._Candidate(np.zeros((1, 1)), np.zeros(1), n) for n in (0, 1)]
    monkeypatch.setattr(
        pipeline._Candidate, "accuracy", property(lambda self: accuracies[self.epoch])
    )
    monkeypatch.setattr(pipeline._Candidate, "loss", property(lambda self: losses[self.epoch]))
    assert candidates[0].is_no_worse_than(candidates[1]) == expected
