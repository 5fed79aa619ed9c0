"""Keras callbacks: write checkpoints, seed dropout, show progress, and stop on divergence."""

import math
import time
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from app.cli import CommandError, progress
from training.loop.averaging import WeightAverage
from training.loop.checkpoint import BEST, RunFolder, TrainingState
from training.recipes.recipe import Recipe

# Training stops if the loss exceeds that of random guessing, log(classes), by this factor.
_DIVERGENCE_FACTOR = 20
_WARM_UP = 3  # batches
_WITHOUT_RATE = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}, starting]"


class CheckpointSaver(keras.callbacks.Callback):
    """Save a checkpoint and the metrics after every validated epoch; stop on divergence."""

    def __init__(
        self,
        run: RunFolder,
        state: TrainingState,
        classes: int,
        recipe: Recipe,
        average: WeightAverage | None,
        *,
        validates: bool = True,
    ) -> None:
        """Store the settings; without `validates`, there is a checkpoint after every epoch."""
        super().__init__()
        self._validates = validates
        self._run = run
        self._limit = _DIVERGENCE_FACTOR * math.log(classes)
        self._recipe = recipe
        self._average = average
        self._start_time = 0.0
        self._rows: list[dict[str, float | None]] = []
        self.state = state

    @property
    def epochs(self) -> int:
        """The number of finished epochs, saved or not."""
        return self.state.epochs + len(self._rows)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Store the time at which the epoch starts."""
        self._start_time = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save a checkpoint if the epoch was validated.

        Raises:
            CommandError: the loss diverged.
        """
        seconds = round(time.perf_counter() - self._start_time, 2)
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        self._check_divergence(epoch + 1, metrics["loss"])
        validated = {name: metrics.get(name) for name in ("val_loss", "val_accuracy")}
        self._rows.append({"epoch": epoch + 1, **metrics, **validated, "seconds": seconds})
        if validated["val_loss"] is not None or not self._validates:
            self.state = self._run.save(self.model, self._average, self.state, self._rows)
            self._rows = []

    def _check_divergence(self, epoch: int, loss: float) -> None:
        if math.isfinite(loss) and loss < self._limit:
            return
        best = "nothing is kept, as no epoch was validated before"
        if self.state.folder is not None:
            best = f"the best network so far, of epoch {self.state.best_epoch}, is kept in "
            best += str(self.state.folder / BEST)
        raise CommandError(
            f"the training diverged: the loss of epoch {epoch} is {loss:.3g}; {best}. "
            f"Try again with a lower --learning-rate than {self._recipe.learning_rate:g}."
        )


class ReseedDropout(keras.callbacks.Callback):
    """Seed dropout by (seed, epoch), so that a resumed training equals an uninterrupted one.

    A saved network does not contain the state of its random generators. The workers of one training
    (`training.loop.share`) drop differently, as their photos are different ones.
    """

    def __init__(self, seed: int, worker: int = 0) -> None:
        super().__init__()
        self._seed = seed
        self._worker = (worker,) if worker else ()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Seed every random generator of the network."""
        for index, layer in enumerate(self.model.layers):
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                sequence = np.random.SeedSequence((self._seed, epoch, index, *self._worker))
                state = sequence.generate_state(2)
                generator.state.assign(state.astype(generator.state.dtype))


class ProgressBar(keras.callbacks.Callback):
    """Show one progress bar for all epochs, of which `finished` are done; print their metrics.

    The first batches compile the network, which takes long. The bar shows no time left until they
    have passed, and their time is not part of the rate.
    """

    def __init__(self, epochs: int, batches: int, finished: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._total, self._done = epochs * batches, finished * batches
        self._until_rate = _WARM_UP
        self._bar = self._open(_WITHOUT_RATE)

    def _open(self, bar_format: str | None) -> "tqdm[Any]":
        return progress(
            None, "training", "batch", total=self._total, initial=self._done, bar_format=bar_format
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start the rate again: each stage compiles the network for its size of photos."""
        self._bar.leave = False
        self._bar.close()
        self._until_rate = _WARM_UP
        self._bar = self._open(_WITHOUT_RATE)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Advance the bar by one batch."""
        self._done += 1
        self._until_rate -= 1
        self._bar.update()
        if self._until_rate == 0:
            self._bar.leave = False
            self._bar.close()
            self._bar = self._open(None)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print the epoch's metrics."""
        values = logs or {}
        tqdm.write(
            f"epoch {epoch + 1:>3}/{self._epochs}  "
            + "  ".join(f"{name} {float(value):.4f}" for name, value in values.items())
        )

    def close(self) -> None:
        """Close the bar."""
        self._bar.close()
