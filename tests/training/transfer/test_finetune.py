"""Fine-tuning: what is trained, for how long, and that an interrupted one goes on the same."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conftest import striped
from training.data.cache import DecodedSubset
from training.loop.averaging import WeightAverage
from training.loop.checkpoint import EPOCHS, EpochMetrics, RunFolder, TrainingState
from training.networks.architectures import residual
from training.recipes.catalogue import TRANSFER
from training.transfer import finetune
from training.transfer.finetune import fine_tune

RECIPE = replace(
    TRANSFER, epochs=3, batch_size=10, sides=((32, 1.0),), minutes=30.0, frozen=("stem",)
)


def photos(counts: tuple[int, ...], side: int = 40) -> DecodedSubset:
    labels = np.repeat(np.arange(len(counts)), counts)
    grey = [striped(int(label), number, side) for number, label in enumerate(labels)]
    return DecodedSubset(np.repeat(np.stack(grey)[..., np.newaxis], 3, axis=3), labels, {})


def small(classes: int = 2) -> keras.Model:
    keras.utils.set_random_seed(4)
    return residual(
        classes, side=None, stem=4, widths=(4, 8), depths=(1, 1), strides=(1, 2), dropout=0.0
    )


def tune(
    run: RunFolder, recipe: Any = RECIPE, resume: bool = False, counts: tuple[int, ...] = (15, 15)
) -> tuple[keras.Model, TrainingState]:
    state = run.begin({}, resume=resume, restart=False)
    network = small(len(counts))
    return network, fine_tune(recipe, network, photos(counts), run, state)


class Stopped(Exception):
    pass


class StoppedRun(RunFolder):
    """A run that is killed right after the checkpoint of its first epoch."""

    def save(
        self,
        network: keras.Model,
        average: WeightAverage | None,
        state: TrainingState,
        rows: list[EpochMetrics],
    ) -> TrainingState:
        super().save(network, average, state, rows)
        raise Stopped


def test_the_frozen_layers_and_the_statistics_stay(tmp_path: Path) -> None:
    before = small()
    network, state = tune(RunFolder(tmp_path / "run"))
    assert state.epochs == 3
    assert all(row["val_loss"] is None for row in state.history)
    for layer, old in zip(network.layers, before.layers, strict=True):
        fixed = layer.name.startswith("stem") or "norm" in layer.name
        for new_weights, old_weights in zip(layer.get_weights(), old.get_weights(), strict=True):
            assert np.array_equal(new_weights, old_weights) == fixed, layer.name


def test_a_resumed_fine_tuning_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, _ = tune(RunFolder(tmp_path / "whole"))
    with pytest.raises(Stopped):
        tune(StoppedRun(tmp_path / "part"))
    resumed, state = tune(RunFolder(tmp_path / "part"), resume=True)
    assert state.epochs == 3
    for one, two in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)


def test_a_finished_fine_tuning_is_not_repeated(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    first, _ = tune(run)
    again, state = tune(run, resume=True)
    assert state.epochs == 3
    for one, two in zip(first.get_weights(), again.get_weights(), strict=True):
        assert np.array_equal(one, two)


def test_the_minutes_decide_how_many_epochs_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(seconds: float, minutes: float, name: str) -> int:
        monkeypatch.setattr(finetune, "_seconds_of_batch", lambda *_: seconds)
        run = RunFolder(tmp_path / name)
        _, state = tune(run, replace(RECIPE, minutes=minutes))
        assert json.loads((run.path / EPOCHS).read_text())["epochs"] == state.epochs
        return state.epochs

    assert plan(1.0, 0.12, "two") == 2, "3 batches of a second, 7 seconds"
    assert plan(1.0, 60.0, "most") == 3
    assert plan(1.0, 0.04, "none") == 0


def test_without_time_for_an_epoch_the_network_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "_seconds_of_batch", lambda *_: 1e6)
    network, state = tune(RunFolder(tmp_path / "run"))
    assert state.epochs == 0
    for one, two in zip(network.get_weights(), small().get_weights(), strict=True):
        assert np.array_equal(one, two)


def test_timing_leaves_the_weights_as_they_were() -> None:
    network = small()
    training = photos((15, 15))
    batches = finetune._batches(RECIPE, 2, training, 0)
    assert finetune._seconds_of_batch(RECIPE, network, batches) > 0
    for one, two in zip(network.get_weights(), small().get_weights(), strict=True):
        assert np.array_equal(one, two)


def test_rare_classes_weigh_more(tmp_path: Path) -> None:
    weights = finetune._photo_weights(np.repeat([0, 1], [40, 10]))
    assert weights is not None
    assert weights.mean() == pytest.approx(1)
    assert weights[-1] / weights[0] == pytest.approx(2)
    assert finetune._photo_weights(np.repeat([0, 1], [40, 40])) is None
    _, state = tune(RunFolder(tmp_path / "run"), counts=(20, 5, 8))
    assert state.epochs == 3
