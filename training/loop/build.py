"""Build a recipe's network, for serving or for training."""

from typing import Any

import keras
from keras import ops

from app.model.card import Input
from training.loop.muon import Muon
from training.networks import architectures
from training.networks.symmetry import MirrorSymmetric, symmetrise
from training.recipes.recipe import Recipe


def input_shape(recipe: Recipe, classes: int) -> Input:
    """Return the size of the photos that the recipe's network is served with."""
    height, width, channels = build_served(recipe, classes).input_shape[1:]
    return Input(height=height, width=width, channels=channels)


def source_shape(recipe: Recipe, shape: Input) -> Input:
    """Return the size to which training photos are decoded; `shape` is the served size."""
    if recipe.source_side is None:
        return shape
    side = recipe.source_side
    return Input(height=side, width=side, channels=shape.channels)


def build_served(recipe: Recipe, classes: int) -> keras.Model:
    """Build the recipe's network in float32, with a fixed input size and initial weights."""
    network: keras.Model = getattr(architectures, recipe.network)(classes, **recipe.options)
    return network


def build(recipe: Recipe, classes: int, batches: int, precision: str) -> keras.Model:
    """Build and compile the network to train; the recipe's seed determines its initial weights.

    Args:
        recipe: the recipe.
        classes: the number of classes.
        batches: the number of batches in an epoch, for the learning rate schedule.
        precision: "float32" or "mixed_bfloat16".
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
    """Compare each photo's most probable label with that of its target.

    Keras's own accuracy does not support targets that are smoothed or mixed.

    Args:
        targets: float32 (photos, outputs).
        outputs: probabilities, float32 (photos, outputs).

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
