"""The same recipe on every backend of Keras; the file that it writes is the same for all."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from app.model.card import KERAS
from app.model.classifier import Classifier
from app.model.version_folder import load_card
from tests.conftest import ROOT, write_classes

# The recipe residual with a network that is compiled in seconds, through the command as it is.
_FIT = """
from dataclasses import replace
from training.recipes import catalogue
small = {"side": 32, "stem": 4, "widths": (4, 8), "depths": (1, 1), "strides": (2, 2)}
catalogue.RECIPES["residual"] = replace(
    catalogue.RESIDUAL, options=small, sides=((24, 0.5), (32, 0.5)), source_side=40, epochs=2
)
from training.fit import main
main()
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_the_recipe_residual_trains_and_publishes(tmp_path: Path, backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        # PyTorch's wheels for Linux bring gigabytes of CUDA: who wants this test installs it.
        pytest.skip(f"{backend} is not installed")
    data = write_classes(tmp_path / "d", 9, ("down", "level"))
    words = ["--recipe", "residual", "--data", data, "--name", "stripes"]
    for name in ("models", "runs", "cache"):
        words += [f"--{name}", tmp_path / name]
    done = subprocess.run(
        [sys.executable, "-c", _FIT, *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "models" / "stripes" / "1"
    assert load_card(folder).libraries["keras backend"] == backend
    # The recipe calibrates: the temperature is on the card.
    assert 0.05 <= float(load_card(folder).recipe["temperature"] or 0) <= 20
    # This process has TensorFlow; loading checks that LiteRT gives the golden predictions.
    network = keras.saving.load_model(folder / KERAS, compile=False)
    assert network.count_params() == load_card(folder).parameters
    Classifier.load(folder)


# Not with JAX: it compiles this network for three minutes on two cores, and takes 4 GB. The test
# above trains with it, and tests/training/networks/test_backbones.py holds its features.
@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_the_default_recipe_fine_tunes_and_publishes(tmp_path: Path, backend: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    data = write_classes(tmp_path / "d", 40, ("down", "level"))
    words = ["--data", data, "--name", "stripes", "--size", 96, "--minutes", 30, "--epochs", 1]
    for name in ("models", "runs", "cache"):
        words += [f"--{name}", tmp_path / name]
    done = subprocess.run(
        [sys.executable, "-m", "training.fit", *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "epochs of fine-tuning" in done.stdout
    folder = tmp_path / "models" / "stripes" / "1"
    card = load_card(folder)
    assert card.libraries["keras backend"] == backend
    assert card.recipe["backbone"] == "efficientnet-lite0"
    assert card.metrics["test_accuracy"].value > 0.9
    assert sum(path.stat().st_size for path in folder.iterdir()) < 35_000_000
    Classifier.load(folder)
