"""A training without publishing: what its epochs measured."""

import tempfile
from pathlib import Path

from training.data.cache import decode_samples
from training.data.class_folders import open_dataset
from training.data.filtering import select
from training.loop.build import input_of, source_of
from training.loop.checkpoint import Row, RunFolder
from training.loop.precision import FLOAT, best_precision
from training.loop.trainer import train
from training.recipes.recipe import Recipe


def history_of(recipe: Recipe, data: Path, cache: Path) -> list[Row]:
    """Train and validate as `training.fit` does; the test photos are not looked at.

    Args:
        recipe: what to do.
        data: class folders.
        cache: where decoded photos are kept; decoding is not part of the seconds in a row.
    """
    found, _ = select(
        open_dataset(data), cache, exclude=recipe.exclude, deduplicate=recipe.deduplicate
    )
    classes = len(found.labels)
    shape = input_of(recipe, classes)
    training = decode_samples(found.train, source_of(recipe, shape), "train", cache)
    validation = decode_samples(found.validation, shape, "validation", cache)
    precision = best_precision() if recipe.mixed_precision else FLOAT
    with tempfile.TemporaryDirectory() as scratch:
        folder = RunFolder(Path(scratch) / "run")
        state = folder.begin({}, resume=False, restart=False)
        _, state = train(recipe, classes, training, validation, folder, state, precision)
    return state.history
