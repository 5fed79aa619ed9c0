"""Muon: what moves a kernel, and what is left to AdamW."""

import keras
import numpy as np
import pytest

from training.loop.muon import Muon
from training.networks import architectures


@pytest.mark.parametrize("shape", [(3, 3, 8, 16), (3, 3, 4, 64), (1, 1, 32, 16)])
def test_an_update_is_orthogonal_and_as_large_as_adamws(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    kernel = keras.Variable(np.zeros(shape, np.float32), name="kernel")
    gradient = random.normal(size=shape).astype(np.float32) * 1e-3
    optimizer = Muon(0.01, weight_decay=None, adam_weight_decay=None)
    optimizer.apply([keras.ops.convert_to_tensor(gradient)], [kernel])
    step = keras.ops.convert_to_numpy(kernel).reshape(-1, shape[-1])
    values = np.linalg.svd(step, compute_uv=False)
    assert values.min() > 0.5 * values.max()  # of the gradient's own it is a quarter or less
    # 0.2 is the usual size of a step of AdamW's in units of the learning rate.
    assert np.sqrt(np.mean(step**2)) == pytest.approx(0.01 * 0.2, rel=0.3)
    assert np.sum(step * gradient.reshape(step.shape)) < 0


def test_adamw_updates_first_convolution_scales_and_head() -> None:
    network = architectures.residual(side=32)
    optimizer = Muon(0.01)
    optimizer.build(network.trainable_variables)
    velocities = {
        variable.path
        for variable, velocity in zip(
            network.trainable_variables, optimizer.adam_velocities, strict=True
        )
        if velocity is not None
    }
    kernels = {v.path for v in network.trainable_variables if len(v.shape) == 4}
    assert velocities & kernels == {"stem/kernel"}
    assert "probability/kernel" in velocities


def test_the_optimizer_survives_saving() -> None:
    again = keras.optimizers.deserialize(keras.optimizers.serialize(Muon(0.02, weight_decay=0.1)))
    assert isinstance(again, Muon)
    assert float(again.learning_rate) == pytest.approx(0.02)
    assert again.weight_decay == 0.1
