"""Train a recipe's network on decoded photos, with checkpoints."""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from training.data.cache import DecodedSubset
from training.loop.averaging import WeightAverage
from training.loop.batches import Batches, encode_targets
from training.loop.build import build, build_served
from training.loop.callbacks import CheckpointSaver, ProgressBar, ReseedDropout
from training.loop.checkpoint import LATEST, VALIDATED, RunFolder, TrainingState
from training.loop.share import Share
from training.networks.pretrained import load_pretrained
from training.networks.symmetry import symmetrise
from training.recipes.recipe import Recipe


@dataclass(frozen=True)
class Stage:
    """The epochs up to `end`, counted from 1, with photos of one side (None: as decoded)."""

    side: int | None
    end: int


def stages(recipe: Recipe) -> Iterator[Stage]:
    """Yield the recipe's stages in order; the last one ends with the last epoch."""
    passed = 0.0
    for side, share in recipe.sides[:-1]:
        passed += share
        yield Stage(side, round(passed * recipe.epochs))
    yield Stage(recipe.sides[-1][0] if recipe.sides else None, recipe.epochs)


def train(
    recipe: Recipe,
    classes: int,
    training: DecodedSubset,
    validation: DecodedSubset,
    run: RunFolder,
    state: TrainingState,
    precision: str,
) -> tuple[keras.Model, TrainingState]:
    """Train from `state` to the recipe's last epoch.

    Args:
        recipe: the recipe.
        classes: the number of classes.
        training: the training photos, of the size `training.loop.build.source_shape`.
        validation: the validation photos, of the network's size.
        run: the folder for the checkpoints.
        state: the state of an interrupted run, or an empty one.
        precision: "float32" or "mixed_bfloat16".

    Returns:
        The network to publish, float32 and without optimizer state, and the final state.

    Raises:
        CommandError: the loss diverged.
    """
    state = train_epochs(recipe, classes, training, validation, run, state, precision)
    return _load_kept(recipe, classes, state), state


def train_epochs(
    recipe: Recipe,
    classes: int,
    training: DecodedSubset,
    validation: DecodedSubset,
    run: RunFolder,
    state: TrainingState,
    precision: str,
    share: Share | None = None,
) -> TrainingState:
    """Train as `train` does, and return the final state alone.

    Args:
        share: this process's part of the batches, if it is one of several workers.

    Raises:
        CommandError: the loss diverged.
    """
    batches = -(-len(training.labels) // recipe.batch_size)
    network, average = _build_or_restore(recipe, classes, batches, state, precision)
    targets = encode_targets(validation.labels, classes)
    held_out = Batches(validation.pixels, targets, recipe.batch_size)
    saver = CheckpointSaver(run, state, classes, recipe, average)
    bar = ProgressBar(recipe.epochs, batches, state.epochs)
    dropout = ReseedDropout(recipe.seed, share.worker if share else 0)
    # The average must come first, so that a checkpoint's average includes the last batch.
    callbacks = [*([average] if average else []), dropout, bar, saver]
    if share:
        share.prepare(network)
        callbacks = [*share.callbacks, *callbacks]
    validated = [n for n in range(1, recipe.epochs) if n % recipe.validate_every == 0]
    for stage in stages(recipe):
        if saver.epochs >= stage.end:
            continue
        network.fit(
            stage_batches(recipe, classes, training, stage, saver.epochs, share),
            validation_data=held_out,
            validation_freq=[*validated, recipe.epochs],
            epochs=stage.end,
            initial_epoch=saver.epochs,
            shuffle=False,  # True would shuffle the batches' numbers; `Batches` shuffles photos
            verbose=0,
            callbacks=callbacks,
        )
    bar.close()
    return saver.state


def _load_kept(recipe: Recipe, classes: int, state: TrainingState) -> keras.Model:
    network = build_served(recipe, classes)
    network.load_weights(state.kept_weights(recipe.keep))
    if recipe.mirror_symmetric:
        symmetrise(network)
    return network


def _build_or_restore(
    recipe: Recipe, classes: int, batches: int, state: TrainingState, precision: str
) -> tuple[keras.Model, WeightAverage | None]:
    """Return the network and its moving average, new or from the last checkpoint."""
    values: list[np.ndarray] | None = None
    if state.folder is None:
        network = build(recipe, classes, batches, precision)
        if recipe.weights:
            load_pretrained(network, recipe.weights)
    else:
        network = keras.saving.load_model(state.folder / LATEST)
        if recipe.average:
            averaged = build_served(recipe, classes)
            averaged.load_weights(state.folder / VALIDATED)
            values = averaged.get_weights()
    if not recipe.average:
        return network, None
    return network, WeightAverage(recipe.average, state.epochs * batches, values)


def stage_batches(
    recipe: Recipe,
    classes: int,
    training: DecodedSubset,
    stage: Stage,
    epoch: int,
    share: Share | None = None,
) -> Batches:
    """Return the batches of a stage; `epoch` is the first epoch, counted from 0."""
    return Batches(
        training.pixels,
        encode_targets(training.labels, classes, recipe.label_smoothing),
        recipe.batch_size,
        seed=recipe.seed,
        epoch=epoch,
        augmentation=recipe.augmentation,
        side=stage.side or training.pixels.shape[1],
        share=share,
    )
