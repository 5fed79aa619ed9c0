"""Checkpoints of a training run on disk, from which a killed training can be resumed.

    runs/<name>/plan.json                        the settings: recipe, data, seed
    runs/<name>/epochs.json                      the number of epochs of fine-tuning
    runs/<name>/metrics.csv                      one row for each epoch
    runs/<name>/epoch-0007/latest.keras          network and optimizer after epoch 7
    runs/<name>/epoch-0007/validated.weights.h5  the weights that were validated: the network's
                                                 own, or their moving average
    runs/<name>/epoch-0007/best.weights.h5       the validated weights of the best epoch so far
    runs/<name>/epoch-0007/state.json            the metrics of all epochs up to epoch 7

An epoch's folder is written atomically and the previous one is deleted afterwards, so there is
always one complete checkpoint.
"""

import csv
import io
import json
import shutil
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import inf, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from app.cli import CommandError
from training.atomic import atomic_folder, write_text

if TYPE_CHECKING:
    import keras

    from training.loop.averaging import WeightAverage

LATEST, VALIDATED, BEST = "latest.keras", "validated.weights.h5", "best.weights.h5"
STATE = "state.json"
EPOCHS = "epochs.json"  # of a fine-tuning, which has as many as its minutes allow

# The metrics of an epoch; the validation metrics are None if the epoch was not validated.
EpochMetrics = dict[str, float | None]


@dataclass
class TrainingState:
    """The state of a run: the metrics of each finished epoch, and the checkpoint's folder."""

    history: list[EpochMetrics] = field(default_factory=list)
    folder: Path | None = None

    @property
    def epochs(self) -> int:
        """The number of finished epochs."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The first epoch, counted from 1, with the lowest validation loss."""
        losses = [_validation_loss(row) for row in self.history]
        return 1 + losses.index(min(losses))

    def kept_weights(self, which: Literal["best", "final"]) -> Path:
        """Return the file with the weights of the best or the final epoch."""
        assert self.folder is not None
        return self.folder / (BEST if which == "best" else VALIDATED)


class RunFolder:
    """The folder of a training run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def exists(self) -> bool:
        """Whether there is an unfinished run, which can be resumed."""
        return (self.path / "plan.json").exists()

    def begin(self, settings: dict[str, Any], *, resume: bool, restart: bool) -> TrainingState:
        """Start a new run; with `resume`, continue the interrupted run; with `restart`, delete it.

        Raises:
            CommandError: an unfinished run exists and both flags are false, or the run to resume
                is missing or has other settings.
        """
        self.require_startable(resume=resume, restart=restart)
        settings = json.loads(json.dumps(settings))  # JSON turns tuples into lists
        file = self.path / "plan.json"
        if resume:
            self._require_same(json.loads(file.read_text("utf-8")), settings)
            return self.load()
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        write_text(file, json.dumps(settings, indent=2) + "\n")
        return TrainingState()

    def require_startable(self, *, resume: bool, restart: bool) -> None:
        """Check what `begin` can check without the settings, which take seconds to know.

        Raises:
            CommandError: there is no run to resume, or an unfinished one and both flags are false.
        """
        if resume and not self.exists:
            raise CommandError(f"{self.path}: no run to resume. Start it without --resume.")
        done = self.load().epochs
        if self.exists and done and not (resume or restart):
            raise CommandError(
                f"{self.path}: an unfinished run is there (epochs done: {done}). "
                "--resume goes on with it, --restart discards it."
            )

    def load(self) -> TrainingState:
        """Return the latest state, or an empty one if there is no checkpoint."""
        folders = sorted(self.path.glob("epoch-*"))
        if not folders:
            return TrainingState()
        history = json.loads((folders[-1] / STATE).read_text(encoding="utf-8"))
        return TrainingState(history, folders[-1])

    def save(
        self,
        network: "keras.Model",
        average: "WeightAverage | None",
        state: TrainingState,
        rows: list[EpochMetrics],
    ) -> TrainingState:
        """Write a checkpoint, delete the previous one in `state`, and return the new state.

        `rows` are the metrics of the epochs since the previous checkpoint.
        """
        history = [*state.history, *rows]
        saved = TrainingState(history, self.path / f"epoch-{len(history):04d}")
        assert saved.folder is not None
        with atomic_folder(saved.folder) as folder:
            network.save(folder / LATEST)
            with average.applied() if average else nullcontext():
                network.save_weights(folder / VALIDATED)
            if saved.best_epoch == saved.epochs or state.folder is None:
                shutil.copyfile(folder / VALIDATED, folder / BEST)
            else:
                shutil.copyfile(state.folder / BEST, folder / BEST)
            write_text(folder / STATE, json.dumps(history) + "\n")
        write_text(self.path / "metrics.csv", _to_csv(history))
        if state.folder is not None:
            shutil.rmtree(state.folder)
        return saved

    def finish(self) -> None:
        """Delete the checkpoints after the model was published; keep the metrics."""
        (self.path / "plan.json").unlink()
        (self.path / EPOCHS).unlink(missing_ok=True)
        for folder in self.path.glob("epoch-*"):
            shutil.rmtree(folder)

    def _require_same(self, old: dict[str, Any], settings: dict[str, Any]) -> None:
        for key in sorted(old.keys() | settings.keys()):
            if old.get(key) != settings.get(key):
                raise CommandError(
                    f"{self.path}: the interrupted run has {key} {old.get(key)}, this command "
                    f"{settings.get(key)}. Repeat the first command, or --restart."
                )


def _validation_loss(row: EpochMetrics) -> float:
    loss = row["val_loss"]
    return inf if loss is None or isnan(loss) else loss


def _to_csv(history: list[EpochMetrics]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
