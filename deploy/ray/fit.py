"""Train a recipe on Ray and publish it, as `python -m training.fit` does on one machine.

python -m deploy.ray.fit --data photos --name fruit --workers 2
python -m deploy.ray.fit --data /shared/photos --name fruit --address auto --workers 8 --cores 16
python -m deploy.ray.fit --data photos --name fruit --workers 2 --resume

All options of `training.fit` apply. Ray decodes the photos and computes the features of the
backbone on all its cores. The workers fine-tune the network, or train it from random weights. This
process fits the last layer, tests the network and publishes it.
"""

import os

# Before Ray is imported: nothing is sent to its makers, and a local Ray stays on the loopback.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import ray

from deploy.ray.workers import FineTuning, Photos, Training, Workers, run_on_workers
from training.cli import CommandError, command, natural, positive
from training.fit import make_parser, run

if TYPE_CHECKING:
    import keras

    from training.config import TrainingConfig
    from training.data.cache import DecodedSubset
    from training.engine import Engine
    from training.loop.checkpoint import RunFolder, TrainingState
    from training.recipes.recipe import Recipe

PROG = "python -m deploy.ray.fit"


@command(PROG)
def main() -> None:
    """Run the command."""
    parser = make_parser(PROG)
    parser.add_argument("--workers", type=positive, default=2, help="that train the network")
    parser.add_argument("--cores", type=positive, default=1, help="of each worker")
    parser.add_argument("--restarts", type=natural, default=3, help="of workers that died, at most")
    parser.add_argument("--address", help="of a running Ray; default: one of its own, here")
    arguments = parser.parse_args()
    if os.environ.setdefault("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise CommandError("KERAS_BACKEND: the workers train on tensorflow alone.")
    for name in ("data", "models", "runs", "cache"):  # the workers are in another folder
        path: Path | None = getattr(arguments, name)
        setattr(arguments, name, path and path.absolute())
    run(arguments, lambda config: make_engine(config, arguments))


def make_engine(config: "TrainingConfig", arguments: Namespace) -> "Engine":
    """Connect to Ray, or start it, and return what computes there.

    Raises:
        CommandError: the recipe cannot be trained by several workers, or there is no such Ray.
    """
    from deploy.ray.photo_map import RayPhotoMap
    from training.engine import Engine

    _require_no_batch_statistics(config.recipe, len(config.dataset.labels))
    workers = Workers(arguments.workers, arguments.cores, arguments.restarts)
    _connect(arguments.address, workers)
    on_ray = _OnRay(workers)
    found = ray.cluster_resources()  # type: ignore[no-untyped-call]
    cores = max(int(found.get("CPU", 1)), 1)
    return Engine(RayPhotoMap(cores), on_ray.train, on_ray.fine_tune)


def _require_no_batch_statistics(recipe: "Recipe", classes: int) -> None:
    """Refuse a network that normalises by the statistics of a batch, of which a worker has a part.

    Fine-tuning of `transfer` leaves the statistics as they are.
    """
    import keras

    from training.loop.build import build_served

    if recipe.backbone:
        return
    layers = build_served(recipe, classes).layers
    if any(isinstance(layer, keras.layers.BatchNormalization) for layer in layers):
        raise CommandError(
            f"--recipe {recipe.name}: its batch normalisation needs a whole batch in one process. "
            "Use training.fit, or one of the recipes transfer, lecture, lecture-augmented, digits."
        )


def _connect(address: str | None, workers: Workers) -> None:
    if ray.is_initialized():
        return
    if address is None:
        start_local(max(os.cpu_count() or 1, workers.count * workers.cores))
        return
    try:
        ray.init(address)
    except (ConnectionError, ValueError) as error:
        raise CommandError(f"--address {address}: {str(error).splitlines()[0]}") from error


def start_local(cores: int) -> None:
    """Start a Ray on this machine's loopback that ends with this process."""
    ray.init(
        "local",
        num_cpus=cores,
        include_dashboard=False,
        # Without the dashboard, one of Ray Train's actors warns every second.
        logging_config=ray.LoggingConfig(log_level="ERROR"),
        _node_ip_address="127.0.0.1",
    )


class _OnRay:
    """Trains as the functions of the same names in `training`."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def train(
        self,
        recipe: "Recipe",
        classes: int,
        training: "DecodedSubset",
        validation: "DecodedSubset",
        run: "RunFolder",
        state: "TrainingState",
        precision: str,
    ) -> "tuple[keras.Model, TrainingState]":
        """Train on the workers; then `train` finds all epochs done and loads the weights."""
        from training.loop.trainer import train

        if state.epochs < recipe.epochs:
            photos = Photos.of(training), Photos.of(validation)
            job = Training(recipe, classes, *photos, precision)
            state = run_on_workers(job, run, self._workers)
        return train(recipe, classes, training, validation, run, state, precision)

    def fine_tune(
        self,
        recipe: "Recipe",
        network: "keras.Model",
        training: "DecodedSubset",
        run: "RunFolder",
        state: "TrainingState",
    ) -> "TrainingState":
        """Fine-tune on the workers; then `fine_tune` finds all done and loads the weights."""
        from training.transfer.finetune import fine_tune

        job = FineTuning(recipe, Photos.of(training), ray.put(network.get_weights()))
        state = run_on_workers(job, run, self._workers)
        return fine_tune(recipe, network, training, run, state)


if __name__ == "__main__":
    main()
