"""Plots of a training, as PNG files for the model card. They contain no photos."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure


def training_curves(history: Sequence[dict[str, float]], best_epoch: int, path: Path) -> None:
    """Loss and accuracy by epoch, training and validation, the kept epoch marked."""
    epochs = [row["epoch"] for row in history]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        axes.plot(epochs, [row[name] for row in history], "o--", markersize=3, label="training")
        axes.plot(
            epochs, [row[f"val_{name}"] for row in history], "o-", markersize=3, label="validation"
        )
        axes.axvline(best_epoch, color="grey", linewidth=1, linestyle=":", label="kept epoch")
        axes.set_xlabel("epoch")
        axes.set_title(name)
        axes.grid(alpha=0.3)
        axes.legend()
    # No time of making or version inside: the same training gives the same bytes.
    figure.savefig(path, dpi=90, metadata={"Software": None})
