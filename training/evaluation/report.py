"""Report an evaluation as text, as JSON, or as a folder with plots and a contact sheet."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.model.card import Metric
from training.atomic import atomic_folder, write_text
from training.data.samples import Sample
from training.evaluation import plots
from training.evaluation.contact_sheet import contact_sheet
from training.evaluation.metrics import CONFIDENCES, Evaluation

_SHOWN = 20  # labels that are printed
_CONFUSIONS = 10  # that are printed
_CONFUSIONS_IN_JSON = 100
_LEFT_OUT = 200  # photos that are printed
FIGURES, PLOT, SHEET = "figures.json", "evaluation.png", "mistakes.jpg"


def as_text(evaluation: Evaluation) -> str:
    """Format the metrics as text for a terminal."""
    accuracy, auroc = evaluation.accuracy, evaluation.auroc
    return "\n".join(
        [
            f"accuracy           {accuracy.value:.2%}  (95 % interval {accuracy.low:.2%} to "
            f"{accuracy.high:.2%}, {evaluation.samples} photos)",
            f"balanced accuracy  {evaluation.balanced_accuracy:.2%}",
            f"log loss           {evaluation.log_loss:.4f}",
            f"Brier score        {evaluation.brier:.4f}",
            f"calibration error  {evaluation.calibration_error:.2%}",
            "AUROC              " + ("-" if auroc is None else f"{auroc:.4f}"),
            *_class_table(evaluation),
            *_confusion_lines(evaluation),
            *_coverage_table(evaluation),
            *_decision_tables(evaluation),
            *left_out(evaluation.unreadable),
        ]
    )


def left_out(photos: Mapping[str, str]) -> list[str]:
    """Return a line for each photo that was left out, class/name -> reason; few of very many."""
    lines = [f"left out {name}: {why}" for name, why in sorted(photos.items())]
    if len(lines) <= _LEFT_OUT:
        return lines
    return [*lines[:_LEFT_OUT], f"left out {len(lines) - _LEFT_OUT} photos more"]


def _class_table(evaluation: Evaluation) -> list[str]:
    """Return precision and recall by label, and the answers if there are few labels."""
    few = len(evaluation.labels) <= _SHOWN
    rows = [
        (label, figures, "  ".join(f"{count:>5}" for count in counts) if few else "")
        for (label, figures), counts in zip(
            evaluation.by_class().items(), evaluation.confusion, strict=True
        )
        if figures.support
    ]
    if not few:
        rows.sort(key=lambda row: row[1].recall)
    shown = rows[:_SHOWN]
    width = max(10, *(len(label) for label, _, _ in shown))
    head = f"{'true label':<{width}}  precision  recall"
    lines = [f"{head}  photos by answer ({', '.join(evaluation.labels)})" if few else head]
    for label, figures, answers in shown:
        line = f"{label:<{width}}  {figures.precision:>9.2%} {figures.recall:>7.2%}  {answers}"
        lines.append(line.rstrip())
    if not few:
        lines.append(
            f"({len(shown)} of {len(rows)} labels, those with the lowest recall; {FIGURES} of "
            "training.evaluate --report has all of them and their answers)"
        )
    return lines


def _confusion_lines(evaluation: Evaluation) -> list[str]:
    """Return the most frequent confusions of more than two labels."""
    if len(evaluation.labels) == 2:
        return []
    shown = evaluation.confusions()[:_CONFUSIONS]
    return [f"{count:>5} photos of {truth} answered {answer}" for truth, answer, count in shown]


def _coverage_table(evaluation: Evaluation) -> list[str]:
    lines = ["confidence at least  photos  right among them"]
    for row in map(evaluation.coverage_at, CONFIDENCES):
        right = "-" if row.accuracy is None else f"{row.accuracy:.2%}"
        lines.append(f"{row.confidence:>19.0%} {row.coverage:>7.1%} {right:>17}")
    return lines


def card_metrics(evaluation: Evaluation, prefix: str) -> dict[str, Metric]:
    """Return the metrics for a model card; `prefix` is for example "test"."""
    values = {
        "balanced_accuracy": evaluation.balanced_accuracy,
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


def _decision_tables(evaluation: Evaluation) -> list[str]:
    """Return what thresholds keep and refuse, and what the sets of labels hold."""
    lines = []
    if evaluation.accepted:
        lines.append("familiarity at least  known photos kept  others refused")
    for each in evaluation.accepted:
        refused = "-" if each.other_refused is None else f"{each.other_refused.value:.1%}"
        lines.append(f"{each.min_familiarity:>20.1%}  {each.known.value:>17.1%}  {refused:>14}")
    if evaluation.sets:
        lines.append("error rate  true label in the set (least of all classes)  sets of one label")
    for figures in evaluation.sets:
        name, least = min(figures.coverage.items(), key=lambda item: item[1].value)
        held = f"{least.value:.1%} ({name})"
        lines.append(f"{figures.error:>10.1%}  {held:>46}  {figures.decided.value:>17.1%}")
    return lines


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
        "confusions": [list(row) for row in evaluation.confusions()[:_CONFUSIONS_IN_JSON]],
        "reliability": [asdict(row) for row in evaluation.reliability()],
        "coverage": [asdict(evaluation.coverage_at(level)) for level in CONFIDENCES],
        "accepted": [each.model_dump(exclude_none=True) for each in evaluation.accepted],
        "sets": [each.model_dump(exclude_none=True) for each in evaluation.sets],
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
