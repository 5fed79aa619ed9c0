"""Train a recipe without publishing it, for benchmarks."""

import tempfile
from pathlib import Path

from training.data.cache import decode_samples
from training.data.class_folders import open_dataset
from training.data.filtering import filter_dataset
from training.loop.build import input_shape, source_shape
from training.loop.checkpoint import EpochMetrics, RunFolder
from training.loop.precision import FLOAT32, best_precision
from training.loop.trainer import train
from training.recipes.recipe import Recipe


def train_history(recipe: Recipe, data: Path, cache: Path) -> list[EpochMetrics]:
    """Train as `training.fit` does, without the test photos, and return the metrics by epoch.

    Args:
        recipe: the recipe.
        data: class folders.
        cache: the folder for decoded photos; the metrics' seconds do not include decoding.
    """
    found, _ = filter_dataset(
        open_dataset(data), cache, exclude=recipe.exclude, deduplicate=recipe.deduplicate
    )
    classes = len(found.labels)
    shape = input_shape(recipe, classes)
    training = decode_samples(found.train, source_shape(recipe, shape), "train", cache)
    validation = decode_samples(found.validation, shape, "validation", cache)
    precision = best_precision() if recipe.mixed_precision else FLOAT32
    with tempfile.TemporaryDirectory() as scratch:
        folder = RunFolder(Path(scratch) / "run")
        state = folder.begin({}, resume=False, restart=False)
        _, state = train(recipe, classes, training, validation, folder, state, precision)
    return state.history
