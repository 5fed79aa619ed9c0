"""The engine of a training on Ray: photos on Ray Data, training and fine-tuning on Ray Train."""

import os
from argparse import Namespace

import keras
import ray

from app.cli import CommandError
from deploy.ray.connect import connect
from deploy.ray.photo_map import RayPhotoMap
from deploy.ray.workers import FineTuning, Photos, Training, Workers, run_on_workers
from training.config import TrainingConfig
from training.data.cache import DecodedSubset
from training.engine import Engine
from training.loop.build import build_served
from training.loop.checkpoint import RunFolder, TrainingState
from training.loop.trainer import train
from training.recipes.recipe import Recipe
from training.transfer.finetune import fine_tune


def make_engine(config: TrainingConfig, arguments: Namespace) -> Engine:
    """Connect to Ray, or start it, and return what computes there.

    Raises:
        CommandError: the recipe cannot be trained by several workers, or there is no such Ray.
    """
    _require_no_batch_statistics(config.recipe, len(config.dataset.labels))
    workers = Workers(arguments.workers, arguments.cores, arguments.restarts)
    cpus = max(os.cpu_count() or 1, workers.count * workers.cores)
    connect(arguments.address, cpus, workers.cores)
    on_ray = OnRay(workers)
    found = ray.cluster_resources()
    cores = max(int(found.get("CPU", 1)), 1)
    return Engine(RayPhotoMap(cores), on_ray.train, on_ray.fine_tune)


def _require_no_batch_statistics(recipe: Recipe, classes: int) -> None:
    """Refuse a network that normalises by the statistics of a batch, of which a worker has a part.

    Fine-tuning of `transfer` leaves the statistics as they are.
    """
    if recipe.backbone:
        return
    layers = build_served(recipe, classes).layers
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers):
        raise CommandError(
            f"--recipe {recipe.name}: its batch normalisation needs a whole batch in one process. "
            "Use training.fit, or one of the recipes transfer, lecture, lecture-augmented, digits."
        )


class OnRay:
    """Trains as the functions of the same names in `training`."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def train(
        self,
        recipe: Recipe,
        classes: int,
        training: DecodedSubset,
        validation: DecodedSubset,
        run: RunFolder,
        state: TrainingState,
        precision: str,
    ) -> tuple[keras.Model, TrainingState]:
        """Train on the workers; then `train` finds all epochs done and loads the weights."""
        if state.epochs < recipe.epochs:
            photos = Photos.of(training), Photos.of(validation)
            job = Training(recipe, classes, *photos, precision)
            state = run_on_workers(job, run, self._workers)
        return train(recipe, classes, training, validation, run, state, precision)

    def fine_tune(
        self,
        recipe: Recipe,
        network: keras.Model,
        training: DecodedSubset,
        run: RunFolder,
        state: TrainingState,
    ) -> TrainingState:
        """Fine-tune on the workers; then `fine_tune` finds all done and loads the weights."""
        job = FineTuning(recipe, Photos.of(training), ray.put(network.get_weights()))
        state = run_on_workers(job, run, self._workers)
        return fine_tune(recipe, network, training, run, state)
