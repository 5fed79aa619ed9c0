"""Networks that answer a photo and its mirror image alike."""

import keras
import numpy as np
import pytest

from tests.conftest import shaken
from training.loop.calibration import compute_logits
from training.loop.muon import Muon
from training.networks import architectures
from training.networks.symmetry import MirrorSymmetric, mirror_weights, symmetrise

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (4, 48, 64, 3), np.uint8)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_photo_and_its_mirror_image_get_the_same_answer(classes: int) -> None:
    network = shaken(architectures.residual(classes, side=None))
    before = compute_logits(network, PIXELS), compute_logits(network, PIXELS[:, :, ::-1])
    assert np.abs(before[0] - before[1]).max() > 0.01 * np.abs(before[0]).max()
    symmetrise(network)
    photo, image = compute_logits(network, PIXELS), compute_logits(network, PIXELS[:, :, ::-1])
    assert np.abs(photo - image).max() < 1e-4 * np.abs(photo).max()
    assert np.ptp(photo, axis=0).min() > 1e-3 * np.abs(photo).max(), "it tells photos apart"
    upside_down = compute_logits(network, PIXELS[:, ::-1])
    assert np.abs(photo - upside_down).max() > 1e-3 * np.abs(photo).max()


@pytest.mark.parametrize("shape", [(3, 3, 6, 4), (4, 4, 3, 4), (3, 3, 1, 2), (6, 3), (6,)])
def test_mirroring_keeps_symmetric_weights(shape: tuple[int, ...]) -> None:
    weights = RANDOM.normal(size=shape).astype(np.float32)
    assert np.array_equal(mirror_weights(mirror_weights(weights)), weights)
    symmetric = MirrorSymmetric()(weights)
    assert not np.array_equal(symmetric, weights)
    assert np.array_equal(mirror_weights(symmetric), symmetric)
    assert np.array_equal(MirrorSymmetric()(symmetric), symmetric)


@pytest.mark.parametrize("shape", [(3, 3, 6, 5), (3, 3, 5, 6), (7, 1), (7,)])
def test_an_odd_number_of_channels_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="even number"):
        mirror_weights(np.zeros(shape, np.float32))


def test_an_update_of_muon_keeps_a_kernel_symmetric() -> None:
    kernel = keras.Variable(np.zeros((3, 3, 8, 16), np.float32), name="kernel")
    kernel.constraint = MirrorSymmetric()
    noise = RANDOM.normal(size=kernel.shape).astype(np.float32)
    Muon(0.01).apply([keras.ops.convert_to_tensor(noise)], [kernel])
    step = keras.ops.convert_to_numpy(kernel)
    assert np.abs(step).max() > 1e-3
    assert np.array_equal(mirror_weights(step), step)
    # Orthogonal still: the constraint took nothing from it.
    values = np.linalg.svd(step.reshape(-1, step.shape[-1]), compute_uv=False)
    assert values.min() > 0.5 * values.max()


def test_the_constraint_survives_saving() -> None:
    network = architectures.residual(side=32, constraint=MirrorSymmetric())
    again = keras.Model.from_config(network.get_config())
    constraints = [weights.constraint for weights in again.trainable_weights]
    assert sum(isinstance(c, MirrorSymmetric) for c in constraints) == len(constraints) - 1
