"""The same recipe on every backend of Keras; the file that it writes is the same for all."""

import importlib.util
from pathlib import Path

import keras
import pytest

from app.model.card import KERAS, load_card
from app.model.classifier import Classifier
from tests.conftest import Command, write_classes


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_an_epoch_of_the_default_recipe(tmp_path: Path, command: Command, backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        # PyTorch's wheels for Linux bring gigabytes of CUDA: who wants this test installs it.
        pytest.skip(f"{backend} is not installed")
    data = write_classes(tmp_path / "d", 9, ("down", "level"))
    words = [
        "training.fit", "--data", data, "--name", "stripes", "--epochs", 1,
        "--models", tmp_path / "models", "--runs", tmp_path / "runs",
        "--cache", tmp_path / "cache",
    ]  # fmt: skip
    done = command(*words, KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "models" / "stripes" / "1"
    assert load_card(folder).libraries["keras backend"] == backend
    # The default recipe calibrates: the temperature is on the card.
    assert 0.05 <= float(load_card(folder).recipe["temperature"] or 0) <= 20
    # This process has TensorFlow; loading checks that LiteRT gives the golden predictions.
    network = keras.saving.load_model(folder / KERAS, compile=False)
    assert network.count_params() == load_card(folder).parameters
    Classifier.load(folder)
