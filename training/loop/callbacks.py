"""What happens beside the gradient descent: checkpoints, progress, and stopping in time."""

import math
import time
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from training.cli import CommandError, progress
from training.loop.averaging import WeightAverage
from training.loop.checkpoint import BEST, RunFolder, State
from training.recipes.recipe import Recipe

# Guessing costs log(classes); a loss so many times above that is not on its way down.
_EXPLODED = 20


class Saver(keras.callbacks.Callback):
    """Keeps the networks and the metrics after every epoch that was validated."""

    def __init__(
        self,
        run: RunFolder,
        state: State,
        classes: int,
        recipe: Recipe,
        average: WeightAverage | None,
    ) -> None:
        super().__init__()
        self._run = run
        self._limit = _EXPLODED * math.log(classes)
        self._recipe = recipe
        self._average = average
        self._began = 0.0
        self._rows: list[dict[str, float | None]] = []
        self.state = state

    @property
    def epochs(self) -> int:
        """How many epochs are done, saved or not."""
        return self.state.epochs + len(self._rows)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note the time."""
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the checkpoint and the CSV, or stop if there is no point in going on."""
        seconds = round(time.perf_counter() - self._began, 2)
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        self._require_sound(epoch + 1, metrics["loss"])
        validated = {name: metrics.get(name) for name in ("val_loss", "val_accuracy")}
        self._rows.append({"epoch": epoch + 1, **metrics, **validated, "seconds": seconds})
        if validated["val_loss"] is not None:
            self.state = self._run.save(self.model, self._average, self.state, self._rows)
            self._rows = []

    def _require_sound(self, epoch: int, loss: float) -> None:
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


class Reseed(keras.callbacks.Callback):
    """Makes an epoch's dropout a function of (seed, epoch), as its batches are.

    A saved network does not hold the state of its random generators: a resumed training would
    drop other features than an uninterrupted one.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set every generator of the network."""
        for index, layer in enumerate(self.model.layers):
            generator = getattr(layer, "seed_generator", None)
            if generator is not None:
                state = np.random.SeedSequence((self._seed, epoch, index)).generate_state(2)
                generator.state.assign(state.astype(generator.state.dtype))


class Progress(keras.callbacks.Callback):
    """A bar over all batches of all epochs, with the time left, and a line an epoch."""

    def __init__(self, epochs: int, batches: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._batches = batches
        self._bar: tqdm[Any] | None = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Open the bar before the first epoch, where an interrupted run left off."""
        if self._bar is None:
            self._bar = progress(
                None,
                "training",
                "batch",
                total=self._epochs * self._batches,
                initial=epoch * self._batches,
            )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Move the bar."""
        assert self._bar is not None
        self._bar.update()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Print the epoch's metrics."""
        values = logs or {}
        tqdm.write(
            f"epoch {epoch + 1:>3}/{self._epochs}  "
            + "  ".join(f"{name} {float(value):.4f}" for name, value in values.items())
        )

    def close(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
