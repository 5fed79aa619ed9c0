"""Stages, schedules, and what happens when a training diverges or is interrupted."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from app.cli import CommandError
from tests.conftest import striped
from training.data.augmentation import Augmentation
from training.data.cache import DecodedSubset
from training.loop.build import build
from training.loop.checkpoint import RunFolder, TrainingState
from training.loop.precision import FLOAT32
from training.loop.trainer import Stage, stages, train
from training.recipes.catalogue import DIGITS, RECIPES, RESIDUAL
from training.recipes.recipe import Recipe

TINY = replace(
    RESIDUAL,
    options={"side": 32, "stem": 4, "widths": (8,), "depths": (1,), "strides": (2,)},
    epochs=6,
    batch_size=10,
    warmup=1,
    augmentation=Augmentation(flip=True, rotation=10, crop=0.8, colour=0.1, cutmix=0.5),
    sides=((24, 0.5), (32, 0.5)),
    source_side=40,
    validate_every=2,
)


class Observed(RunFolder):
    """Copies the folder right after the checkpoint of epoch 4, as an interruption leaves it."""

    def save(self, *arguments: Any) -> TrainingState:
        state = super().save(*arguments)
        if state.epochs == 4:
            shutil.copytree(self.path, self.path.with_name("part"))
        return state


def photos(count: int, side: int, first: int = 0) -> DecodedSubset:
    labels = np.arange(count) % 2
    pixels = [striped(int(label), first + seed, side) for seed, label in enumerate(labels)]
    colour = np.repeat(np.stack(pixels)[..., np.newaxis], 3, axis=3)
    return DecodedSubset(colour, labels, {})


def run(
    recipe: Recipe, run_folder: RunFolder, *, resume: bool = False
) -> tuple[keras.Model, TrainingState]:
    state = run_folder.begin({}, resume=resume, restart=False)
    assert state.epochs == 4 * resume
    held_out = photos(20, 32, 500)
    return train(recipe, 2, photos(60, 40), held_out, run_folder, state, FLOAT32)


def test_stages_end_where_their_share_of_the_epochs_does() -> None:
    assert list(stages(TINY)) == [Stage(24, 3), Stage(32, 6)]
    assert list(stages(DIGITS)) == [Stage(None, 5)]
    three = replace(TINY, sides=((24, 0.4), (28, 0.3), (32, 0.3)), epochs=10)
    assert list(stages(three)) == [Stage(24, 4), Stage(28, 7), Stage(32, 10)]


def test_the_rate_rises_and_falls_to_zero() -> None:
    network = build(TINY, 2, batches=6, precision=FLOAT32)
    rate = network.optimizer._learning_rate
    values = [float(rate(step)) for step in range(37)]
    assert values[0] < TINY.learning_rate / 4
    assert values[6] == pytest.approx(TINY.learning_rate)
    assert values[6:] == sorted(values[6:], reverse=True)
    assert values[36] == pytest.approx(0, abs=1e-6)


def test_training_learns_and_validates_on_schedule(tmp_path: Path) -> None:
    network, state = run(replace(TINY, epochs=20), RunFolder(tmp_path / "run"))
    assert network.input_shape == (None, 32, 32, 3)
    assert network.output_shape == (None, 1), "nothing of the second task is published"
    assert [row["epoch"] for row in state.history] == list(range(1, 21))
    validated = [row["epoch"] for row in state.history if row["val_loss"] is not None]
    assert validated == list(range(2, 21, 2))
    held_out = photos(20, 32, 500)
    photos_and_images = held_out.pixels, held_out.pixels[:, :, ::-1]
    answers, mirrored = (keras.ops.convert_to_numpy(network(p))[:, 0] for p in photos_and_images)
    assert ((answers > 0.5) == held_out.labels).mean() >= 0.9
    np.testing.assert_allclose(mirrored, answers, atol=1e-5)


def test_validation_is_on_the_labels_as_they_are(tmp_path: Path) -> None:
    """Label smoothing is for training only: the last loss is that of the published weights."""
    recipe = replace(TINY, epochs=2, sides=((32, 1.0),), label_smoothing=0.4)
    network, state = run(recipe, RunFolder(tmp_path / "run"))
    held_out = photos(20, 32, 500)
    second = keras.ops.convert_to_numpy(network(held_out.pixels))[:, 0].astype(np.float64)
    of_truth = np.where(held_out.labels == 1, second, 1 - second)
    assert state.history[-1]["val_loss"] == pytest.approx(-np.log(of_truth).mean(), abs=1e-4)
    assert state.history[-1]["val_accuracy"] == pytest.approx((of_truth > 0.5).mean())


def test_a_resumed_training_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    whole, _ = run(TINY, Observed(tmp_path / "whole"))
    resumed, _ = run(TINY, RunFolder(tmp_path / "part"), resume=True)
    for one, two in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_a_training_that_diverges_stops_and_keeps_the_best(tmp_path: Path) -> None:
    hopeless = replace(TINY, learning_rate=1e12, optimizer="sgd", weight_decay=None, warmup=3)
    with pytest.raises(CommandError, match="the training diverged: the loss of epoch") as error:
        run(hopeless, RunFolder(tmp_path / "run"))
    assert "Try again with a lower --learning-rate than 1e+12" in str(error.value)


def test_recipes_name_a_network_and_their_sides_add_up() -> None:
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        if recipe.sides:
            assert sum(share for _, share in recipe.sides) == pytest.approx(1)
            # A stem of stride 2 and three stages that halve: residual()'s docstring says why.
            assert all(side % 16 == 0 for side, _ in recipe.sides)
