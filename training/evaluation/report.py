"""Report an evaluation as text, as JSON, or as a folder with plots and a contact sheet."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.model.card import Metric
from training.atomic import atomic_folder, write_text
from training.data.samples import Sample
from training.evaluation import plots
from training.evaluation.contact_sheet import contact_sheet
from training.evaluation.metrics import CONFIDENCES, Evaluation

FIGURES, PLOT, SHEET = "figures.json", "evaluation.png", "mistakes.jpg"


def as_text(evaluation: Evaluation) -> str:
    """Format the metrics as text for a terminal."""
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
    for row in map(evaluation.coverage_at, CONFIDENCES):
        right = "-" if row.accuracy is None else f"{row.accuracy:.2%}"
        lines.append(f"{row.confidence:>19.0%} {row.coverage:>7.1%} {right:>17}")
    return lines


def card_metrics(evaluation: Evaluation, prefix: str) -> dict[str, Metric]:
    """Return the metrics for a model card; `prefix` is "test" or "validation"."""
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
    """Return all metrics as types that JSON can represent."""
    return {
        "labels": list(evaluation.labels),
        "samples": evaluation.samples,
        "metrics": {
            name: metric.model_dump(exclude_none=True)
            for name, metric in card_metrics(evaluation, "test").items()
        },
        "by_class": {name: asdict(row) for name, row in evaluation.by_class().items()},
        "confusion": evaluation.confusion.tolist(),
        "reliability": [asdict(row) for row in evaluation.reliability()],
        "coverage": [asdict(evaluation.coverage_at(level)) for level in CONFIDENCES],
        "unreadable": evaluation.unreadable,
    }


def write_report(evaluation: Evaluation, samples: Sequence[Sample], destination: Path) -> None:
    """Write a new folder with the metrics as JSON, the plots and the contact sheet.

    Raises:
        CommandError: the folder exists.
    """
    with atomic_folder(destination) as folder:
        write_text(folder / FIGURES, json.dumps(as_json(evaluation), indent=2) + "\n")
        plots.evaluation_plots(evaluation, folder / PLOT)
        contact_sheet(evaluation, samples, folder / SHEET)
