"""Train from a pretrained backbone: features, a linear head, and fine-tuning if it pays."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from app.model.card import Input
from training.data.cache import DecodedSubset, decode_samples
from training.data.photo_map import PhotoMap, map_on_threads
from training.data.samples import Dataset, Sample
from training.evaluation.metrics import Evaluation
from training.loop.build import build_served
from training.loop.calibration import compute_logits, divide_logits, fit_temperature, log_loss
from training.loop.checkpoint import EpochMetrics, RunFolder, TrainingState
from training.networks.backbones import build_backbone
from training.networks.half import round_to_half
from training.recipes.recipe import Recipe
from training.transfer.features import Extractor, Features, compute_features
from training.transfer.finetune import fine_tune
from training.transfer.head import Head, fit_head, out_of_fold_logits, probabilities

# Fine-tunes as `fine_tune` does.
FineTuning = Callable[[Recipe, keras.Model, DecodedSubset, RunFolder, TrainingState], TrainingState]
_SHARES = (0.5, 1.0)  # of the way from the weights before fine-tuning to those after


@dataclass(frozen=True)
class Transferred:
    """The result.

    Attributes:
        network: float32, of the recipe's size, calibrated.
        history: the head's metrics as epoch 0, and those of each epoch of fine-tuning.
        kept_epoch: 0 for the head alone, else the last epoch.
        temperature: of the calibration.
        strength: of the head's regularisation, as scikit-learn's C.
        training: the features of the training photos.
        photos: the numbers of readable photos in train and validation.
        out_of_fold: the answers for the training photos of heads that were not fitted on them, if
            the data set is too small to hold some out for the thresholds; else None.
        unreadable: the photos that were left out, class/name -> reason.
    """

    network: keras.Model
    history: list[EpochMetrics]
    kept_epoch: int
    temperature: float
    strength: float
    training: Features
    photos: tuple[int, int]
    out_of_fold: Evaluation | None
    unreadable: dict[str, str]


@dataclass(frozen=True)
class _Candidate:
    """A network that could be published: its logits for the photos that choose, and its epoch."""

    logits: np.ndarray
    labels: np.ndarray
    epoch: int

    @property
    def temperature(self) -> float:
        # Of n photos that are all answered right, the next one is wrong with 1 / (n + 2): Laplace's
        # rule of succession.
        return fit_temperature(self.logits, self.labels, 1 / (len(self.labels) + 2))

    @property
    def accuracy(self) -> float:
        return float((probabilities(self.logits).argmax(axis=1) == self.labels).mean())

    @property
    def loss(self) -> float:
        """The log loss after calibration."""
        return log_loss(self.logits / self.temperature, self.labels)

    def describe(self) -> str:
        return f"{self.accuracy:.2%} of {len(self.labels)} photos right, log loss {self.loss:.4f}"

    def is_no_worse_than(self, other: "_Candidate") -> bool:
        return self.accuracy >= other.accuracy and self.loss <= other.loss


def transfer(
    recipe: Recipe,
    dataset: Dataset,
    cache: Path,
    run: RunFolder,
    state: TrainingState,
    map_photos: PhotoMap = map_on_threads,
    tune: FineTuning = fine_tune,
) -> Transferred:
    """Fit a head on features of the recipe's backbone, and fine-tune the network if it pays.

    Args:
        recipe: a recipe with a backbone.
        dataset: the photos; without test photos, cross-validation tests the head.
        cache: the folder of all caches.
        run: the folder for the checkpoints.
        state: the state of an interrupted run, or an empty one.
        map_photos: computes features and decodes photos.
        tune: fine-tunes.

    Raises:
        CommandError: the weights are missing, a class has too few photos, or the loss diverged.
    """
    assert recipe.backbone is not None
    extractor = Extractor(recipe.backbone, recipe.options["side"], recipe.weights)

    def features_of(samples: list[Sample], what: str) -> Features:
        return compute_features(samples, extractor, cache, f"features of {what}", map_photos)

    training = features_of(dataset.train, "train")
    validation = features_of(dataset.validation, "validation")
    head = fit_head(training.values, training.labels)
    network = build_backbone(recipe.backbone, len(dataset.labels), None, recipe.weights)
    head.put_into(network)
    apart = None if dataset.calibration else _cross_validate(head, training)
    best = apart if apart and not validation.samples else _judge_head(head, validation)
    history = [_head_metrics(head, training, best)]
    print(f"head alone: {best.describe()}")
    if recipe.minutes and dataset.test:
        head_weights = network.get_weights()
        photos = _decode(dataset, recipe, cache, map_photos)
        state = tune(recipe, network, photos["train"], run, state)
        if state.epochs:
            tuned = _best_mixture(network, head_weights, photos["validation"], state.epochs)
            history += _with_validation(state.history, tuned)
            print(f"fine-tuned: {tuned.describe()}")
            if tuned.is_no_worse_than(best):
                best = tuned
            else:
                print("the head alone is published, as fine-tuning made it no better")
                network.set_weights(head_weights)
    return Transferred(
        network=_served(recipe, dataset, network, best.temperature),
        history=history,
        kept_epoch=best.epoch,
        temperature=best.temperature,
        strength=head.strength,
        training=training,
        photos=(len(training.samples), len(validation.samples)),
        out_of_fold=_out_of_fold(dataset, training, apart) if apart else None,
        unreadable=training.unreadable | validation.unreadable,
    )


def _best_mixture(
    network: keras.Model, head_weights: list[np.ndarray], validation: DecodedSubset, epoch: int
) -> _Candidate:
    """Give the network the mixture of the weights before and after with the lowest log loss.

    Source: M. Wortsman et al., Robust fine-tuning of zero-shot models (2022).
    """
    tuned_weights = network.get_weights()
    found = {}
    for share in _SHARES:
        mixed = [a + share * (b - a) for a, b in zip(head_weights, tuned_weights, strict=True)]
        network.set_weights(mixed)
        logits = compute_logits(network, validation.pixels)
        found[share] = _Candidate(logits, validation.labels, epoch), mixed
        print(f"{share:.0%} of fine-tuning: {found[share][0].describe()}")
    best, weights = min(found.values(), key=lambda each: each[0].loss)
    network.set_weights(weights)
    return best


def _judge_head(head: Head, validation: Features) -> _Candidate:
    """Return the head's logits for validation."""
    return _Candidate(head.logits(validation.values), validation.labels, 0)


def _cross_validate(head: Head, training: Features) -> _Candidate:
    """Return logits for the training photos, of heads that were not fitted on them."""
    logits = out_of_fold_logits(training.values, training.labels, head.strength)
    return _Candidate(logits, training.labels, 0)


def _head_metrics(head: Head, training: Features, judged: _Candidate) -> EpochMetrics:
    own = _Candidate(head.logits(training.values), training.labels, 0)
    return {
        "epoch": 0,
        "loss": log_loss(own.logits, own.labels),
        "accuracy": own.accuracy,
        "val_loss": log_loss(judged.logits, judged.labels),
        "val_accuracy": judged.accuracy,
        "seconds": 0.0,
    }


def _with_validation(history: list[EpochMetrics], tuned: _Candidate) -> list[EpochMetrics]:
    """Return the metrics of fine-tuning with those of validation in the last epoch."""
    loss = log_loss(tuned.logits, tuned.labels)
    return [*history[:-1], history[-1] | {"val_loss": loss, "val_accuracy": tuned.accuracy}]


def _decode(
    dataset: Dataset, recipe: Recipe, cache: Path, map_photos: PhotoMap
) -> dict[str, DecodedSubset]:
    side = recipe.options["side"]
    shape = Input(height=side, width=side, channels=3)
    parts = {"train": dataset.train, "validation": dataset.validation}
    return {
        name: decode_samples(photos, shape, name, cache, map_photos)
        for name, photos in parts.items()
    }


def _served(
    recipe: Recipe, dataset: Dataset, network: keras.Model, temperature: float
) -> keras.Model:
    """Return the network with the recipe's size of photos, calibrated and rounded."""
    served = build_served(recipe, len(dataset.labels))
    served.set_weights(network.get_weights())
    divide_logits(served, temperature)
    round_to_half(served)
    return served


def _out_of_fold(dataset: Dataset, training: Features, judged: _Candidate) -> Evaluation:
    """Return the cross-validated answers for the training photos."""
    return Evaluation(
        labels=dataset.labels,
        names=tuple(sample.name for sample in training.samples),
        truths=training.labels,
        probabilities=probabilities(judged.logits / judged.temperature),
        unreadable=training.unreadable,
    )
