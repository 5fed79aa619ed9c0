"""Quantize a network to int8 after training, and keep the result if it is as good as float32.

Weights and feature maps are whole numbers of 8 bits, with a range for each channel of a kernel and
for each feature map; the latter come from training photos. What follows the last feature map stays
in float32: else probabilities would be steps of 1/256, and the familiarity would be coarse. Source:
B. Jacob et al., Quantization and training of neural networks for efficient integer-arithmetic-only
inference (2018).
"""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from app.model.card import INT8, Card, Golden, Int8, Metric
from app.model.classifier import Classifier
from app.model.golden import golden_pixels
from app.model.litert import LiteRTEngine, LiteRTName
from training.data.samples import Dataset, Sample
from training.evaluation.decisions import share
from training.evaluation.evaluator import evaluate, for_each
from training.evaluation.metrics import Evaluation
from training.publishing.model_card import write

ACCURACY, LOG_LOSS, KNOWN = 0.002, 0.003, 0.01  # what may be lost, on validation
_FEW_PHOTOS = 300  # whose feature maps give the ranges; or which stand for missing validation
# A range is a moving average over batches, in which the first one has half of the weight. Of single
# photos, the last twenty would have most of it.
_BATCH = 20
_IN_FLOAT = ("INPUT", "OUTPUT", "MEAN", "RESHAPE", "FULLY_CONNECTED", "LOGISTIC", "SOFTMAX")


def add_int8(
    folder: Path, card: Card, plain: Path, dataset: Dataset, measured: Mapping[str, Evaluation]
) -> Card:
    """Add `model-int8.tflite` to a version folder if it is as good as the network in float32.

    Args:
        folder: the version folder.
        card: its card, which is written already and has no `int8`.
        plain: the network as a LiteRT file with float32 weights.
        dataset: the photos; training photos take the place of validation if there is none.
        measured: what the network in float32 answers on "validation" and "test", if it is known.

    Returns:
        The card of the folder as it is now. It has no `int8` if too much was lost, or if no
        training photo can be read.
    """
    decoder = Classifier(card, None)
    photos = for_each(decoder, _few(dataset.train), lambda photo: photo, "calibrating int8")[0]
    if not photos:
        print("there is no network in int8: no training photo can be read")
        return card
    quantize(plain, folder / INT8, np.stack([photo.pixels for _, photo in photos]))
    golden = _golden(folder, card)
    added = write(folder, card.model_copy(update={"int8": Int8(golden=golden, metrics={})}))
    subsets = {"validation": dataset.validation, "test": dataset.test}
    if not dataset.validation:
        subsets = {"training": _few(dataset.train), "test": dataset.test}
    int8 = _load(folder, "litert-int8")
    figures: dict[str, Metric] = {}
    for name, samples in subsets.items():
        if samples:
            usual = measured.get(name)
            usual = usual or evaluate(_load(folder, "litert-float"), samples, f"{name}, float32")
            figures |= _figures(card, name, usual, evaluate(int8, samples, f"{name}, int8"))
    lost = _lost(figures)
    if lost:
        print(f"there is no network in int8, as it would lose too much: {lost}")
        (folder / INT8).unlink()
        return write(folder, card)
    return write(folder, added.model_copy(update={"int8": Int8(golden=golden, metrics=figures)}))


def quantize(plain: Path, destination: Path, photos: np.ndarray) -> None:
    """Write a LiteRT file with the network in int8, with inputs and outputs in float32.

    Args:
        plain: the network as a LiteRT file with float32 weights.
        destination: where to write.
        photos: uint8 (photos, height, width, channels), from which the ranges come.
    """
    # Imported here because they take a second.
    from ai_edge_litert.interpreter import Interpreter
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.quantizer import Quantizer

    quantizer = Quantizer(str(plain))
    quantizer.add_static_config(".*", TFLOperationName.ALL_SUPPORTED, 8, 8)
    for operation in [TFLOperationName[name] for name in _IN_FLOAT]:
        quantizer.update_quantization_recipe(".*", operation, algorithm_key="no_quantize")
    # Keras names the signature; the input has the name of the network's first layer.
    ((signature, names),) = Interpreter(str(plain)).get_signature_list().items()
    (name,) = names["inputs"]
    starts = range(0, len(photos), _BATCH)
    batches = [{name: photos[at : at + _BATCH].astype(np.float32)} for at in starts]
    # A bias overflows where a feature map has no range, because all photos are alike there. Whether
    # that does harm shows on validation.
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        # Every feature map is kept, which is for debugging, and what a calibration is about.
        warnings.filterwarnings("ignore", ".*experimental_preserve_all_tensors")
        ranges = quantizer.calibrate({signature: batches})
        quantizer.quantize(ranges).export_model(str(destination), overwrite=True)
    destination.chmod(0o644)  # the library makes it a program


def _few(samples: list[Sample]) -> list[Sample]:
    """Return up to `_FEW_PHOTOS`, by SHA-256: an order that has nothing to do with the classes."""
    return sorted(samples, key=lambda sample: sample.sha256)[:_FEW_PHOTOS]


def _golden(folder: Path, card: Card) -> tuple[Golden, ...]:
    engine = LiteRTEngine(folder / INT8, card, name="litert-int8")
    seeds = [each.seed for each in card.golden]
    rows = [engine.run(golden_pixels(seed, card.input)[np.newaxis])[0] for seed in seeds]
    return tuple(
        Golden(seed=seed, outputs=tuple(map(float, row)))
        for seed, row in zip(seeds, rows, strict=True)
    )


def _load(folder: Path, engine: LiteRTName) -> Classifier:
    return Classifier.load(folder, engine=engine, threads=os.cpu_count() or 1)


def _figures(card: Card, subset: str, usual: Evaluation, int8: Evaluation) -> dict[str, Metric]:
    """Return the figures of both networks on the same photos, and how far they are apart."""
    figures: dict[str, Metric] = {}
    for prefix, each in (("", int8), ("float_", usual)):
        name = f"{prefix}{subset}"
        figures[f"{name}_accuracy"] = each.accuracy
        figures[f"{name}_log_loss"] = Metric(value=each.log_loss, samples=each.samples)
        if card.thresholds:
            least = card.thresholds.min_familiarity
            known = [photo["familiarity"] or 0.0 for photo in each.statistics]
            figures[f"{name}_known"] = share(np.array(known) >= least)
    apart = np.abs(int8.probabilities - usual.probabilities)
    for name, value in (("largest", apart.max()), ("mean", apart.max(axis=1).mean())):
        figures[f"{subset}_{name}_difference"] = Metric(value=float(value), samples=int8.samples)
    return figures


def _lost(figures: Mapping[str, Metric]) -> str:
    """Return what was lost on validation, if it is too much. One photo never is.

    Training photos stand for validation where there is none.
    """
    lines = []
    limits = {"accuracy": ACCURACY, "log_loss": LOG_LOSS, "known": KNOWN}
    subset = "training" if "training_accuracy" in figures else "validation"
    for name, most in limits.items():
        if (now := figures.get(f"{subset}_{name}")) is None:
            continue
        before = figures[f"float_{subset}_{name}"].value
        sign, least = (1, 0.0) if name == "log_loss" else (-1, 1 / now.samples)
        if sign * (now.value - before) > max(most, least) + 1e-9:
            lines.append(f"{name.replace('_', ' ')} {now.value:.4f} instead of {before:.4f}")
    return ", ".join(lines)
