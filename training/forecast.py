"""What a training would do, without doing it: `python -m training.fit --dry-run`."""

from collections import Counter
from math import ceil, prod
from pathlib import Path

from training.recipes import Recipe
from training.samples import SUBSETS, Dataset
from training.trainer import build, input_of

_FLOAT = 4  # bytes
_PROCESS = 600_000_000  # bytes that Python, Keras and TensorFlow take before any photo


def forecast(recipe: Recipe, dataset: Dataset, name: str, source: Path) -> str:
    """Data found, network, steps and estimated memory, as text."""
    classes = len(dataset.labels)
    network = build(recipe, classes)
    shape = input_of(recipe, classes)
    lines = [f"model    {name}, recipe {recipe.name}, seed {recipe.seed}", f"data     {source}"]
    for subset in SUBSETS:
        counts = Counter(sample.label for sample in getattr(dataset, subset))
        each = ", ".join(f"{label} {counts[i]}" for i, label in enumerate(dataset.labels))
        lines.append(f"         {subset:<10} {sum(counts.values()):>6} photos: {each}")
    steps = ceil(len(dataset.train) / recipe.batch_size)
    photo = shape.height * shape.width * shape.channels
    photos = photo * (len(dataset.train) + len(dataset.validation))
    # Forward results are kept for the backward pass, which needs about as much again.
    maps = sum(prod(layer.output.shape[1:]) for layer in network.layers)
    activations = 2 * _FLOAT * recipe.batch_size * maps
    weights = 3 * _FLOAT * network.count_params()  # weights, gradients, one optimizer slot
    total = _PROCESS + photos + activations + weights
    lines += [
        f"network  {recipe.network}: {shape.height}x{shape.width}x{shape.channels} -> "
        f"{network.output_shape[-1]}, {network.count_params():,} parameters",
        f"steps    {recipe.epochs} epochs of {steps} batches of {recipe.batch_size}, "
        f"{recipe.optimizer} at {recipe.learning_rate:g}",
        f"memory   about {total / 1e9:.1f} GB: photos {photos / 1e9:.2f}, batch "
        f"{activations / 1e9:.2f}, weights {weights / 1e9:.2f}, libraries {_PROCESS / 1e9:.1f}",
    ]
    return "\n".join(lines)
