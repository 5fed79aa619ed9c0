"""Rounding to half precision: exact, and without effect where it would lose something."""

import keras
import numpy as np

from tests.conftest import shaken
from training.networks.architectures import efficientnet_lite, residual
from training.networks.half import is_half, round_to_half


def test_rounded_weights_are_near_and_stay_so() -> None:
    network = shaken(efficientnet_lite(3, side=64))
    before = network.get_weights()
    assert not is_half(network)
    round_to_half(network)
    assert is_half(network)
    after = network.get_weights()
    assert all(weights.dtype == np.float32 for weights in after)
    for old, new in zip(before, after, strict=True):
        assert np.abs(old - new).max() <= np.abs(old).max() * 2**-11
    round_to_half(network)
    for old, new in zip(after, network.get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_a_normalised_network_and_huge_weights_stay_as_they_are() -> None:
    network = shaken(residual(side=32))
    before = network.get_weights()
    round_to_half(network)
    assert all(np.array_equal(*pair) for pair in zip(before, network.get_weights(), strict=True))
    assert not is_half(network)
    huge = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    huge.set_weights([np.full((2, 1), 1e5, np.float32), np.zeros(1, np.float32)])
    round_to_half(huge)
    assert huge.get_weights()[0].max() == 1e5
