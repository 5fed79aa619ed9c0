"""The second task: what it is fed, what it costs, and that nothing of it is published."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.conftest import shaken
from training.data.augmentation import Augmentation
from training.loop.batches import Batches, targets_for
from training.loop.build import Accuracy
from training.networks import architectures
from training.networks.rotation_task import (
    TURNS,
    LabelAndTurns,
    add_turns,
    append_turned,
    not_turned,
    without_turns,
)

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_second_task_leaves_the_first_as_it_was(classes: int, tmp_path: Path) -> None:
    network = shaken(architectures.residual(classes, side=32))
    pixels = RANDOM.integers(0, 256, (4, 32, 32, 3), np.uint8)
    before = keras.ops.convert_to_numpy(network(pixels))
    both = add_turns(network)
    answers = keras.ops.convert_to_numpy(both(pixels))
    np.testing.assert_allclose(answers[:, :-TURNS], before, atol=1e-6)
    np.testing.assert_allclose(answers[:, -TURNS:].sum(axis=1), 1, atol=1e-5)
    both.save(tmp_path / "both.keras")
    again = without_turns(keras.saving.load_model(tmp_path / "both.keras"))
    assert [layer.name for layer in again.layers] == [layer.name for layer in network.layers]
    for one, two in zip(again.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert without_turns(network) is network


def test_turned_photos_follow_those_with_a_label() -> None:
    photos = RANDOM.integers(0, 256, (9, 8, 8, 3), np.uint8)
    targets = not_turned(RANDOM.random((9, 1), np.float32))
    pixels, both = append_turned(photos, targets, np.random.default_rng(1))
    assert pixels.dtype == np.uint8
    assert both.dtype == np.float32
    assert len(pixels) == len(both) == 13
    np.testing.assert_array_equal(pixels[:9], photos)
    np.testing.assert_array_equal(both[:9], targets)
    sources = []
    for photo, target in zip(pixels[9:], both[9:], strict=True):
        assert sorted(target[-TURNS:]) == [0, 0, 0, 1]
        upright = np.rot90(photo, -int(target[-TURNS:].argmax()))
        sources += [row for row in range(9) if np.array_equal(photos[row], upright)]
    assert len(set(sources)) == 4, "each is a photo of the batch, and another one"


def test_every_turn_is_asked_for() -> None:
    photos = np.zeros((400, 2, 2, 3), np.uint8)
    _, both = append_turned(photos, not_turned(np.zeros((400, 1), np.float32)), RANDOM)
    assert both[:, -TURNS:].sum(axis=0).min() > 30


def test_batches_are_half_a_batch_longer_and_the_same_when_repeated() -> None:
    photos = RANDOM.integers(0, 256, (25, 12, 12, 3), np.uint8)
    targets = not_turned(targets_for(np.arange(25) % 2, 2))
    changes = Augmentation(flip=True, cutmix=1.0)
    one, two = (
        Batches(photos, targets, 10, seed=1, augmentation=changes, side=8, turned=True)
        for _ in range(2)
    )
    assert [len(one[index][0]) for index in range(3)] == [15, 15, 7]
    for index in range(3):
        for first, second in zip(one[index], two[index], strict=True):
            np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("columns", [1, 3])
def test_the_loss_is_that_of_either_task_over_its_own_photos(columns: int) -> None:
    labels = RANDOM.dirichlet(np.ones(3), 4)[:, :columns].astype(np.float32)
    turn = np.eye(TURNS, dtype=np.float32)[[2, 1]]
    targets = not_turned(np.concatenate([labels, RANDOM.random((2, columns), np.float32)]))
    targets[4:, -TURNS:] = turn
    outputs = RANDOM.dirichlet(np.ones(3), 6)[:, :columns].astype(np.float32)
    turns = RANDOM.dirichlet(np.ones(TURNS), 6).astype(np.float32)
    costs = labels * np.log(outputs[:4])
    if columns == 1:
        costs += (1 - labels) * np.log(1 - outputs[:4])
    of_labels = -costs.sum(axis=1).mean()
    of_turns = -(turn * np.log(turns[4:])).sum(axis=1).mean()
    answers = np.concatenate([outputs, turns], axis=1)
    loss = LabelAndTurns(0.3)
    assert float(loss(targets, answers)) == pytest.approx(of_labels + 0.3 * of_turns, rel=1e-4)
    # Validation: no photo is turned.
    assert float(loss(targets[:4], answers[:4])) == pytest.approx(of_labels, rel=1e-4)
    again = LabelAndTurns.from_config(loss.get_config())
    assert float(again(targets, answers)) == float(loss(targets, answers))


@pytest.mark.parametrize("columns", [1, 3])
def test_accuracy_is_of_photos_with_a_label(columns: int) -> None:
    targets = not_turned(np.full((5, columns), 0.1, np.float32))
    targets[:, 0] = 0.9
    targets[3:, -TURNS:] = np.eye(TURNS)[:2]
    outputs = targets.copy()
    outputs[2:, 0] = 0.0
    accuracy = Accuracy(columns)
    accuracy.update_state(targets, outputs)
    assert float(accuracy.result()) == pytest.approx(2 / 3)
    again = Accuracy.from_config(accuracy.get_config())
    again.update_state(targets[:3, :columns], outputs[:3, :columns])
    assert float(again.result()) == pytest.approx(2 / 3)
