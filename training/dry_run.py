"""Describe a training without running it, for `python -m training.fit --dry-run`."""

from collections import Counter
from math import ceil, prod

from app.cli import shortened
from training.config import TrainingConfig
from training.data.samples import SUBSETS
from training.loop.build import build_served, input_shape, source_shape

_FLOAT = 4  # bytes
_PROCESS = 600_000_000  # bytes of memory that Python, Keras and TensorFlow need by themselves


def describe(config: TrainingConfig) -> str:
    """Return the data, network, steps and estimated memory and disk usage as text."""
    recipe, dataset = config.recipe, config.dataset
    classes = len(dataset.labels)
    network = build_served(recipe, classes)
    shape = input_shape(recipe, classes)
    lines = [
        f"model    {config.name}, recipe {recipe.name}, seed {recipe.seed}, {config.precision}",
        f"data     {config.source}",
    ]
    for subset in SUBSETS:
        counts = Counter(sample.label for sample in getattr(dataset, subset))
        each = shortened((f"{label} {counts[i]}" for i, label in enumerate(dataset.labels)), 20)
        lines.append(f"         {subset:<10} {sum(counts.values()):>6} photos: {each}")
    steps = ceil(len(dataset.train) / recipe.batch_size)
    source = source_shape(recipe, shape)
    photos = len(dataset.train) * source.height * source.width * source.channels
    photos += len(dataset.validation) * shape.height * shape.width * shape.channels
    # The backward pass needs the activations of the forward pass and as much again.
    maps = sum(prod(layer.output.shape[1:]) for layer in network.layers)
    activations = 2 * _FLOAT * recipe.batch_size * maps
    weights = 3 * _FLOAT * network.count_params()  # weights, gradients, one optimizer slot
    total = _PROCESS + activations + weights
    epochs = "at most " * bool(recipe.backbone) + f"{recipe.epochs} epochs"
    lines += [
        f"network  {recipe.network}: {shape.height}x{shape.width}x{shape.channels} -> "
        f"{network.output_shape[-1]}, {network.count_params():,} parameters",
        f"steps    {epochs} of {steps} batches of {recipe.batch_size}, "
        f"{recipe.optimizer} at {recipe.learning_rate:g}",
        f"memory   about {total / 1e9:.1f} GB: batch {activations / 1e9:.2f}, weights "
        f"{weights / 1e9:.2f}, libraries {_PROCESS / 1e9:.1f}",
        f"disk     {photos / 1e9:.2f} GB for the decoded photos",
    ]
    return "\n".join(lines)
