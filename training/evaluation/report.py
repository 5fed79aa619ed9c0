"""An evaluation as text, as JSON, and as a folder with plots and the worst mistakes."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.model.card import Metric
from training.atomic import staged, write_text
from training.data.samples import Sample
from training.evaluation import plots
from training.evaluation.contact_sheet import contact_sheet
from training.evaluation.metrics import CONFIDENCES, Evaluation

FIGURES, PLOT, SHEET = "figures.json", "evaluation.png", "mistakes.jpg"


def as_text(evaluation: Evaluation) -> str:
    """The figures as a table for a terminal."""
    accuracy, auroc = evaluation.accuracy, evaluation.auroc
    return "\n".join(
        [
            f"accuracy           {accuracy.value:.2%}  (95 % interval {accuracy.low:.2%} to "
            f"{accuracy.high:.2%}, {evaluation.samples} photos)",
            f"log loss           {evaluation.log_loss:.4f}",
            f"Brier score        {evaluation.brier:.4f}",
            f"calibration error  {evaluation.calibration_error:.2%}",
            "AUROC              " + ("-" if auroc is None else f"{auroc:.4f}"),
            *_class_table(evaluation),
            *_coverage_table(evaluation),
            *(f"left out {name}: {why}" for name, why in sorted(evaluation.unreadable.items())),
        ]
    )


def _class_table(evaluation: Evaluation) -> list[str]:
    width = max(10, *(len(label) for label in evaluation.labels))
    lines = [f"{'true label':<{width}}  precision  recall  photos by answer ("]
    lines[0] += ", ".join(evaluation.labels) + ")"
    rows = zip(evaluation.by_class().items(), evaluation.confusion, strict=True)
    for (label, figures), counts in rows:
        answers = "  ".join(f"{count:>5}" for count in counts)
        head = f"{label:<{width}}  {figures.precision:>9.2%} {figures.recall:>7.2%}"
        lines.append(f"{head}  {answers}")
    return lines


def _coverage_table(evaluation: Evaluation) -> list[str]:
    lines = ["confidence at least  photos  right among them"]
    for row in map(evaluation.at_confidence, CONFIDENCES):
        right = "-" if row.accuracy is None else f"{row.accuracy:.2%}"
        lines.append(f"{row.confidence:>19.0%} {row.coverage:>7.1%} {right:>17}")
    return lines


def metrics_of(evaluation: Evaluation, prefix: str) -> dict[str, Metric]:
    """The figures for a model's card, each with its number of photos."""
    values = {
        "log_loss": evaluation.log_loss,
        "brier": evaluation.brier,
        "calibration_error": evaluation.calibration_error,
        "auroc": evaluation.auroc,
    }
    figures = {
        f"{prefix}_{name}": Metric(value=value, samples=evaluation.samples)
        for name, value in values.items()
        if value is not None
    }
    return {f"{prefix}_accuracy": evaluation.accuracy} | figures


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """All figures, with plain types."""
    return {
        "labels": list(evaluation.labels),
        "samples": evaluation.samples,
        "metrics": {
            name: metric.model_dump(exclude_none=True)
            for name, metric in metrics_of(evaluation, "test").items()
        },
        "by_class": {name: asdict(row) for name, row in evaluation.by_class().items()},
        "confusion": evaluation.confusion.tolist(),
        "reliability": [asdict(row) for row in evaluation.reliability()],
        "coverage": [asdict(evaluation.at_confidence(level)) for level in CONFIDENCES],
        "unreadable": evaluation.unreadable,
    }


def write_report(evaluation: Evaluation, samples: Sequence[Sample], destination: Path) -> None:
    """Write a new folder: the figures as JSON, the plots, and the worst mistakes to look at.

    Raises:
        CommandError: the folder exists.
    """
    with staged(destination) as folder:
        write_text(folder / FIGURES, json.dumps(as_json(evaluation), indent=2) + "\n")
        plots.evaluation_plots(evaluation, folder / PLOT)
        contact_sheet(evaluation, samples, folder / SHEET)
