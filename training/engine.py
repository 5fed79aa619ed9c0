"""What computes in a training: this process, or the machines of a cluster (`deploy/ray/fit.py`)."""

from collections.abc import Callable
from dataclasses import dataclass

import keras

from training.data.cache import DecodedSubset
from training.data.photo_map import PhotoMap, map_on_threads
from training.loop.checkpoint import RunFolder, TrainingState
from training.loop.trainer import train
from training.recipes.recipe import Recipe
from training.transfer.finetune import fine_tune
from training.transfer.pipeline import FineTuning

# Trains as `training.loop.trainer.train` does.
Training = Callable[
    [Recipe, int, DecodedSubset, DecodedSubset, RunFolder, TrainingState, str],
    tuple[keras.Model, TrainingState],
]


@dataclass(frozen=True)
class Engine:
    """The parts of a training that take long; by default, this process computes them.

    Attributes:
        map_photos: decodes photos and computes their features.
        train: trains a network from random weights.
        fine_tune: trains a pretrained one.
    """

    map_photos: PhotoMap = map_on_threads
    train: Training = train
    fine_tune: FineTuning = fine_tune
