"""One temperature, found and folded in."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.loop.calibration import calibrate, compute_logits, fit_temperature, log_loss


def draw(logits: np.ndarray, seed: int = 0) -> np.ndarray:
    """Labels as likely as softmax(logits) says."""
    random = np.random.default_rng(seed)
    gumbel = -np.log(-np.log(random.uniform(size=logits.shape)))
    return np.asarray((logits + gumbel).argmax(axis=1))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_made_the_labels_is_found(temperature: float) -> None:
    truth = np.random.default_rng(1).normal(0, 2, (20_000, 3))
    labels = draw(truth)
    assert fit_temperature(truth * temperature, labels) == pytest.approx(temperature, rel=0.04)
    binary = (truth[:, :1] - truth[:, 1:2]) * temperature
    pairs = draw(truth[:, :2][:, ::-1])  # the logit is that of label 1
    assert fit_temperature(binary, pairs) == pytest.approx(temperature, rel=0.04)


def test_log_loss_of_one_and_of_two_outputs_agree() -> None:
    logits = np.random.default_rng(2).normal(0, 3, (500, 1))
    labels = np.random.default_rng(3).integers(0, 2, 500)
    both = np.concatenate([np.zeros_like(logits), logits], axis=1)
    assert log_loss(logits, labels) == pytest.approx(log_loss(both, labels))


@pytest.mark.parametrize("classes", [2, 3])
def test_the_network_itself_gives_the_calibrated_probabilities(classes: int) -> None:
    units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    inputs = keras.Input((4, 4, 3))
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 25)(inputs))
    last = keras.layers.Dense(units, activation=activation, bias_initializer="random_normal")
    network = keras.Model(inputs, last(features))
    random = np.random.default_rng(4)
    pixels = random.integers(0, 256, (600, 4, 4, 3), np.uint8)
    labels = random.integers(0, classes, 600)
    before = compute_logits(network, pixels)
    answers = keras.ops.convert_to_numpy(network(pixels))
    temperature = calibrate(network, pixels, labels)
    assert temperature > 1  # the labels have nothing to do with the pixels
    np.testing.assert_allclose(compute_logits(network, pixels), before / temperature, atol=1e-4)
    after = keras.ops.convert_to_numpy(network(pixels))
    assert ((answers > 0.5) == (after > 0.5)).all() or classes > 2
    assert (answers.argmax(axis=1) == after.argmax(axis=1)).all()
    assert log_loss(before / temperature, labels) < log_loss(before, labels)


@given(classes=st.integers(1, 4), seed=st.integers(0, 999), scale=st.floats(0.1, 10))
@settings(max_examples=40, derandomize=True, deadline=None)
def test_no_temperature_has_a_lower_log_loss(classes: int, seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    logits = random.normal(0, scale, (80, classes))
    labels = random.integers(0, max(2, classes), 80)
    found = fit_temperature(logits, labels)
    assert 0.05 <= found <= 20
    best = log_loss(logits / found, labels)
    for other in (1, 0.06, 0.3, 0.95 * found, 1.05 * found, 3, 19):
        if 0.05 <= other <= 20:
            assert best <= log_loss(logits / other, labels) + 1e-6
    if classes > 1:
        order = np.argsort(logits, axis=1)
        assert (np.argsort(logits / found, axis=1) == order).all()


@pytest.mark.parametrize("classes", [1, 3])
def test_few_right_answers_do_not_make_certainty(classes: int) -> None:
    logits = np.eye(3)[[0, 1, 2, 0]] if classes == 3 else np.array([[1.0], [-1.0], [1.0], [-1.0]])
    labels = np.array([0, 1, 2, 0]) if classes == 3 else np.array([1, 0, 1, 0])
    assert fit_temperature(logits, labels) == pytest.approx(0.05, rel=0.01), "the lowest there is"
    careful = logits / fit_temperature(logits, labels, 1 / 6)
    assert log_loss(careful, labels) == pytest.approx(-np.log(5 / 6), rel=0.01)
