"""A recipe that calibrates does so on the validation photos, never on those it trained on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.config import TrainingConfig
from training.data.cache import DecodedSubset
from training.data.samples import Dataset
from training.fit import _calibrated_result
from training.loop import calibration
from training.loop.checkpoint import TrainingState
from training.recipes.catalogue import RESIDUAL


def subset(count: int) -> DecodedSubset:
    return DecodedSubset(np.full((count, 4, 4, 3), count, np.uint8), np.arange(count) % 2, {})


@pytest.mark.parametrize("calibrates", [False, True])
def test_the_temperature_is_fitted_on_validation(
    monkeypatch: pytest.MonkeyPatch, calibrates: bool
) -> None:
    seen: list[Any] = []

    def calibrate(network: object, pixels: np.ndarray, labels: np.ndarray) -> float:
        seen.append((network, pixels, labels))
        return 1.25

    monkeypatch.setattr(calibration, "calibrate", calibrate)
    recipe = replace(RESIDUAL, calibrate=calibrates)
    dataset = Dataset(("cat", "dog"), [], [], [], "0" * 64)
    config = TrainingConfig(recipe, "x", Path(), dataset, "float32")
    training, validation = subset(7), subset(4)
    network: Any = object()
    history = [{"epoch": 1.0, "loss": 1.0, "val_loss": 1.0, "seconds": 3.0}]
    state = TrainingState(history)  # type: ignore[arg-type]  # as a checkpoint has it
    result = _calibrated_result(config, network, state, training, validation)
    assert (result.data["train"], result.data["validation"]) == (7, 4)
    if not calibrates:
        assert seen == []
        assert "temperature" not in result.recipe
        return
    [(calibrated, pixels, labels)] = seen
    assert calibrated is network
    np.testing.assert_array_equal(pixels, validation.pixels)
    np.testing.assert_array_equal(labels, validation.labels)
    assert result.recipe["temperature"] == 1.25
