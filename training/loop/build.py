"""A recipe's network: as it is served, and as it is trained."""

from typing import Any

import keras
from keras import ops

from app.model.card import Input
from training.loop.muon import Muon
from training.networks import architectures
from training.networks.rotation_task import LabelAndTurns, add_turns, has_label
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
    metrics = [Accuracy(network.output_shape[-1])]
    loss: Any = "binary_crossentropy" if classes == 2 else "categorical_crossentropy"
    if recipe.quarter_turns:
        network, loss = add_turns(network), LabelAndTurns(recipe.quarter_turns)
    network.compile(optimizer=_optimizer(recipe, batches), loss=loss, metrics=metrics)
    return network


@keras.saving.register_keras_serializable(package="training")
class Accuracy(keras.metrics.Mean):  # type: ignore[misc]  # Keras has no types
    """The share of photos whose likeliest label is that of the target, smoothed or blended too.

    Args:
        columns: how many of the outputs are the label's. Photos with another target in the
            further ones do not count.
    """

    def __init__(self, columns: int, name: str = "accuracy", **settings: Any) -> None:
        super().__init__(name=name, **settings)
        self._columns = columns

    def update_state(self, targets: Any, outputs: Any, sample_weight: Any = None) -> Any:
        """Add a batch."""
        labels, answers = targets[:, : self._columns], outputs[:, : self._columns]
        if self._columns == 1:
            right = ops.equal(labels[:, 0] > 0.5, answers[:, 0] > 0.5)
        else:
            right = ops.equal(ops.argmax(labels, -1), ops.argmax(answers, -1))
        weights = has_label(targets, self._columns)
        if sample_weight is not None:
            weights = weights * sample_weight
        return super().update_state(ops.cast(right, self.dtype), weights)

    def get_config(self) -> dict[str, Any]:
        """The settings, by which Keras saves and restores the metric."""
        return {**super().get_config(), "columns": self._columns}


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
