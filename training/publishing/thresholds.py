"""Write the files of a version from which its decisions come, and measure these."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.cli import CommandError
from app.imaging.decode import Decoded
from app.model.card import CALIBRATION, FAMILIARITY, Thresholds
from app.model.classifier import Classifier
from app.model.conformal import ConformalSets
from app.model.prediction import prediction
from app.model.version_folder import read_file
from training.data.samples import Dataset, Sample
from training.evaluation.decisions import acceptances, set_figures
from training.evaluation.evaluator import for_each
from training.evaluation.metrics import Evaluation
from training.publishing.familiarity import fit_familiarity

ERROR, MIN_FAMILIARITY = 0.05, 0.01  # the defaults on the card
_MOST = 5000  # training photos whose features are computed


def write_thresholds(
    folder: Path, classifier: Classifier, dataset: Dataset, out_of_fold: Evaluation | None
) -> Thresholds | None:
    """Write `familiarity.npz` and `calibration.npz` into a version folder.

    Args:
        folder: the version folder.
        classifier: its network.
        dataset: the photos. Those in `calibration` are the measure for others.
        out_of_fold: answers for training photos of networks that did not see them, which take the
            place of calibration photos where there are none.

    Returns:
        The thresholds for the card; None if there are neither, and then no file is written.
    """
    if not dataset.calibration and out_of_fold is None:
        return None
    features, labels, _ = _run(classifier, _some(dataset.train), "features of train")
    known = others = None
    if dataset.calibration:
        known, truths, probabilities = _run(classifier, dataset.calibration, "calibrating")
    else:
        assert out_of_fold is not None
        truths, probabilities = out_of_fold.truths, out_of_fold.probabilities
    if dataset.others[0]:
        others = _run(classifier, dataset.others[0], "features of _other")[0]
    familiarity = fit_familiarity(features, labels, known, others)
    of_truth = probabilities[np.arange(len(truths)), truths].astype(np.float32)
    _save(folder / FAMILIARITY, vars(familiarity))
    _save(folder / CALIBRATION, {"probabilities": of_truth, "labels": truths.astype(np.uint16)})
    counts = np.bincount(truths).tolist()
    return Thresholds(
        error=max(ERROR, ConformalSets(of_truth, truths).smallest_error),
        min_familiarity=MIN_FAMILIARITY,
        photos=dict(zip(classifier.card.labels, counts, strict=True)),
        cross_validated=not dataset.calibration,
    )


def measure_thresholds(
    folder: Path, classifier: Classifier, tested: Evaluation, others: Sequence[Sample]
) -> Evaluation:
    """Return the evaluation with what the thresholds were worth on its photos.

    Args:
        folder: the version folder.
        classifier: the version with its thresholds.
        tested: its answers for the test photos.
        others: pictures of other things, to test with.
    """
    content = read_file(folder / CALIBRATION, classifier.card.files[CALIBRATION])
    sets = ConformalSets.read(content, classifier.card)
    refused = foreign_familiarity(classifier, others) if others else None
    figures = set_figures(sets, tested.labels, tested.truths, tested.probabilities)
    return replace(tested, accepted=acceptances(tested, refused), sets=figures)


def foreign_familiarity(classifier: Classifier, pictures: Sequence[Sample]) -> np.ndarray:
    """Return the familiarity of pictures of other things, float64 (pictures,).

    Raises:
        CommandError: none of them can be decoded.
    """

    def familiarity(photo: Decoded) -> float | None:
        return classifier.predict_pixels(photo.pixels[np.newaxis], alone=True)[0].familiarity

    answered, _ = for_each(classifier, pictures, familiarity, "other pictures")
    if not answered:
        raise CommandError(f"none of the {len(pictures)} other pictures could be decoded.")
    return np.array([found for _, found in answered], np.float64)


def _run(
    classifier: Classifier, samples: Sequence[Sample], what: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the features, labels and probabilities of the readable photos."""
    card, engine = classifier.card, classifier.network.engine

    def forward(photo: Decoded) -> tuple[np.ndarray, list[float]]:
        outputs, features = engine.forward(photo.pixels[np.newaxis], alone=True)
        assert features is not None  # the files of a version that was just published show them
        return features[0], list(prediction(card, outputs[0]).probabilities.values())

    answered, _ = for_each(classifier, samples, forward, what)
    features = np.array([each for _, (each, _) in answered], np.float32)
    probabilities = np.array([each for _, (_, each) in answered])
    return features, np.array([sample.label for sample, _ in answered]), probabilities


def _some(samples: list[Sample]) -> list[Sample]:
    """Return at most `_MOST` photos; by SHA-256, so that each class keeps its share."""
    if len(samples) <= _MOST:
        return samples
    by_class: dict[int, list[Sample]] = {}
    for sample in sorted(samples, key=lambda sample: sample.sha256):
        by_class.setdefault(sample.label, []).append(sample)
    share = _MOST / len(samples)
    return [s for own in by_class.values() for s in own[: max(2, round(share * len(own)))]]


def _save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{k: v for k, v in arrays.items() if k[0] != "_"})
    path.write_bytes(content.getvalue())
