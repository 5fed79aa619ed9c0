"""What a training would do, without doing it: `python -m training.fit --dry-run`."""

from collections import Counter
from math import ceil, prod

from training.config import Plan
from training.data.samples import SUBSETS
from training.loop.build import input_of, served, source_of

_FLOAT = 4  # bytes
_PROCESS = 600_000_000  # bytes that Python, Keras and TensorFlow take before any photo


def forecast(plan: Plan) -> str:
    """Data found, network, steps, estimated memory and disk, as text."""
    recipe, dataset = plan.recipe, plan.dataset
    classes = len(dataset.labels)
    network = served(recipe, classes)
    shape = input_of(recipe, classes)
    lines = [
        f"model    {plan.name}, recipe {recipe.name}, seed {recipe.seed}, {plan.precision}",
        f"data     {plan.source}",
    ]
    for subset in SUBSETS:
        counts = Counter(sample.label for sample in getattr(dataset, subset))
        each = ", ".join(f"{label} {counts[i]}" for i, label in enumerate(dataset.labels))
        lines.append(f"         {subset:<10} {sum(counts.values()):>6} photos: {each}")
    steps = ceil(len(dataset.train) / recipe.batch_size)
    source = source_of(recipe, shape)
    photos = len(dataset.train) * source.height * source.width * source.channels
    photos += len(dataset.validation) * shape.height * shape.width * shape.channels
    # Forward results are kept for the backward pass, which needs about as much again.
    maps = sum(prod(layer.output.shape[1:]) for layer in network.layers)
    activations = 2 * _FLOAT * recipe.batch_size * maps
    weights = 3 * _FLOAT * network.count_params()  # weights, gradients, one optimizer slot
    total = _PROCESS + activations + weights
    lines += [
        f"network  {recipe.network}: {shape.height}x{shape.width}x{shape.channels} -> "
        f"{network.output_shape[-1]}, {network.count_params():,} parameters",
        f"steps    {recipe.epochs} epochs of {steps} batches of {recipe.batch_size}, "
        f"{recipe.optimizer} at {recipe.learning_rate:g}",
        f"memory   about {total / 1e9:.1f} GB: batch {activations / 1e9:.2f}, weights "
        f"{weights / 1e9:.2f}, libraries {_PROCESS / 1e9:.1f}",
        f"disk     {photos / 1e9:.2f} GB for the decoded photos",
    ]
    return "\n".join(lines)
