"""Fine-tune a pretrained network within a number of minutes."""

import json
import time

import keras
import numpy as np

from training.atomic import write_text
from training.data.cache import DecodedSubset
from training.loop.averaging import WeightAverage
from training.loop.batches import Batches, encode_targets
from training.loop.build import accuracy
from training.loop.callbacks import CheckpointSaver, ProgressBar
from training.loop.checkpoint import EPOCHS, LATEST, VALIDATED, RunFolder, TrainingState
from training.loop.share import Share
from training.recipes.recipe import Recipe
from training.transfer.head import is_imbalanced

_TIMED = 6  # batches, after two that compile the network
_WARM_UP = 0.1  # of all batches


def fine_tune(
    recipe: Recipe,
    network: keras.Model,
    training: DecodedSubset,
    run: RunFolder,
    state: TrainingState,
) -> TrainingState:
    """Train the layers behind the frozen ones, for as many epochs as the recipe's minutes allow.

    Args:
        recipe: the recipe.
        network: accepts photos of any size, and has the head to start from. It gets the averaged
            weights. If there is no time for one epoch, it stays as it is.
        training: the training photos, decoded at the served size or larger.
        run: the folder for the checkpoints, one after each epoch.
        state: the state of an interrupted run, or an empty one.

    Returns:
        The final state; it has no epochs if there was no time for one.

    Raises:
        CommandError: the loss diverged.
    """
    state = tune_epochs(recipe, network, training, run, state)
    if state.folder is not None:
        network.load_weights(state.folder / VALIDATED)
    return state


def tune_epochs(
    recipe: Recipe,
    network: keras.Model,
    training: DecodedSubset,
    run: RunFolder,
    state: TrainingState,
    share: Share | None = None,
) -> TrainingState:
    """Fine-tune as `fine_tune` does, and leave the averaged weights in the last checkpoint alone.

    Args:
        share: this process's part of the batches, if it is one of several workers.

    Raises:
        CommandError: the loss diverged.
    """
    classes = int(training.labels.max()) + 1
    freeze(network, recipe.frozen)
    batches = _batches(recipe, classes, training, state.epochs, share)
    epochs = _planned_epochs(recipe, network, batches, run, share)
    if not epochs:
        return state
    trained, average = _begin_or_restore(recipe, network, state, len(batches), epochs)
    saver = CheckpointSaver(run, state, classes, recipe, average, validates=False)
    bar = ProgressBar(epochs, len(batches), state.epochs)
    callbacks = [average, bar, saver]
    if share:
        share.prepare(trained)
        callbacks = [*share.callbacks, *callbacks]
    if state.epochs < epochs:
        trained.fit(
            batches,
            epochs=epochs,
            initial_epoch=state.epochs,
            shuffle=False,
            verbose=0,
            callbacks=callbacks,
        )
    bar.close()
    return saver.state


def freeze(network: keras.Model, prefixes: tuple[str, ...]) -> None:
    """Exclude from training the layers whose names begin so, and every normalisation."""
    for layer in network.layers:
        normalises = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = not (normalises or layer.name.startswith(prefixes))


def _batches(
    recipe: Recipe, classes: int, training: DecodedSubset, epoch: int, share: Share | None = None
) -> Batches:
    return Batches(
        training.pixels,
        encode_targets(training.labels, classes, recipe.label_smoothing),
        recipe.batch_size,
        seed=recipe.seed,
        epoch=epoch,
        augmentation=recipe.augmentation,
        side=recipe.sides[-1][0],
        weights=_photo_weights(training.labels),
        share=share,
    )


def _photo_weights(labels: np.ndarray) -> np.ndarray | None:
    """Return weights by the square root of rarity, with mean 1; None for balanced classes."""
    if not is_imbalanced(labels):
        return None
    weights = np.sqrt(1 / np.bincount(labels))[labels]
    return np.asarray(weights / weights.mean(), np.float32)


def _planned_epochs(
    recipe: Recipe, network: keras.Model, batches: Batches, run: RunFolder, share: Share | None
) -> int:
    """Return how many epochs fit into the minutes; a resumed run has the number it began with."""
    plan = run.path / EPOCHS
    if not plan.is_file():
        seconds = _seconds_of_batch(recipe, network, batches, share) * len(batches)
        epochs = min(int(60 * recipe.minutes / seconds), recipe.epochs)
        print(f"one epoch takes about {seconds / 60:.1f} minutes: {epochs} epochs of fine-tuning")
        write_text(plan, json.dumps({"epochs": epochs}) + "\n")
    return int(json.loads(plan.read_text(encoding="utf-8"))["epochs"])


def _seconds_of_batch(
    recipe: Recipe, network: keras.Model, batches: Batches, share: Share | None = None
) -> float:
    """Time some batches, and restore the network's weights."""
    weights = network.get_weights()
    _compile(recipe, network, 1)
    if share:
        share.prepare(network)
    times = []
    for index in range(2 + _TIMED):
        before = time.perf_counter()
        network.train_on_batch(*batches[index % len(batches)])
        times.append(time.perf_counter() - before)
    network.set_weights(weights)
    seconds = float(np.mean(times[2:]))
    return share.mean(seconds) if share else seconds  # all workers plan alike


def _compile(recipe: Recipe, network: keras.Model, steps: int) -> None:
    warm_up = int(_WARM_UP * steps)
    rate = keras.optimizers.schedules.CosineDecay(
        recipe.learning_rate / max(warm_up, 1),
        max(steps - warm_up, 1),
        warmup_target=recipe.learning_rate,
        warmup_steps=warm_up,
    )
    two = network.output_shape[-1] == 1
    network.compile(
        keras.optimizers.AdamW(rate, weight_decay=recipe.weight_decay or 0.0),
        "binary_crossentropy" if two else "categorical_crossentropy",
        metrics=[accuracy],
        jit_compile=False,  # XLA's depthwise convolutions are slow on a CPU
    )


def _begin_or_restore(
    recipe: Recipe, network: keras.Model, state: TrainingState, batches: int, epochs: int
) -> tuple[keras.Model, WeightAverage]:
    """Return the network to train and its average, new or from the last checkpoint."""
    if state.folder is None:
        _compile(recipe, network, epochs * batches)
        return network, WeightAverage(recipe.average)
    network.load_weights(state.folder / VALIDATED)
    average = WeightAverage(recipe.average, state.epochs * batches, network.get_weights())
    return keras.saving.load_model(state.folder / LATEST), average
