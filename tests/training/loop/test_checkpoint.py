"""What a run folder keeps: the last network, and the best one by its validation loss."""

from pathlib import Path

import keras
import numpy as np
import pytest

from training.loop.checkpoint import EpochMetrics, RunFolder, TrainingState


def network(value: float) -> keras.Model:
    """A network whose only weight is `value`."""
    inputs = keras.Input((1,))
    outputs = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")(inputs)
    made = keras.Model(inputs, outputs)
    made.set_weights([np.array([[value]], np.float32)])
    return made


def weight(path: Path) -> float:
    read = network(0)
    read.load_weights(path)
    return float(read.get_weights()[0][0, 0])


def metrics(epoch: int, loss: float | None) -> EpochMetrics:
    return {"epoch": float(epoch), "loss": 1.0, "val_loss": loss, "seconds": 1.0}


@pytest.mark.parametrize(
    ("losses", "best"),
    [([0.5, 0.7], 1), ([0.7, 0.5], 2), ([0.7, 0.5, 0.6, 0.5], 2), ([float("nan"), 0.9], 2)],
)
def test_best_and_final_are_what_they_are_called(
    tmp_path: Path, losses: list[float], best: int
) -> None:
    run = RunFolder(tmp_path / "run")
    state = run.begin({}, resume=False, restart=False)
    for epoch, loss in enumerate(losses, 1):
        state = run.save(network(epoch), None, state, [metrics(epoch, loss)])
    assert state.best_epoch == best
    assert weight(state.kept_weights("best")) == best
    assert weight(state.kept_weights("final")) == len(losses)
    read = run.load()
    assert isinstance(read, TrainingState)
    assert (read.epochs, read.best_epoch) == (len(losses), best)
    assert weight(read.kept_weights("best")) == best


def test_epochs_without_validation_are_never_the_best(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    state = run.begin({}, resume=False, restart=False)
    state = run.save(network(2), None, state, [metrics(1, None), metrics(2, 0.4)])
    state = run.save(network(4), None, state, [metrics(3, None), metrics(4, 0.6)])
    assert (state.best_epoch, weight(state.kept_weights("best"))) == (2, 2)
