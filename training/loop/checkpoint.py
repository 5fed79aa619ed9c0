"""The state of a training run on disk, so that it can go on after being killed at any point.

    runs/<name>/plan.json                        what the run is: recipe, data, seed
    runs/<name>/metrics.csv                      a row an epoch
    runs/<name>/epoch-0007/latest.keras          network and optimizer after epoch 7
    runs/<name>/epoch-0007/validated.weights.h5  what was validated then: its weights, or
                                                 their running average
    runs/<name>/epoch-0007/best.weights.h5       what was validated in the best epoch so far
    runs/<name>/epoch-0007/state.json            the history up to epoch 7

An epoch's folder is renamed into place when it is whole, and the one before is removed
afterwards: there is always one complete state, never a half-written one.
"""

import csv
import io
import json
import shutil
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import inf, isnan
from pathlib import Path
from typing import Any, Literal

import keras

from training.atomic import staged, write_text
from training.cli import CommandError
from training.loop.averaging import WeightAverage

LATEST, VALIDATED, BEST = "latest.keras", "validated.weights.h5", "best.weights.h5"
STATE = "state.json"

# One epoch's metrics; the validation's are None in epochs that were not validated.
Row = dict[str, float | None]


@dataclass
class State:
    """What is known after some epochs. `history` has a row of metrics for each of them."""

    history: list[Row] = field(default_factory=list)
    folder: Path | None = None

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return len(self.history)

    @property
    def best_epoch(self) -> int:
        """The epoch (1-based) with the lowest validation loss; the earliest of equals."""
        losses = [_loss(row) for row in self.history]
        return 1 + losses.index(min(losses))

    def kept(self, which: Literal["best", "final"]) -> Path:
        """The file of the weights to publish."""
        assert self.folder is not None
        return self.folder / (BEST if which == "best" else VALIDATED)


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, plan: dict[str, Any], *, resume: bool, restart: bool) -> State:
        """Open the run: a fresh one, or with `resume` the one that was interrupted.

        Raises:
            CommandError: an unfinished run is there and neither flag says what to do, or the
                run to resume is not the same plan.
        """
        plan = json.loads(json.dumps(plan))  # tuples and lists are one in a file
        old = self._plan()
        if resume:
            if old is None:
                raise CommandError(f"{self.path}: no run to resume. Start it without --resume.")
            self._require_same(old, plan)
            return self.load()
        done = self.load().epochs
        if old is not None and done and not restart:
            raise CommandError(
                f"{self.path}: an unfinished run is there (epochs done: {done}). "
                "--resume goes on with it, --restart discards it."
            )
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        write_text(self.path / "plan.json", json.dumps(plan, indent=2) + "\n")
        return State()

    def load(self) -> State:
        """The latest complete state, or an empty one before the first epoch's end."""
        folders = sorted(self.path.glob("epoch-*"))
        if not folders:
            return State()
        history = json.loads((folders[-1] / STATE).read_text(encoding="utf-8"))
        return State(history, folders[-1])

    def save(
        self, network: keras.Model, average: WeightAverage | None, state: State, rows: list[Row]
    ) -> State:
        """Add epochs' metrics and keep the network after them; returns the new state."""
        history = [*state.history, *rows]
        fresh = State(history, self.path / f"epoch-{len(history):04d}")
        assert fresh.folder is not None
        with staged(fresh.folder) as folder:
            network.save(folder / LATEST)
            with average.in_place() if average else nullcontext():
                network.save_weights(folder / VALIDATED)
            if fresh.best_epoch == fresh.epochs or state.folder is None:
                shutil.copyfile(folder / VALIDATED, folder / BEST)
            else:
                shutil.copyfile(state.folder / BEST, folder / BEST)
            write_text(folder / STATE, json.dumps(history) + "\n")
        write_text(self.path / "metrics.csv", _csv(history))
        if state.folder is not None:
            shutil.rmtree(state.folder)
        return fresh

    def finish(self) -> None:
        """The model is published: drop the networks, keep the metrics."""
        (self.path / "plan.json").unlink()
        for folder in self.path.glob("epoch-*"):
            shutil.rmtree(folder)

    def _plan(self) -> dict[str, Any] | None:
        try:
            plan: dict[str, Any] = json.loads((self.path / "plan.json").read_text("utf-8"))
        except FileNotFoundError:
            return None
        return plan

    def _require_same(self, old: dict[str, Any], plan: dict[str, Any]) -> None:
        for key in sorted(old.keys() | plan.keys()):
            if old.get(key) != plan.get(key):
                raise CommandError(
                    f"{self.path}: the interrupted run has {key} {old.get(key)}, this command "
                    f"{plan.get(key)}. Repeat the first command, or --restart."
                )


def _loss(row: Row) -> float:
    loss = row["val_loss"]
    return inf if loss is None or isnan(loss) else loss


def _csv(history: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()
