"""The linear head: what it learns, how it is regularised, and when it refuses."""

import keras
import numpy as np
import pytest

from app.cli import CommandError
from training.transfer.head import (
    STRENGTHS,
    choose_strength,
    fit_head,
    is_imbalanced,
    out_of_fold_logits,
    probabilities,
)


def clouds(
    counts: tuple[int, ...], distance: float, seed: int = 0, size: int = 30
) -> tuple[np.ndarray, np.ndarray]:
    """Features of classes whose centres are `distance` apart, far from zero."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    features = random.normal(size=(len(labels), size))
    features[np.arange(len(labels)), labels] += distance
    return (features * 0.03 + 5).astype(np.float32), labels


@pytest.mark.parametrize("counts", [(60, 60), (40, 50, 60)])
def test_the_head_tells_classes_apart_on_new_photos(counts: tuple[int, ...]) -> None:
    features, labels = clouds(counts, 6.0)
    head = fit_head(features, labels)
    others, truths = clouds(counts, 6.0, seed=1)
    outputs = 1 if len(counts) == 2 else len(counts)
    logits = head.logits(others)
    assert logits.shape == (len(truths), outputs)
    assert np.mean(probabilities(logits).argmax(1) == truths) > 0.97


def test_the_weights_of_the_last_layer_give_the_heads_logits() -> None:
    features, labels = clouds((20, 20), 3.0, size=8)
    head = fit_head(features, labels)
    network = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1, activation="sigmoid")])
    head.put_into(network)
    outputs = keras.ops.convert_to_numpy(network(features))[:, 0]
    assert outputs == pytest.approx(probabilities(head.logits(features))[:, 1], abs=1e-5)


def test_noise_is_regularised_more_than_signal() -> None:
    noise, labels = clouds((60, 60), 0.0)
    signal, _ = clouds((60, 60), 12.0)
    assert choose_strength(noise, labels) < choose_strength(signal, labels)
    assert choose_strength(noise, labels) in STRENGTHS


def test_no_photo_is_answered_by_a_head_that_saw_it() -> None:
    features, labels = clouds((50, 50), 0.0, size=200)
    own = np.mean((fit_head(features, labels).logits(features)[:, 0] > 0) == labels)
    fair = np.mean((out_of_fold_logits(features, labels, 1.0)[:, 0] > 0) == labels)
    assert fair < 0.7
    assert own > fair


def test_a_rare_class_counts_as_much_as_the_others() -> None:
    features, labels = clouds((300, 15), 1.5)
    assert is_imbalanced(labels)
    answers = out_of_fold_logits(features, labels, 1e-2)[:, 0] > 0
    assert answers[labels == 1].mean() > 0.4, "without weights, hardly any is found"


def test_two_photos_of_a_class_are_enough_and_one_is_not() -> None:
    features, labels = clouds((2, 3), 9.0)
    assert fit_head(features, labels).kernel.shape == (30, 1)
    with pytest.raises(CommandError, match="a class has a single photo"):
        fit_head(*clouds((1, 3), 9.0))
