"""Publish a trained network as a version folder."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version as library_version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from app.model.card import EXPLAIN, KERAS, LITERT, Card, Golden, Input, Layer
from app.model.classifier import Classifier
from app.model.golden import golden_pixels
from app.model.summary import summarize
from app.model.version_folder import load_card, sha256, versions
from training.atomic import atomic_folder
from training.data.fingerprints import FINGERPRINTS, write_fingerprints
from training.data.samples import Dataset
from training.evaluation import plots
from training.evaluation.evaluator import evaluate
from training.evaluation.metrics import Evaluation
from training.evaluation.report import card_metrics
from training.loop.checkpoint import EpochMetrics
from training.networks.flops import multiply_adds
from training.publishing import model_card
from training.publishing.int8 import add_int8
from training.publishing.litert import check_explanation, export_litert
from training.publishing.thresholds import measure_thresholds, write_thresholds

_GOLDEN_SEEDS = (0, 1, 2, 3)
_LAYER_SETTINGS = (
    "filters", "kernel_size", "strides", "padding", "activation", "pool_size", "units", "scale",
    "offset", "rate",
)  # fmt: skip


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training; `recipe` and `data` describe it on the card.

    `network` is uncompiled, so that no optimizer state is saved. `kept_epoch` is the epoch of its
    weights, counted from 1. `out_of_fold` are answers for the training photos of networks that did
    not see them; they take the place of photos that are missing for the thresholds or the test.
    """

    network: keras.Model
    name: str
    labels: tuple[str, ...]
    recipe: dict[str, str | int | float | None]
    data: dict[str, str | int]
    history: Sequence[EpochMetrics]
    kept_epoch: int
    out_of_fold: Evaluation | None = None


def publish(trained: TrainingResult, models: Path, dataset: Dataset) -> tuple[Path, Evaluation]:
    """Write the next version of a model and evaluate it as it will be served.

    The version folder appears only after its files were loaded, the golden predictions were
    reproduced and the accuracy was measured on the validation and test sets.

    Args:
        trained: the network and its description.
        models: the folder of all models.
        dataset: the photos that it was trained on, and those to validate and test on.

    Returns:
        The version folder, `models/<name>/<version>`, and the evaluation on the test set, or the
        cross-validated one.

    Raises:
        CommandError: the conversion failed, or no validation or test photo is readable.
        ModelError: the LiteRT files do not reproduce the Keras network's predictions.
    """
    base = models / trained.name
    number = max(versions(base), default=0) + 1
    with atomic_folder(base / str(number)) as folder, TemporaryDirectory() as scratch:
        plain = Path(scratch) / LITERT
        trained.network.save(folder / KERAS)
        export_litert(folder / KERAS, folder / LITERT, folder / EXPLAIN, plain)
        write_fingerprints(dataset.train, folder / FINGERPRINTS)
        plots.training_curves(trained.history, trained.kept_epoch, folder / model_card.CURVES)
        model_card.write(folder, _draft_card(trained, number, folder))
        classifier = _load_with_thresholds(folder, trained, dataset)
        card, evaluation, measured = _with_figures(classifier, folder, trained, dataset)
        add_int8(folder, model_card.write(folder, card), plain, dataset, measured)
        load_card(folder)
    return base / str(number), evaluation


def _load_with_thresholds(folder: Path, trained: TrainingResult, dataset: Dataset) -> Classifier:
    """Return the version, with thresholds on its card if there are photos for them."""
    threads = os.cpu_count() or 1
    classifier = Classifier.load(folder, engine="litert-float", threads=threads)
    check_explanation(folder, classifier.card)
    thresholds = write_thresholds(folder, classifier, dataset, trained.out_of_fold)
    if thresholds is None:
        return classifier
    model_card.write(folder, classifier.card.model_copy(update={"thresholds": thresholds}))
    return Classifier.load(folder, engine="litert-float", threads=threads)


def _with_figures(
    classifier: Classifier, folder: Path, trained: TrainingResult, dataset: Dataset
) -> tuple[Card, Evaluation, dict[str, Evaluation]]:
    """Return the card with what was measured, the evaluation for it, and those of each subset."""
    card, measured = classifier.card, {}
    figures: dict[str, Any] = {"metrics": {}}
    if dataset.validation:
        measured["validation"] = validation = evaluate(classifier, dataset.validation, "validating")
        answers = [card.labels[answer] for answer in validation.answers]
        figures["metrics"] = card_metrics(validation, "validation")
        figures["reference"] = summarize(card.labels, answers, validation.statistics)
    kind, evaluation = model_card.CROSS_VALIDATED, trained.out_of_fold
    if dataset.test or evaluation is None:
        kind, evaluation = "test", evaluate(classifier, dataset.test, "testing")
        measured["test"] = evaluation
        if card.thresholds:
            evaluation = measure_thresholds(folder, classifier, evaluation, dataset.others[1])
            found = {"accepted": evaluation.accepted, "sets": evaluation.sets}
            figures["thresholds"] = card.thresholds.model_copy(update=found)
    figures["metrics"] = card_metrics(evaluation, kind) | figures["metrics"]
    figures["confusion"] = tuple(tuple(row) for row in evaluation.confusion.tolist())
    plots.evaluation_plots(evaluation, folder / model_card.EVALUATION)
    return card.model_copy(update=figures), evaluation, measured


def _draft_card(trained: TrainingResult, number: int, folder: Path) -> Card:
    network = trained.network
    height, width, channels = network.input_shape[1:]
    shape = Input(height=height, width=width, channels=channels)
    return Card(
        name=trained.name,
        version=number,
        created=datetime.now(UTC).replace(microsecond=0),
        labels=trained.labels,
        activation=network.layers[-1].activation.__name__,
        input=shape,
        parameters=network.count_params(),
        multiply_adds=multiply_adds(network),
        layers=tuple(_layer(layer) for layer in network.layers),
        summary=_summary(network),
        metrics={},
        confusion=(),
        recipe=trained.recipe,
        data=trained.data,
        libraries=_libraries(),
        golden=tuple(_golden(network, shape, seed) for seed in _GOLDEN_SEEDS),
        files={name: sha256(folder / name) for name in (KERAS, LITERT)},
    )


def _layer(layer: Any) -> Layer:
    config = layer.get_config()
    settings = {
        name: list(config[name]) if isinstance(config[name], tuple) else config[name]
        for name in _LAYER_SETTINGS
        if config.get(name) is not None
    }
    return Layer(
        name=layer.name,
        kind=type(layer).__name__,
        output_shape=tuple(layer.output.shape[1:]),
        parameters=layer.count_params(),
        settings=settings,
    )


def _summary(network: keras.Model) -> str:
    lines: list[str] = []
    network.summary(line_length=78, print_fn=lambda text, **_: lines.append(text))
    return "\n".join(lines)


def _golden(network: keras.Model, shape: Input, seed: int) -> Golden:
    pixels = golden_pixels(seed, shape)[np.newaxis].astype(np.float32)
    outputs = keras.ops.convert_to_numpy(network(pixels, training=False))[0]
    return Golden(seed=seed, outputs=tuple(float(value) for value in outputs))


def _libraries() -> dict[str, str]:
    names = ("keras", "tensorflow", "ai-edge-litert", "ai-edge-quantizer", "numpy", "pillow")
    versions_of = {name: library_version(name) for name in names}
    backend = {"keras backend": keras.backend.backend()}
    return {"python": platform.python_version()} | versions_of | backend
