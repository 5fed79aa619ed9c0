"""Epochs of gradient descent over decoded photos, with checkpoints to go on from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from app.card import Input
from training import networks
from training.averaging import WeightAverage
from training.batches import Batches, targets_for
from training.cache import Decoded
from training.callbacks import Progress, Reseed, Saver
from training.checkpoint import LATEST, VALIDATED, RunFolder, State
from training.muon import Muon
from training.pretrained import load_pretrained
from training.recipes import Recipe
from training.symmetry import MirrorSymmetric, symmetrise


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


def input_of(recipe: Recipe, classes: int) -> Input:
    """What the recipe's network takes."""
    height, width, channels = served(recipe, classes).input_shape[1:]
    return Input(height=height, width=width, channels=channels)


def source_of(recipe: Recipe, shape: Input) -> Input:
    """What photos to train on are decoded to."""
    if recipe.source_side is None:
        return shape
    side = recipe.source_side
    return Input(height=side, width=side, channels=shape.channels)


def served(recipe: Recipe, classes: int) -> keras.Model:
    """The recipe's network in float32, with a fixed input size and first weights."""
    network: keras.Model = getattr(networks, recipe.network)(classes, **recipe.options)
    return network


def build(recipe: Recipe, classes: int, batches: int, precision: str) -> keras.Model:
    """The network to train, compiled; its first weights follow from the recipe's seed.

    Args:
        recipe: what to build.
        classes: how many labels.
        batches: in an epoch.
        precision: one of `training.precision.PRECISIONS`.
    """
    keras.utils.set_random_seed(recipe.seed)
    options = dict(recipe.options)
    if recipe.sides:
        options["side"] = None
    if recipe.mirror_symmetric:
        options["constraint"] = MirrorSymmetric()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        network: keras.Model = getattr(networks, recipe.network)(classes, **options)
    finally:
        keras.config.set_dtype_policy(before)
    if recipe.mirror_symmetric:
        symmetrise(network)
    loss = "binary_crossentropy" if classes == 2 else "categorical_crossentropy"
    network.compile(optimizer=_optimizer(recipe, batches), loss=loss, metrics=[accuracy])
    return network


@keras.saving.register_keras_serializable(package="training")
def accuracy(targets: Any, outputs: Any) -> Any:
    """The share of photos whose likeliest label is that of the target, smoothed or blended too."""
    if targets.shape[-1] == 1:
        return keras.ops.equal(targets[:, 0] > 0.5, outputs[:, 0] > 0.5)
    return keras.ops.equal(keras.ops.argmax(targets, -1), keras.ops.argmax(outputs, -1))


def _optimizer(recipe: Recipe, batches: int) -> keras.Optimizer:
    rate: Any = recipe.learning_rate
    if recipe.warmup:
        warmup = min(recipe.warmup, recipe.epochs - 1) * batches
        rate = keras.optimizers.schedules.CosineDecay(
            recipe.learning_rate / max(warmup, 1),
            max(recipe.epochs * batches - warmup, 1),
            warmup_target=recipe.learning_rate,
            warmup_steps=warmup,
        )
    settings = {} if recipe.weight_decay is None else {"weight_decay": recipe.weight_decay}
    if recipe.optimizer == "muon":
        return Muon(rate, adam_beta_2=0.99, adam_weight_decay=recipe.weight_decay, **settings)
    optimizer: keras.Optimizer = keras.optimizers.get(
        {"class_name": recipe.optimizer, "config": {"learning_rate": recipe.learning_rate}}
    )
    return type(optimizer)(learning_rate=rate, **settings)


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
        precision: one of `training.precision.PRECISIONS`.

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
    held_out = Batches(
        validation.pixels, targets_for(validation.labels, classes), recipe.batch_size
    )
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
