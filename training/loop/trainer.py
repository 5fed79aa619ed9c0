"""Epochs of gradient descent over decoded photos, with checkpoints to go on from."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from training.data.cache import Decoded
from training.loop.averaging import WeightAverage
from training.loop.batches import Batches, targets_for
from training.loop.build import build, served
from training.loop.callbacks import Progress, Reseed, Saver
from training.loop.checkpoint import LATEST, VALIDATED, RunFolder, State
from training.networks.pretrained import load_pretrained
from training.networks.symmetry import symmetrise
from training.recipes.recipe import Recipe


@dataclass(frozen=True)
class Stage:
    """Epochs up to `end` (counted from 1) with photos of one side; None: the network's own."""

    side: int | None
    end: int


def stages(recipe: Recipe) -> Iterator[Stage]:
    """The recipe's stages in turn; the last one ends with its last epoch."""
    passed = 0.0
    for side, share in recipe.sides[:-1]:
        passed += share
        yield Stage(side, round(passed * recipe.epochs))
    yield Stage(recipe.sides[-1][0] if recipe.sides else None, recipe.epochs)


def train(
    recipe: Recipe,
    classes: int,
    training: Decoded,
    validation: Decoded,
    run: RunFolder,
    state: State,
    precision: str,
) -> tuple[keras.Model, State]:
    """Train from `state` to the recipe's last epoch.

    Args:
        recipe: what to do.
        classes: how many labels.
        training: the photos to train on, at the size of `source_of`.
        validation: the photos to validate on, at the network's size.
        run: where checkpoints go.
        state: of an interrupted run, or an empty one.
        precision: one of `training.loop.precision.PRECISIONS`.

    Returns:
        The kept network in float32, uncompiled (no optimizer state), and the final state.

    Raises:
        CommandError: the loss is not a number or explodes.
    """
    if state.epochs < recipe.epochs:
        state = _fit(recipe, classes, training, validation, run, state, precision)
    network = served(recipe, classes)
    network.load_weights(state.kept(recipe.keep))
    if recipe.mirror_symmetric:
        symmetrise(network)
    return network, state


def _fit(
    recipe: Recipe,
    classes: int,
    training: Decoded,
    validation: Decoded,
    run: RunFolder,
    state: State,
    precision: str,
) -> State:
    batches = -(-len(training.labels) // recipe.batch_size)
    network, average = _begin(recipe, classes, batches, state, precision)
    targets = targets_for(validation.labels, classes)
    held_out = Batches(validation.pixels, targets, recipe.batch_size)
    saver = Saver(run, state, classes, recipe, average)
    bar = Progress(recipe.epochs, batches)
    # The average first: what is saved at an epoch's end contains its last batch.
    callbacks = [*([average] if average else []), Reseed(recipe.seed), bar, saver]
    validated = [n for n in range(1, recipe.epochs) if n % recipe.validate_every == 0]
    for stage in stages(recipe):
        if saver.epochs >= stage.end:
            continue
        network.fit(
            batches_of(recipe, classes, training, stage, saver.epochs),
            validation_data=held_out,
            validation_freq=[*validated, recipe.epochs],
            epochs=stage.end,
            initial_epoch=saver.epochs,
            shuffle=False,  # the batches shuffle themselves; this would shuffle their numbers
            verbose=0,
            callbacks=callbacks,
        )
    bar.close()
    return saver.state


def _begin(
    recipe: Recipe, classes: int, batches: int, state: State, precision: str
) -> tuple[keras.Model, WeightAverage | None]:
    """The network and its average, fresh or as the last checkpoint has them."""
    values: list[np.ndarray] | None = None
    if state.folder is None:
        network = build(recipe, classes, batches, precision)
        if recipe.weights:
            load_pretrained(network, recipe.weights)
    else:
        network = keras.saving.load_model(state.folder / LATEST)
        if recipe.average:
            averaged = served(recipe, classes)
            averaged.load_weights(state.folder / VALIDATED)
            values = averaged.get_weights()
    if not recipe.average:
        return network, None
    return network, WeightAverage(recipe.average, state.epochs * batches, values)


def batches_of(
    recipe: Recipe, classes: int, training: Decoded, stage: Stage, epoch: int
) -> Batches:
    """The batches of a stage, from epoch number `epoch` (counted from 0) on."""
    return Batches(
        training.pixels,
        targets_for(training.labels, classes, recipe.label_smoothing),
        recipe.batch_size,
        seed=recipe.seed,
        epoch=epoch,
        augmentation=recipe.augmentation,
        side=stage.side or training.pixels.shape[1],
    )
