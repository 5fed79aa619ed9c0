"""Epochs of gradient descent over a dataset in memory, with a checkpoint after each."""

import time
from typing import Any

import keras
from tqdm import tqdm

from app.card import Input
from training import networks
from training.batches import Batches, targets_for
from training.checkpoint import BEST, LATEST, RunFolder, State
from training.command import progress
from training.recipes import Recipe
from training.samples import Decoded


def input_of(recipe: Recipe, classes: int) -> Input:
    """What the recipe's network takes."""
    network: keras.Model = getattr(networks, recipe.network)(classes)
    height, width, channels = network.input_shape[1:]
    return Input(height=height, width=width, channels=channels)


def build(recipe: Recipe, classes: int) -> keras.Model:
    """The recipe's network, compiled; its first weights follow from the recipe's seed."""
    keras.utils.set_random_seed(recipe.seed)
    network: keras.Model = getattr(networks, recipe.network)(classes)
    optimizer = keras.optimizers.get(recipe.optimizer)
    optimizer.learning_rate = recipe.learning_rate
    loss = "binary_crossentropy" if classes == 2 else "sparse_categorical_crossentropy"
    network.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    return network


def train(
    recipe: Recipe,
    classes: int,
    training: Decoded,
    validation: Decoded,
    run: RunFolder,
    state: State,
) -> tuple[keras.Model, State]:
    """Train from `state` to the recipe's last epoch.

    Returns:
        The network of the epoch with the lowest validation loss, uncompiled (no optimizer
        state), and the final state.
    """
    if state.epochs < recipe.epochs:
        state = _fit(recipe, classes, training, validation, run, state)
    assert state.folder is not None
    return keras.saving.load_model(state.folder / BEST, compile=False), state


def _fit(
    recipe: Recipe,
    classes: int,
    training: Decoded,
    validation: Decoded,
    run: RunFolder,
    state: State,
) -> State:
    network = build(recipe, classes)
    if state.folder is not None:
        network = keras.saving.load_model(state.folder / LATEST)
    batches = Batches(
        training.pixels,
        targets_for(training.labels, classes),
        recipe.batch_size,
        seed=recipe.seed,
        epoch=state.epochs,
    )
    held_out = Batches(
        validation.pixels, targets_for(validation.labels, classes), recipe.batch_size
    )
    saver = Saver(run, state)
    network.fit(
        batches,
        validation_data=held_out,
        epochs=recipe.epochs,
        initial_epoch=state.epochs,
        shuffle=False,  # the batches shuffle themselves; this would shuffle their numbers
        verbose=0,
        callbacks=[Progress(recipe.epochs, len(batches)), saver],
    )
    return saver.state


class Saver(keras.callbacks.Callback):
    """Keeps the network and the metrics after every epoch."""

    def __init__(self, run: RunFolder, state: State) -> None:
        super().__init__()
        self._run = run
        self._began = 0.0
        self.state = state

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the time."""
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the checkpoint and the CSV."""
        seconds = round(time.perf_counter() - self._began, 2)
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        row = {"epoch": epoch + 1, **metrics, "seconds": seconds}
        self.state = self._run.save(self.model, self.state, row)


class Progress(keras.callbacks.Callback):
    """A bar over all batches of all epochs, with the time left, and a line an epoch."""

    def __init__(self, epochs: int, batches: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._batches = batches
        self._bar: tqdm[Any] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Open the bar before the first epoch, where an interrupted run left off."""
        if self._bar is None:
            self._bar = progress(
                None,
                "training",
                "batch",
                total=self._epochs * self._batches,
                initial=epoch * self._batches,
            )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar."""
        assert self._bar is not None
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print the epoch's metrics."""
        values = logs or {}
        tqdm.write(
            f"epoch {epoch + 1:>3}/{self._epochs}  "
            + "  ".join(f"{name} {float(value):.4f}" for name, value in values.items())
        )

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
