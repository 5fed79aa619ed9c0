"""Train one network on several workers of Ray Train, each with its part of every batch.

The run folder, the cache and the photos must be under the same paths on every machine. The first
worker writes the checkpoints, in the format of `training.fit`. If a worker dies, Ray starts all of
them again, and they go on from the last checkpoint.
"""

import os
import shutil
import signal
from abc import ABC, abstractmethod
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import ray
from ray.train import FailureConfig, LoggingConfig, RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer

from app.cli import CommandError
from training.data.cache import DecodedSubset
from training.loop.checkpoint import EPOCHS, EpochMetrics, RunFolder, TrainingState
from training.recipes.recipe import Recipe

if TYPE_CHECKING:
    from training.loop.share import Share

_RAY = "ray"  # the folder of Ray Train's own files in the run folder


@dataclass(frozen=True)
class Workers:
    """How many workers train, with how many cores each, and how often they may be started again."""

    count: int
    cores: int
    restarts: int


@dataclass(frozen=True)
class Photos:
    """Decoded photos as the path of their pixels, which every machine maps into its memory."""

    pixels: Path
    labels: np.ndarray

    @classmethod
    def of(cls, decoded: DecodedSubset) -> "Photos":
        """Return the photos of a subset that was read from the cache."""
        assert isinstance(decoded.pixels, np.memmap)
        assert decoded.pixels.filename is not None
        return cls(Path(decoded.pixels.filename).absolute(), decoded.labels)

    def open(self) -> DecodedSubset:
        """Return the subset."""
        return DecodedSubset(np.load(self.pixels, mmap_mode="r"), self.labels, {})


class Job(ABC):
    """What every worker computes together with the others."""

    @abstractmethod
    def compute(self, run: RunFolder, state: TrainingState, share: "Share") -> None:
        """Train from `state` to the end."""


@dataclass(frozen=True)
class Training(Job):
    """The training of a recipe from random weights."""

    recipe: Recipe
    classes: int
    training: Photos
    validation: Photos
    precision: str

    def compute(self, run: RunFolder, state: TrainingState, share: "Share") -> None:
        """Train from `state` to the end."""
        from training.loop.trainer import train_epochs

        photos = self.training.open(), self.validation.open()
        train_epochs(self.recipe, self.classes, *photos, run, state, self.precision, share)


@dataclass(frozen=True)
class FineTuning(Job):
    """The fine-tuning of a recipe's backbone; `weights` refers to a list of arrays."""

    recipe: Recipe
    training: Photos
    weights: Any

    def compute(self, run: RunFolder, state: TrainingState, share: "Share") -> None:
        """Train from `state` to the end."""
        from training.networks.backbones import build_backbone
        from training.transfer.finetune import tune_epochs

        training = self.training.open()
        classes = int(training.labels.max()) + 1
        assert self.recipe.backbone is not None
        network = build_backbone(self.recipe.backbone, classes, None, self.recipe.weights)
        network.set_weights(ray.get(self.weights))
        tune_epochs(self.recipe, network, training, run, state, share)


class _ReadOnlyRun(RunFolder):
    """The run folder for all workers but the first, which writes it."""

    def save(
        self,
        network: Any,  # noqa: ARG002
        average: Any,  # noqa: ARG002
        state: TrainingState,
        rows: list[EpochMetrics],
    ) -> TrainingState:
        """Return the new state."""
        return TrainingState([*state.history, *rows], state.folder)


def run_on_workers(job: Job, run: RunFolder, workers: Workers) -> TrainingState:
    """Compute the job on the workers, and return the state of its last checkpoint.

    Raises:
        CommandError: the loss diverged, or the workers failed more often than they may.
        KeyboardInterrupt: Ctrl-C.
    """
    on_interrupt = signal.getsignal(signal.SIGINT)
    path = run.path.absolute()
    shutil.rmtree(path / _RAY, ignore_errors=True)
    trainer = TensorflowTrainer(
        _work,
        train_loop_config={"job": job, "run": path, "cores": workers.cores},
        scaling_config=ScalingConfig(
            num_workers=workers.count, resources_per_worker={"CPU": workers.cores}
        ),
        run_config=RunConfig(
            name=_RAY,
            storage_path=str(path),
            failure_config=FailureConfig(max_failures=workers.restarts),
            logging_config=LoggingConfig(log_level="WARNING"),
        ),
    )
    try:
        result: Any = trainer.fit()  # Ray's types are those of an older Ray Train
    except ray.train.TrainingFailedError as error:
        last = str(error).strip().splitlines()[-1]
        raise CommandError(f"the workers failed: {last}. --resume goes on.") from error
    except SystemExit as error:  # with which Ray answers Ctrl-C
        raise KeyboardInterrupt from error
    finally:
        signal.signal(signal.SIGINT, on_interrupt)  # Ray has put its own there
        shutil.rmtree(path / _RAY, ignore_errors=True)
    if result.return_value:
        raise CommandError(result.return_value)
    return run.load()


def _work(settings: dict[str, Any]) -> str | None:
    """Compute the job as one of the workers; return why it cannot be, or None."""
    os.environ.pop("TF_USE_LEGACY_KERAS", None)  # Ray sets it; the networks are Keras 3
    import tensorflow as tf

    from deploy.ray.tensorflow_share import TensorFlowShare

    tf.get_logger().setLevel("ERROR")
    tf.config.threading.set_intra_op_parallelism_threads(settings["cores"])
    context = ray.train.get_context()
    share = TensorFlowShare(context.get_world_rank(), context.get_world_size())
    run = (_ReadOnlyRun if share.worker else RunFolder)(settings["run"])
    with ExitStack() as stack:
        if share.worker:  # one worker shows the progress of all
            nothing = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(redirect_stdout(nothing))
            stack.enter_context(redirect_stderr(nothing))
        state = run.load()
        # A network file system can show an older state for some seconds: then Ray starts again.
        share.require_equal([state.epochs, (run.path / EPOCHS).is_file()], "checkpoints")
        try:
            settings["job"].compute(run, state, share)
        except CommandError as error:  # the same for all workers: to start them again is no help
            return str(error)
    return None
