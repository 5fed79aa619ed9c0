"""The running average of all weights, against one computed by hand."""

from typing import Any

import keras
import numpy as np

from training.loop.averaging import WeightAverage

EVERY = 4  # batches between two steps of the average


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    layers = [keras.Input((3,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    made = keras.Sequential(layers)
    made.compile("sgd", "mse")
    return made


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.normal(5, 2, (120, 3)).astype(np.float32), np.ones((120, 1), np.float32)


class Recorder(keras.callbacks.Callback):
    """Every weight after every batch, and what was validated."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[list[np.ndarray]] = []
        self.validated: list[np.ndarray] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.seen.append(self.model.get_weights())

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(self.model.get_weights())

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.validated = self.model.get_weights()


def by_hand(seen: list[list[np.ndarray]], decay: float) -> list[np.ndarray]:
    mean = seen[0]
    for step, weights in enumerate(seen[EVERY::EVERY], start=1):
        share = min(decay**EVERY, (1 + step) / (10 + step))
        mean = [share * old + (1 - share) * new for old, new in zip(mean, weights, strict=True)]
    return mean


def test_statistics_are_averaged_too_and_the_average_is_validated() -> None:
    model, recorder, average = network(), Recorder(), WeightAverage(0.9)
    pixels, targets = data()
    model.fit(
        pixels, targets, batch_size=10, shuffle=False, verbose=0,
        validation_data=(pixels, targets), callbacks=[average, recorder],
    )  # fmt: skip
    expected = by_hand(recorder.seen, 0.9)
    moving_mean = expected[2]
    assert np.abs(moving_mean - recorder.seen[-1][2]).max() > 0.01
    for one, two in zip(recorder.validated, expected, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
    # Training goes on with the network's own weights.
    for one, two in zip(model.get_weights(), recorder.seen[-1], strict=True):
        assert (one == two).all()
    with average.applied():
        for one, two in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_a_resumed_average_continues() -> None:
    pixels, targets = data()
    whole, model = WeightAverage(0.9), network()
    model.fit(pixels, targets, batch_size=10, epochs=2, shuffle=False, verbose=0, callbacks=[whole])
    first, again = WeightAverage(0.9), network()
    again.fit(pixels, targets, batch_size=10, shuffle=False, verbose=0, callbacks=[first])
    with first.applied():
        values = again.get_weights()
    second = WeightAverage(0.9, batches=12, values=values)
    again.fit(pixels, targets, batch_size=10, shuffle=False, verbose=0, callbacks=[second])
    with whole.applied(), second.applied():
        for one, two in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
