"""A recipe's network: as it is served, and as it is trained."""

from typing import Any

import keras
from keras import ops

from app.model.card import Input
from training.loop.muon import Muon
from training.networks import architectures
from training.networks.symmetry import MirrorSymmetric, symmetrise
from training.recipes.recipe import Recipe


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
    network: keras.Model = getattr(architectures, recipe.network)(classes, **recipe.options)
    return network


def build(recipe: Recipe, classes: int, batches: int, precision: str) -> keras.Model:
    """The network to train, compiled; its first weights follow from the recipe's seed.

    Args:
        recipe: what to build.
        classes: how many labels.
        batches: in an epoch.
        precision: one of `training.loop.precision.PRECISIONS`.
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
        network: keras.Model = getattr(architectures, recipe.network)(classes, **options)
    finally:
        keras.config.set_dtype_policy(before)
    if recipe.mirror_symmetric:
        symmetrise(network)
    loss = "binary_crossentropy" if classes == 2 else "categorical_crossentropy"
    network.compile(optimizer=_optimizer(recipe, batches), loss=loss, metrics=[accuracy])
    return network


@keras.saving.register_keras_serializable(package="training")
def accuracy(targets: Any, outputs: Any) -> Any:
    """Whether each photo's likeliest label is that of its target, which may be smoothed or mixed.

    Args:
        targets: float32 (photos, outputs).
        outputs: probabilities of the same shape.

    Returns:
        float32 (photos,), 0 or 1; Keras averages them.
    """
    if targets.shape[-1] == 1:
        right = ops.equal(targets[:, 0] > 0.5, outputs[:, 0] > 0.5)
    else:
        right = ops.equal(ops.argmax(targets, -1), ops.argmax(outputs, -1))
    return ops.cast(right, "float32")


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
