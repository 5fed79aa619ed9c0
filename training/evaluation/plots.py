"""Plot a training and an evaluation as PNG files, which contain no photos."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from training.evaluation.metrics import Evaluation

_MAX_LABELS = 20  # in a legend

if TYPE_CHECKING:
    from training.loop.checkpoint import EpochMetrics  # importing it would import Keras


def training_curves(history: Sequence["EpochMetrics"], kept_epoch: int, path: Path) -> None:
    """Plot loss and accuracy of training and validation by epoch, and mark the kept epoch."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        _curve(axes, history, name, "o--", "training")
        _curve(axes, history, f"val_{name}", "o-", "validation")
        axes.axvline(kept_epoch, color="grey", linewidth=1, linestyle=":", label="kept epoch")
        axes.set_xlabel("epoch")
        axes.set_title(name)
        axes.grid(alpha=0.3)
        axes.legend()
    _save(figure, path)


def _curve(
    axes: Axes, history: Sequence["EpochMetrics"], name: str, style: str, label: str
) -> None:
    known = [(row["epoch"], row[name]) for row in history if row[name] is not None]
    axes.plot(*zip(*known, strict=True), style, markersize=3, label=label)


def evaluation_plots(evaluation: Evaluation, path: Path) -> None:
    """Plot reliability, ROC curve and coverage of an evaluation side by side."""
    figure = Figure(figsize=(13, 4), layout="constrained")
    reliability, roc, coverage = figure.subplots(1, 3)
    _reliability(reliability, evaluation)
    _roc(roc, evaluation)
    _coverage(coverage, evaluation)
    for axes in (reliability, roc, coverage):
        axes.grid(alpha=0.3)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    with warnings.catch_warnings():
        # The font lacks the letters of some labels and draws boxes instead.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        # Without this metadata, the same training always writes the same bytes.
        figure.savefig(path, dpi=90, metadata={"Software": None})


def _reliability(axes: Axes, evaluation: Evaluation) -> None:
    bins = evaluation.reliability()
    low = min(0.5, *(row.confidence for row in bins), *(row.accuracy for row in bins))
    axes.plot([low, 1], [low, 1], color="grey", linewidth=1, linestyle=":")
    axes.plot([row.confidence for row in bins], [row.accuracy for row in bins], "o-")
    error = f"{evaluation.calibration_error:.2%}"
    axes.set_title(f"reliability: calibration error {error}")
    axes.set_xlabel(f"confidence ({len(bins)} bins of as many photos each)")
    axes.set_ylabel("right answers")


def _roc(axes: Axes, evaluation: Evaluation) -> None:
    shown = range(1, 2) if len(evaluation.labels) == 2 else range(len(evaluation.labels))
    for label in shown:
        truths = evaluation.truths == label
        if truths.any() and not truths.all():
            wrong, right, _ = roc_curve(truths, evaluation.probabilities[:, label])
            axes.plot(wrong, right, label=evaluation.labels[label])
    auroc = evaluation.auroc
    axes.set_title("ROC" if auroc is None else f"ROC: area {auroc:.4f}")
    axes.set_xlabel("photos of other labels that are answered so")
    axes.set_ylabel("photos of the label that are answered so")
    handles, _ = axes.get_legend_handles_labels()
    if 0 < len(handles) <= _MAX_LABELS:
        for text in axes.legend(loc="lower right").get_texts():
            text.set_parse_math(False)  # a label can contain dollar signs


def _coverage(axes: Axes, evaluation: Evaluation) -> None:
    order = np.argsort(-evaluation.confidences, kind="stable")
    right = (evaluation.answers == evaluation.truths)[order]
    answered = np.arange(1, len(right) + 1)
    axes.plot(answered / len(right), np.cumsum(right) / answered)
    axes.set_title("coverage: the surest answers only")
    axes.set_xlabel("share of the photos that are answered")
    axes.set_ylabel("right answers among them")
